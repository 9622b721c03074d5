"""Fetching pictures from servers that are slow, wrong or hostile. None but those on loopback are asked."""

import gzip
import itertools
import socket
import socketserver
import ssl
import threading
import time
import zlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import trustme

import sigsearch
from sigsearch import ImageError
from sigsearch.limits import Limits
from sigsearch.reading import describe, hosts, read_bytes, urls
from sigsearch.reading.content import plainly_no_picture
from sigsearch.reading.urls import fetch, without_password

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
LONG = 10
"""Seconds within which everything must have ended that has a limit of less than one."""


def limits(**given):
    return Limits(**{"private_addresses": True, "seconds": 60.0, **given})


def answer(body=PICTURE, status="200 OK", **fields):
    """An answer of HTTP; with length=None it ends with the connection."""
    length = fields.pop("length", len(body))
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(location, status="302 Found"):
    return answer(b"", status, Location=location)


class Server:
    """Answers on loopback as it is told: with bytes, with each of some bytes in turn, or by a function."""

    def __init__(self, behaviour, tls=None):
        requests = self.requests = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    with (
                        tls.wrap_socket(self.request, server_side=True) if tls else self.request as connection
                    ):
                        requests.append(request := received(connection))
                        said = behaviour(connection, request) if callable(behaviour) else behaviour
                        for piece in [said] if isinstance(said, bytes) else said or ():
                            connection.sendall(piece)
                except OSError:
                    pass  # the client has gone, as it should

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def headers(self):
        """Of each request, the names in lower case."""
        return [
            {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            for lines in (request.decode().split("\r\n") for request in self.requests)
        ]


def received(connection):
    request = b""
    while not request.endswith(b"\r\n\r\n") and (piece := connection.recv(65536)):
        request += piece
    return request.removesuffix(b"\r\n\r\n")


@pytest.fixture
def serve():
    with ExitStack() as stack:

        def begin(behaviour, tls=None):
            server = Server(behaviour, tls)
            stack.callback(server.close)
            return server

        yield begin


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def names(monkeypatch):
    """The hosts that there are, each with the answers that a lookup gives, the last for ever."""
    real = socket.getaddrinfo
    known = {}
    asked = []

    def getaddrinfo(host, port, *args, **options):
        asked.append(host)
        if host.replace(".", "").isdigit() or ":" in host:
            return real(host, port, *args, **options)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = known[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for ip in found for entry in real(ip, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    known["asked"] = asked
    return known


@pytest.fixture
def connected(monkeypatch):
    """The addresses that were connected to."""
    real = socket.socket.connect
    addresses = []

    def connect(self, address):
        addresses.append(address[0])
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return addresses


@pytest.fixture
def only_127_0_0_1_is_public(monkeypatch):
    """So that a server here is one of the world, and 127.0.0.2 is not."""
    monkeypatch.setattr(hosts, "is_public", lambda address: address == "127.0.0.1")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certified(authority, monkeypatch):
    """What a server needs to be 127.0.0.1 and pictures.example, to clients that believe it."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(urls, "_tls", lambda: trusting)
    return server_context(authority, "127.0.0.1", "pictures.example")


def server_context(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def refused(url, limits):
    """Why it is not fetched."""
    with pytest.raises(ImageError) as caught:
        fetch(url, limits)
    error = caught.value
    assert error.source == without_password(url)
    assert str(error).isprintable()
    assert len(error.reason) < 500
    return error.reason


# What works


def test_a_picture_comes_as_it_is_and_is_asked_for_politely(serve):
    server = serve(answer())
    assert fetch(f"{server.url}/a.png?b=c#d", limits()) == PICTURE
    [request] = server.requests
    assert request.startswith(b"GET /a.png?b=c HTTP/1.1\r\n")
    [headers] = server.headers
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"] == f"sigsearch/{sigsearch.__version__}"
    assert headers["accept"].startswith("image/*")
    assert headers["accept-encoding"] == "identity"
    assert headers.keys() == {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 200_000])
def test_bodies_of_all_lengths_and_endings_come_whole(serve, size):
    body = (PICTURE * 10)[:size]
    pieces = [body[at : at + 1000] for at in range(0, size, 1000)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    for said in (
        answer(body),
        answer(body, length=None),
        answer(chunked, length=None, Transfer_Encoding="chunked"),
        answer(gzip.compress(body), Content_Encoding="gzip"),
        answer(gzip.compress(body), Content_Encoding="X-Gzip", length=None),
    ):
        assert fetch(serve(said).url, limits()) == body


def test_a_connection_that_stays_open_is_not_waited_for(serve):
    def behave(connection, request):
        connection.sendall(answer())
        time.sleep(0.1)
        connection.recv(1)

    assert fetch(serve(behave).url, limits(seconds=LONG)) == PICTURE


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream", "no/such; x=y"])
def test_what_counts_is_the_content_and_not_its_declared_type(serve, kind):
    assert fetch(serve(answer(Content_Type=kind)).url, limits()) == PICTURE


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/a picture.png", "/a%20picture.png"),
        ("/a%20picture.png", "/a%20picture.png"),
        ("/é/日.png?q=ü", "/%C3%A9/%E6%97%A5.png?q=%C3%BC"),
        ("/a\r\nX-Evil: 1", "/a%0D%0AX-Evil:%201"),
        ("/mona@2x.jpg", "/mona@2x.jpg"),
        ("?a=b", "/?a=b"),
        ("", "/"),
    ],
)
def test_what_may_not_stand_in_an_address_is_quoted(serve, written, asked):
    server = serve(answer())
    assert fetch(server.url + written, limits()) == PICTURE
    assert server.requests[0].split(b"\r\n")[0] == f"GET {asked} HTTP/1.1".encode()


def test_an_international_name_is_looked_up_as_it_is_registered(serve, names):
    server = serve(answer())
    names["xn--bcher-kva.example"] = [["127.0.0.1"]]
    assert fetch(f"http://BÜCHER.example:{server.port}/", limits()) == PICTURE
    assert server.headers[0]["host"] == f"xn--bcher-kva.example:{server.port}"


def test_the_next_address_is_tried_where_one_does_not_answer(serve, names, connected):
    server = serve(answer())
    names["two.example"] = [["::1", "127.0.0.1"]]
    assert fetch(f"http://two.example:{server.port}/", limits()) == PICTURE
    assert connected == ["::1", "127.0.0.1"]


# Time


def drip(first, piece):
    """Send something, and then a little again and again, so that no timeout between bytes is reached."""

    def behave(connection, request):
        connection.sendall(first)
        while True:
            time.sleep(0.05)
            connection.sendall(piece)

    return behave


SLOW = {
    "silence": lambda connection, request: time.sleep(3),
    "status": drip(b"HTTP/1.1 2", b"0"),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "one header": drip(b"HTTP/1.1 200 OK\r\nX:", b"y"),
    "continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drip(answer(PICTURE, length=10**6), b"x"),
    "body without length": drip(answer(b"", length=None), b"x"),
    "chunks": drip(answer(b"", length=None, Transfer_Encoding="chunked"), b"1\r\nx\r\n"),
    "trailers": drip(answer(b"1\r\nx\r\n0\r\n", length=None, Transfer_Encoding="chunked"), b"X: y\r\n"),
    "nothing in gzip": drip(answer(b"", length=None, Content_Encoding="gzip"), gzip.compress(b"")),
}


@pytest.mark.long
@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
def test_a_server_that_drips_is_left_at_the_limit(serve, behaviour):
    server = serve(behaviour)
    begin = time.monotonic()
    assert refused(server.url, limits(seconds=0.5)) == "it took longer than the limit of 0.5 seconds"
    assert 0.5 <= time.monotonic() - begin < LONG


def test_the_limit_holds_in_every_thread_and_for_each_fetch_alone(serve):
    slow, quick = serve(SLOW["body"]), serve(answer())
    with ThreadPoolExecutor(4) as pool:
        reasons = [pool.submit(refused, slow.url, limits(seconds=0.5)) for _ in range(3)]
        assert pool.submit(fetch, quick.url, limits()).result() == PICTURE
        assert {reason.result() for reason in reasons} == {"it took longer than the limit of 0.5 seconds"}


def test_redirects_do_not_begin_the_time_anew(serve):
    def behave(connection, request):
        time.sleep(0.2)
        return redirect("/again")

    begin = time.monotonic()
    reason = refused(serve(behave).url, limits(seconds=0.5, redirects=1000))
    assert "it took longer than the limit of 0.5 seconds" in reason
    assert time.monotonic() - begin < LONG


def test_a_lookup_that_does_not_end_is_left_at_the_limit(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: ended.wait(20))
    assert refused("http://a.example/", limits(seconds=0.3)) == "it took longer than the limit of 0.3 seconds"
    ended.set()


def test_a_handshake_that_does_not_end_is_left_at_the_limit(serve):
    url = serve(SLOW["silence"]).url.replace("http", "https")
    assert refused(url, limits(seconds=0.3)) == "it took longer than the limit of 0.3 seconds"


def test_the_limit_holds_over_tls(serve, certified):
    server = serve(SLOW["body"], certified)
    assert refused(server.url, limits(seconds=0.5)) == "it took longer than the limit of 0.5 seconds"


# Size


def endless(connection, request):
    connection.sendall(answer(PICTURE, length=None))
    return itertools.repeat(bytes(65536))


def endless_chunks(connection, request):
    connection.sendall(answer(b"", length=None, Transfer_Encoding="chunked"))
    return itertools.repeat(b"10000\r\n" + bytes(65536) + b"\r\n")


def one_endless_chunk(connection, request):
    connection.sendall(answer(b"ffffffffffff\r\n", length=None, Transfer_Encoding="chunked"))
    return itertools.repeat(bytes(65536))


@pytest.mark.parametrize("behaviour", [endless, endless_chunks, one_endless_chunk])
def test_an_endless_body_ends_at_the_limit(serve, behaviour):
    reason = refused(serve(behaviour).url, limits(bytes=10**6))
    assert reason == "it is larger than the limit of 1,000,000 bytes"


def test_a_body_announced_too_large_is_not_read(serve):
    reason = refused(serve(answer(PICTURE, length=10**15)).url, limits(bytes=10**6))
    assert reason == "it is larger than the limit of 1,000,000 bytes: 1,000,000,000,000,000 bytes"


@pytest.mark.parametrize("size", [1, 4096, 5000, 100_000])
def test_the_limit_is_exact(serve, size):
    body = (PICTURE * 10)[:size]
    for said in (
        answer(body),
        answer(body, length=None),
        answer(gzip.compress(body), Content_Encoding="gzip"),
    ):
        server = serve(said)
        more = limits(bytes=max(size, len(said)))
        assert fetch(server.url, more) == body
        if size > 1:
            assert "larger than the limit" in refused(server.url, limits(bytes=size - 1))


def test_a_body_shorter_than_announced_is_refused(serve):
    reason = refused(serve(answer(PICTURE[:5000], length=20_000)).url, limits())
    assert reason == "the server sent 5,000 of 20,000 bytes"


def test_a_body_longer_than_announced_ends_where_it_was_to_end(serve):
    assert fetch(serve(answer(PICTURE + b"more" * 10**6, length=len(PICTURE))).url, limits()) == PICTURE


def test_chunks_that_break_off_are_refused(serve):
    cut = answer(b"1000\r\nabc", length=None, Transfer_Encoding="chunked")
    assert refused(serve(cut).url, limits()) == "the server broke off in the middle"
    no_last = answer(b"3\r\nabc\r\n", length=None, Transfer_Encoding="chunked")
    assert refused(serve(no_last).url, limits()) == "the server broke off in the middle"


def test_a_gzip_bomb_ends_at_the_limit(serve):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(10**6)) for _ in range(200)) + packer.flush()
    assert len(bomb) < 10**6
    reason = refused(serve(answer(bomb, Content_Encoding="gzip")).url, limits(bytes=10**6))
    assert reason == "it is larger than the limit of 1,000,000 bytes"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: data[:50] + b"x" * 50, lambda data: b"x"]
)
def test_a_damaged_gzip_is_refused(serve, damage):
    body = damage(gzip.compress(PICTURE))
    assert refused(serve(answer(body, Content_Encoding="gzip")).url, limits())


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_encodings_that_were_not_asked_for_are_refused(serve, encoding):
    reason = refused(serve(answer(Content_Encoding=encoding)).url, limits())
    assert reason == f"it is encoded as {encoding}, wanted it as it is"


# Content


def test_a_page_is_not_read_on(serve):
    def page(connection, request):
        connection.sendall(answer(b"<!DOCTYPE html>\n<title>a.png</title>" + b" " * 4096, length=None))
        return itertools.repeat(b"<p>")

    reason = refused(serve(page).url, limits())
    assert reason == "it is an HTML page, wanted a picture"


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\n <!-- a page --><HTML lang='en'>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>", "an HTML page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", "an HTML or XML document"),
        (b'{"error": "not found"}', "a JSON document"),
        (b'[{"a": 1}]', "a JSON document"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14\x00", "an archive"),
        (bytes(257) + b"ustar\x0000", "an archive"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"MZ\x90\x00" + bytes(120) + b"PE\0\0", "a program"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a film or sound"),
        (b"\x1a\x45\xdf\xa3\x01", "a film or sound"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a film or sound"),
    ],
)
def test_what_plainly_is_no_picture_is_named(head, what):
    assert plainly_no_picture(head) == what


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"<?xml version='1.0'?>\n<!-- <html> -->\n<svg:svg xmlns:svg=",
        b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'><svg>",
        b"\x1f\x8b\x08",
        b"P3\n2 2\n255\n",
        b"#define a_width 16\n",
        b"/* XPM */\nstatic char *a[] = {",
        b"SIMPLE  =                    T",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\n\x05\x01\x08",
        b"\0\0\x02\0\0\0",
        b"\x3c\0\x02html>",
        b"MZ",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x20ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf",
        b"\0\0\0\x20ftypisom\0\0\0\0isommif1",
    ],
)
def test_what_a_decoder_may_read_is_left_to_it(head):
    assert plainly_no_picture(head) is None


@pytest.mark.parametrize("head", [b"<!---->" * 600, b"<!--" * 1024, b" " * 4096, b"<?" * 2048, b"MZ" * 2048])
def test_no_content_takes_long_to_look_at(head):
    begin = time.monotonic()
    assert plainly_no_picture(head[:4096]) is None
    assert time.monotonic() - begin < LONG


# Redirects


def test_redirects_are_followed_by_any_way_to_name_them(serve):
    places = ["/b c", "../d", "?e=\xc3\xa9", "//127.0.0.1:{port}/f", "http://127.0.0.1:{port}/g#h"]
    statuses = [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent",
    ]
    said = [redirect(place, status) for place, status in zip(places, statuses, strict=True)]

    def behave(connection, request):
        step = len(server.requests) - 1
        return said[step].replace(b"{port}", b"%d" % server.port) if step < len(said) else answer()

    server = serve(behave)
    assert fetch(f"{server.url}/a/a", limits()) == PICTURE
    asked = [request.split()[1].decode() for request in server.requests]
    assert asked == ["/a/a", "/b%20c", "/d", "/d?e=%C3%A9", "/f", "/g"]


@pytest.mark.parametrize("most", [0, 1, 5])
def test_a_loop_ends_at_the_limit(serve, most):
    server = serve(redirect("/again"))
    reason = refused(server.url, limits(redirects=most))
    assert reason == f"it redirects more often than the limit of {most}"
    assert len(server.requests) == most + 1


@pytest.mark.parametrize(
    ("location", "scheme"),
    [
        ("file:///etc/passwd", "file"),
        ("ftp://127.0.0.1/a.png", "ftp"),
        ("data:image/png;base64,AAAA", "data"),
    ],
)
def test_a_redirect_leads_to_the_web_only(serve, location, scheme):
    reason = refused(serve(redirect(location)).url, limits(file_urls=True))
    assert reason == (
        f"it redirects where nothing is fetched from: wanted an http or https address, found {scheme}:"
    )


@pytest.mark.parametrize(
    "location", ["https://", "http://a..b/", "http://a:b/", "http://[::1/", "http://a b/"]
)
def test_a_redirect_to_no_address_is_refused(serve, location):
    assert refused(serve(redirect(location)).url, limits()).startswith(
        "it redirects where nothing is fetched"
    )


def test_a_redirect_that_names_nowhere_is_an_error_of_http(serve):
    assert refused(serve(answer(b"", "302 Found")).url, limits()) == "HTTP Error 302: Found"


def test_what_fails_after_a_redirect_names_where(serve):
    there = serve(answer(b"", "404 Not Found"))
    reason = refused(serve(redirect(f"{there.url}/secret?token=x")).url, limits())
    assert reason == f"it redirects to {there.url}: HTTP Error 404: Not Found"


# Addresses


NOT_PUBLIC = [
    *("127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("192.88.99.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:1::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "4000::1"),
]
PUBLIC = [
    *(
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700:4700::1111",
    ),
    *("2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
]


def test_public_addresses_are_told_from_others():
    assert [address for address in NOT_PUBLIC if hosts.is_public(address)] == []
    assert [address for address in PUBLIC if not hosts.is_public(address)] == []


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("%31%32%37.1", "127.0.0.1"),
        ("\uff11\uff12\uff17\u30020\u30020\u30021", "127.0.0.1"),  # digits of full width, ideographic dots
        ("user:pass@127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
    ],
)
def test_no_way_to_write_it_leads_inward(connected, written, address):
    reason = refused(f"http://{written}:1/a.png", Limits())
    assert reason == (
        f"{address} is not a public address; allow it with Limits(private_addresses=True) or --allow-private"
    )
    assert connected == []


def test_a_name_does_not_lead_inward(names, connected):
    names["inward.example"] = [["10.0.0.7"]]
    assert refused("http://inward.example/", Limits()).startswith("10.0.0.7 is not a public address")
    names["mixed.example"] = [["8.8.8.8", "10.0.0.7"]]
    assert refused("https://mixed.example/", Limits()).startswith("10.0.0.7 is not a public address")
    assert connected == []


@pytest.mark.usefixtures("only_127_0_0_1_is_public")
def test_a_name_is_not_looked_up_again_after_its_address_was_checked(serve, names, connected):
    server = serve(answer())
    names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    assert fetch(f"http://rebinding.example:{server.port}/", Limits()) == PICTURE
    assert (names["asked"], connected) == (["rebinding.example"], ["127.0.0.1"])
    assert refused(f"http://rebinding.example:{server.port}/", Limits()).startswith(
        "127.0.0.2 is not a public"
    )
    assert connected == ["127.0.0.1"]


@pytest.mark.usefixtures("only_127_0_0_1_is_public")
@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "inward.example"])
def test_a_redirect_does_not_lead_inward(serve, names, connected, host):
    names["inward.example"] = [["127.0.0.2"]]
    reason = refused(serve(redirect(f"http://{host}/a.png")).url, Limits())
    address = "::1" if "[" in host else "127.0.0.2"
    assert reason.startswith(f"it redirects to http://{host}: {address} is not a public address")
    assert connected == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://", "it names no host"),
        ("http:///a.png", "it names no host"),
        ("http://a:b/", "its port is not a number up to 65535"),
        ("http://a:99999/", "its port is not a number up to 65535"),
        ("http://a..b/", "its host has no valid name"),
        ("http://a%0d%0ab/", "its host has no valid name"),
        ("http://a%2fb/", "its host has no valid name"),
        ("http://a\\b/", "its host has no valid name"),
        ("http://" + "a" * 64 + ".example/", "its host has no valid name"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http://a\udcff/", "surrogates not allowed"),
        ("http://nowhere.example/", "Name or service not known"),
    ],
)
def test_what_is_no_address_says_so(names, url, reason):
    with pytest.raises(ImageError) as caught:
        fetch(url, Limits())
    assert reason in caught.value.reason


# What servers say


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(b"", "404 Not Found"), "HTTP Error 404: Not Found"),
        (answer(b"<html>", "503 Service Unavailable"), "HTTP Error 503: Service Unavailable"),
        (answer(b"", "500"), "HTTP Error 500"),
        (answer(b"", "500 \x1b[31mred\x07"), "HTTP Error 500:  [31mred"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "wanted an answer in HTTP, found 'SSH-2.0-OpenSSH_9.6"),
        (b"\x1b" * 50_000 + b"\r\n\r\n", "wanted an answer in HTTP, found "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "got more than 65536 bytes when reading header line"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, "got more than 100 headers"),
        (b"", "Remote end closed connection without response"),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_line(serve, said, reason):
    assert refused(serve(said).url, limits()).startswith(reason)


def test_a_connection_that_is_reset_is_told(serve):
    def behave(connection, request):
        connection.sendall(answer(PICTURE, length=10**6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert refused(serve(behave).url, limits())


# TLS


def test_a_picture_comes_over_tls(serve, certified):
    server = serve(answer(PICTURE * 20), certified)
    assert fetch(f"{server.url}/a.png", limits()) == PICTURE * 20


def test_a_certificate_of_nobody_known_is_refused(serve, authority):
    server = serve(answer(), server_context(authority, "127.0.0.1"))
    assert "certificate verify failed" in refused(server.url, limits())
    assert server.requests == []


def test_a_certificate_of_another_host_is_refused(serve, certified, names):
    names["other.example"] = [["127.0.0.1"]]
    server = serve(answer(), certified)
    assert "certificate is not valid for 'other.example'" in refused(
        f"https://other.example:{server.port}/", limits()
    )
    assert server.requests == []


# Passwords


def basic(pair):
    return "Basic " + b64encode(pair.encode()).decode()


def test_a_password_goes_to_its_own_server_only_and_is_shown_nowhere(serve):
    there = serve(answer())

    def behave(connection, request):
        return redirect("/next") if len(here.requests) == 1 else redirect(f"{there.url}/a.png")

    here = serve(behave)
    url = f"{here.url}/".replace("http://", "http://us%40er:geh%20eim@")
    assert fetch(url, limits()) == PICTURE
    assert [headers["authorization"] for headers in here.headers] == [basic("us@er:geh eim")] * 2
    assert "authorization" not in there.headers[0]
    assert all(b"eim@" not in request for request in here.requests + there.requests)


def test_another_port_or_scheme_is_another_server(serve, certified):
    there = serve(answer(), certified)
    here = serve(redirect(f"{there.url}/a.png"))
    assert fetch(here.url.replace("http://", "http://me:geheim@"), limits()) == PICTURE
    assert "authorization" in here.headers[0]
    assert "authorization" not in there.headers[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:geheim@h/x", "http://me:***@h/x"),
        ("HTTPS://geheim@h:80/x", "HTTPS://***@h:80/x"),
        ("http://:geheim@h", "http://:***@h"),
        ("http://me:ge@heim@h/", "http://me:***@h/"),
        ("http://me:geh/eim@h/", "http://me:***@h/"),
        ("http://me:geh#eim?@h/", "http://me:***@h/"),
        ("http://me:geheim@[::1]:80/a@b", "http://me:***@[::1]:80/a@b"),
        ("http://h/mona@2x.jpg", "http://h/mona@2x.jpg"),
        ("http://h:80/mona@2x.jpg?a@b", "http://h:80/mona@2x.jpg?a@b"),
        ("http://h?a:b@c", "http://h?a:b@c"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("http://h/", "http://h/"),
    ],
)
def test_an_address_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown
    assert describe(url) == shown


def test_no_error_shows_a_password(serve):
    url = serve(answer(b"", "401 Unauthorized")).url.replace("http://", "http://me:geheim@")
    for address in (
        url,
        "http://me:geh/eim@127.0.0.1/",
        "http://me:geheim@a..b/",
        "http://me:geheim@127.0.0.1:1/",
    ):
        with pytest.raises(ImageError) as caught:
            fetch(address, limits())
        assert "geh" not in str(caught.value)


# Proxies


@pytest.fixture
def proxied(serve, monkeypatch):
    """A proxy of the environment that answers everything itself."""
    server = serve(answer())
    monkeypatch.setenv("http_proxy", server.url.replace("http://", "http://pro:xy@"))
    return server


def test_a_proxy_is_asked_for_names_that_only_it_knows(proxied, names):
    # And it may itself be at an address that is not public.
    assert fetch("http://me:pass@pictures.example/a b?c#d", Limits()) == PICTURE
    assert proxied.requests[0].startswith(b"GET http://pictures.example/a%20b?c HTTP/1.1\r\n")
    assert proxied.headers[0]["host"] == "pictures.example"
    assert proxied.headers[0]["authorization"] == basic("me:pass")
    assert proxied.headers[0]["proxy-authorization"] == basic("pro:xy")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "10.0.0.7", "inward.example", "mixed.example"])
def test_a_proxy_is_not_asked_for_what_is_not_public(proxied, names, host):
    names["inward.example"] = [["10.0.0.7"]]
    names["mixed.example"] = [["8.8.8.8", "10.0.0.7"]]
    assert "is not a public address" in refused(f"http://{host}/", Limits())
    assert proxied.requests == []
    assert fetch(f"http://{host}/", limits()) == PICTURE


def test_a_host_that_needs_no_proxy_is_checked_as_any_other(serve, proxied, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = serve(answer())
    assert fetch(server.url, limits()) == PICTURE
    assert proxied.requests == []
    assert "is not a public address" in refused(server.url, Limits())


def test_a_redirect_of_a_proxy_is_checked(serve, names, monkeypatch):
    proxy = serve(redirect("http://127.0.0.1:1/"))
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
    assert "127.0.0.1 is not a public address" in refused("http://pictures.example/", Limits())
    assert len(proxy.requests) == 1


def tunnel(certified, insides):
    """A proxy that is the end of its tunnels itself, and what it was asked inside."""

    def behave(connection, request):
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with certified.wrap_socket(connection, server_side=True) as inside:
            insides.append(received(inside).decode())
            inside.sendall(answer())

    return behave


def test_https_goes_through_a_tunnel(serve, certified, names, monkeypatch):
    insides = []
    proxy = serve(tunnel(certified, insides))
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://pro:xy@"))
    assert fetch("https://me:pass@pictures.example/a.png", Limits()) == PICTURE
    assert proxy.requests[0].startswith(b"CONNECT pictures.example:443 HTTP/1.1\r\n")
    assert proxy.headers[0]["proxy-authorization"] == basic("pro:xy")
    assert "authorization" not in proxy.headers[0]
    [inside] = insides
    assert inside.startswith("GET /a.png HTTP/1.1\r\n")
    assert "proxy-authorization" not in inside.lower()
    assert basic("me:pass") in inside


def test_a_certificate_is_checked_through_a_tunnel(serve, certified, names, monkeypatch):
    insides = []
    monkeypatch.setenv("https_proxy", serve(tunnel(certified, insides)).url)
    assert "certificate is not valid for 'other.example'" in refused("https://other.example/", Limits())
    assert insides == []


def test_a_proxy_over_tls_is_asked(serve, certified, names, monkeypatch):
    proxy = serve(answer(), certified)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert fetch("http://pictures.example/", Limits()) == PICTURE


def test_a_proxy_that_fails_is_named_without_its_password(serve, names, monkeypatch):
    proxy = serve(answer(b"", "407 Proxy Authentication Required"))
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://pro:geheim@"))
    assert refused("https://pictures.example/", Limits()) == (
        f"the proxy {proxy.url}: HTTP Error 407: Proxy Authentication Required"
    )
    monkeypatch.setenv("http_proxy", "http://pro:geheim@127.0.0.1:1")
    assert refused("http://pictures.example/", Limits()) == "the proxy http://127.0.0.1:1: Connection refused"
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    assert refused("http://pictures.example/", Limits()) == (
        "the proxy for http: wanted an http or https address, found socks5:"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_drips_is_left_at_the_limit(serve, names, monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", serve(SLOW["headers"]).url)
    assert refused(f"{scheme}://pictures.example/", Limits(seconds=0.5)) == (
        "it took longer than the limit of 0.5 seconds"
    )


# file://


def test_a_file_url_is_read_only_where_it_is_asked_for(tmp_path):
    path = tmp_path / "a picture.png"
    path.write_bytes(PICTURE)
    for url in (path.as_uri(), path.as_uri().replace("file://", "FILE://localhost")):
        assert read_bytes(url, Limits(file_urls=True)) == PICTURE
        with pytest.raises(ImageError, match=r"Limits\(file_urls=True\) or --allow-file-urls"):
            read_bytes(url, Limits())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file://server/share/a.png", "found the host 'server'"),
        ("file:///no/such.png", "no such file"),
        ("file:///a%00b", "embedded null"),
        ("file://[", "Invalid"),
        ("file://", "no such file"),
    ],
)
def test_a_file_url_that_leads_nowhere_says_so(url, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        read_bytes(url, Limits(file_urls=True))
    assert caught.value.source == url
