"""A proxy before a real Elasticsearch that answers wrongly, late or not at all, as servers do in trouble."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FORWARD = "forward"


class Proxy:
    """Passes requests on, but for those that the next of the faults is for.

    A fault is a function of the request and of what passes it on. It gives the answer, as status and JSON,
    bytes of JSON or text, or None for none at all: then the connection is closed.
    """

    def __init__(self, target):
        self.target = target
        self.faults = []
        self.requests = []
        """Method and path of each."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.requests.append((self.command, self.path))
                request = Request(self.command, self.path, dict(self.headers), body)
                for part, fault in proxy.faults:
                    # Not in the name of an index.
                    if part in "/".join(step for step in self.path.split("/") if step.startswith("_")):
                        proxy.faults.remove((part, fault))
                        answer = fault(request, proxy.forward)
                        break
                else:
                    answer = proxy.forward(request)
                if answer is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, told = answer
                kind, data = "application/vnd.elasticsearch+json;compatible-with=8", told
                if isinstance(told, str):
                    kind, data = "text/html", told.encode()
                elif not isinstance(told, bytes):
                    data = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"

    def forward(self, request):
        passed = urllib.request.Request(
            self.target + request.path, request.body or None, method=request.method
        )
        for name in ("Content-Type", "Accept"):
            if name.lower() in request.headers:
                passed.add_header(name, request.headers[name.lower()])
        try:
            with urllib.request.urlopen(passed, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def trouble(self, part, *faults):
        """Let the next requests with this in their path meet these faults, one each."""
        self.faults += [(part, fault) for fault in faults]

    def sent(self, part):
        return sum(part in path for _, path in self.requests)


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.body = method, path, body
        self.headers = {name.lower(): value for name, value in headers.items()}


@contextmanager
def running(target):
    """A proxy before the server at a URL."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join()


# Faults


def says(status, kind="made_up_exception", reason="made up"):
    """An error of the server, which did nothing."""
    cause = {"type": kind, "reason": reason}
    return lambda request, forward: (
        status,
        {"error": {"root_cause": [cause], **cause}, "status": status},
    )


def page(status, text):
    """What a proxy on the way would say."""
    return lambda request, forward: (status, text)


def breaks_before(request, forward):
    """The connection breaks, and the request was not carried out."""


def breaks_after(request, forward):
    """The request was carried out, and the connection breaks before the answer."""
    forward(request)


def late(seconds, *, carried_out):
    """The answer comes when nobody waits for it any more."""

    def fault(request, forward):
        answer = forward(request) if carried_out else (503, {})
        time.sleep(seconds)
        return answer

    return fault


def changed(change):
    """The server's own answer, with a change."""

    def fault(request, forward):
        status, data = forward(request)
        told = json.loads(data)
        change(told)
        return status, told

    return fault


def rejects_every_other(request, forward):
    """Of a bulk request the server takes every other item, and has no room for the rest."""
    lines = request.body.split(b"\n")
    operations = []
    while lines and lines[0]:
        [action] = json.loads(lines[0])
        size = 1 if action == "delete" else 2
        operations.append((action, json.loads(lines[0])[action]["_id"], lines[:size]))
        lines = lines[size:]
    request.body = b"\n".join(line for _, _, part in operations[::2] for line in part) + b"\n"
    status, data = forward(request)
    taken = iter(json.loads(data)["items"])
    full = {
        "type": "es_rejected_execution_exception",
        "reason": "rejected execution of coordinating operation",
    }
    items = [
        {action: {"_id": id, "status": 429, "error": full}} if number % 2 else next(taken)
        for number, (action, id, _) in enumerate(operations)
    ]
    return status, {"took": 1, "errors": True, "items": items}
