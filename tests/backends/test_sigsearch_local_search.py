"""The packed rows and the search over them, against plain numpy: nothing is lost, nothing is missed."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigsearch_local import _kernels
from sigsearch_local.files import SignatureFiles, StoredRows
from sigsearch_local.layout import BLOCK, LANES, layouts
from sigsearch_local.query import Queries
from sigsearch_local.search import search

import sigsearch
from sigsearch import signatures as core
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.testing.pictures import make_picture

SMALL = Scheme(grid_size=3, word_count=8, word_length=4)


def made_signatures(count, scheme, *, seed=0, antisymmetric=False, zeros=0.2):
    """Signatures of independent values, or ones that could be of pictures."""
    random = np.random.default_rng(seed)
    shape = (count, scheme.signature_length)
    signatures = random.integers(-scheme.levels, scheme.levels + 1, shape).astype(np.int8)
    signatures[random.random(shape) < zeros] = 0
    if antisymmetric:
        folded = layouts(scheme)[0]
        signatures[:, folded.backward] = -signatures[:, folded.forward]
        signatures[:, folded.border] = 0
    return signatures


def plain_distances(query, signatures):
    """The definition, in numpy."""
    wide, other = query.astype(float), signatures.astype(float)
    norms = np.sqrt((wide**2).sum()) + np.sqrt((other**2).sum(axis=1))
    apart = np.sqrt(((wide - other) ** 2).sum(axis=1))
    return np.divide(apart, norms, out=np.ones(len(other)), where=norms > 0)


def stored_rows(signatures, scheme, kind, folder="nowhere"):
    """Rows as if they had been read from files."""
    layout = layouts(scheme)[kind]
    every = np.arange(len(signatures))
    rows = layout.pack(signatures, 2 * every + kind, 0 * every)
    blocks = layout.lay_blocks(rows[: len(rows) // BLOCK * BLOCK])
    return StoredRows(SignatureFiles(folder, layout, 1), rows, blocks)


def found(near):
    """What was found, as a set."""
    return set(zip(near.queries.tolist(), near.rows.tolist(), near.distances.tolist(), strict=True))


def expected(queries, signatures, cutoff):
    """What should be found, by the core's distances, which must be the same to the last bit."""
    return {
        (number, row, apart)
        for number, query in enumerate(queries)
        for row, apart in enumerate(core.distances(query, signatures, scheme=scheme_of(query)))
        if apart < cutoff
    }


def scheme_of(signature):
    """A scheme of signatures of this length, of as many levels as there can be."""
    return Scheme(grid_size=int((len(signature) / 8) ** 0.5), levels=9, word_count=8, word_length=4)


# Layouts


@pytest.mark.full_size
def test_a_pictures_signature_is_folded_into_272_values():
    folded, full = layouts(DEFAULT_SCHEME)
    assert (folded.values, len(folded.border), full.values) == (272, 104, 648)
    pictures = np.array([sigsearch.compute_signature(make_picture(seed)) for seed in range(20)])
    assert folded.takes(pictures).all()
    assert not folded.takes(made_signatures(20, DEFAULT_SCHEME)).any()


def test_a_row_and_its_share_of_a_block_stay_below_300_bytes():
    folded, full = layouts(DEFAULT_SCHEME)
    assert folded.row_bytes + folded.block_bytes / BLOCK < 175
    assert full.row_bytes + full.block_bytes / BLOCK < 300


def test_one_value_that_is_not_the_negative_of_its_opposite_is_not_folded_away():
    folded, full = layouts(SMALL)
    [signature] = made_signatures(1, SMALL, antisymmetric=True)
    for position in range(SMALL.signature_length):
        changed = signature.copy()
        changed[position] = 1 if signature[position] != 1 else 2
        assert not folded.takes(changed[np.newaxis])[0], position
        zero = np.zeros(1, np.int64)
        assert (full.unpack(full.pack(changed[np.newaxis], zero, zero)) == changed).all()


@pytest.mark.parametrize("levels", range(1, 10))
@pytest.mark.parametrize("grid", [2, 3, 5])
@pytest.mark.parametrize("kind", [0, 1])
def test_what_is_packed_comes_out_again(levels, grid, kind):
    scheme = Scheme(grid_size=grid, levels=levels, word_count=8, word_length=4)
    layout = layouts(scheme)[kind]
    signatures = made_signatures(40, scheme, antisymmetric=kind == 0, zeros=0.1)
    signatures[0] = 0
    firsts, positions = np.arange(40) * 2**40, np.arange(40) * 1600
    rows = layout.pack(signatures, firsts, positions)
    assert layout.takes(signatures).all()
    assert layout.sound(rows).all()
    assert (layout.unpack(rows) == signatures).all()
    stored = StoredRows(SignatureFiles("nowhere", layout, 1), rows, rows[:0])
    assert (stored.squares(np.arange(40)) == (signatures.astype(int) ** 2).sum(axis=1)).all()
    numbers, views = stored.headers(np.arange(40))
    assert (numbers == firsts % 2**48).all()
    assert (views == positions).all()


def test_every_bit_of_a_row_is_under_its_checksum():
    layout = layouts(SMALL)[1]
    [row] = layout.pack(made_signatures(1, SMALL), np.array([5]), np.array([0]))
    for bit in range(64 * len(row)):
        damaged = row.copy()
        damaged[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        assert not layout.sound(damaged[np.newaxis])[0], bit


def test_a_moved_row_is_sound_again():
    layout = layouts(SMALL)[0]
    signatures = made_signatures(3, SMALL, antisymmetric=True)
    rows = layout.pack(signatures, np.array([4, 6, 8]), np.array([0, 1, 2]))
    layout.readdress(rows, np.array([0, 2, 2]))
    assert layout.sound(rows).all()
    stored = StoredRows(SignatureFiles("nowhere", layout, 1), rows, rows[:0])
    assert [column.tolist() for column in stored.headers(np.arange(3))] == [[0, 2, 2], [0, 1, 2]]
    assert (layout.unpack(rows) == signatures).all()


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("count", [1, 64, 200, 256])
def test_a_block_says_of_each_value_what_it_should(kind, count):
    layout = layouts(SMALL)[kind]
    signatures = made_signatures(count, SMALL, antisymmetric=kind == 0)
    signatures[count // 2] = 0
    [block] = layout.lay_blocks(layout.pack(signatures, np.arange(count), np.zeros(count, np.int64)))
    bits = np.unpackbits(block.view(np.uint8), bitorder="little").reshape(-1, BLOCK)
    planes = layout.values * layout.planes
    order = block[(planes + 1) * LANES :].view(np.uint8)[:count]
    assert sorted(order.tolist()) == list(range(count))
    values = signatures[order][:, layout.forward]
    assert (bits[: planes : layout.planes, :count].T == (values >= 0)).all()
    if layout.planes == 2:
        assert (bits[1:planes:2, :count].T == (values >= 1)).all()
    assert not bits[planes].any()
    squares = (signatures.astype(int) ** 2).sum(axis=1)[order]
    assert (np.diff(squares) >= 0).all()
    for lane, extremes in enumerate(block[layout.extremes :][:LANES].tolist()):
        own = squares[64 * lane : 64 * lane + 64]
        assert [extremes & 0xFFFFFFFF, extremes >> 32] == ([own.min(), own.max()] if len(own) else [0, 0])


# Searching


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("own", [True, False], ids=["folded queries", "other queries"])
@pytest.mark.parametrize("cutoff", [0.05, 0.45, 0.55, 0.7, 1.0])
def test_exactly_the_rows_nearer_than_the_cutoff_are_found(kind, own, cutoff):
    signatures = made_signatures(600, SMALL, antisymmetric=kind == 0)
    signatures[7] = 0
    queries = made_signatures(3, SMALL, seed=1, antisymmetric=own)
    queries = np.concatenate([queries, signatures[[5, 599]], -signatures[[300]]])
    near = search(stored_rows(signatures, SMALL, kind), queries, cutoff)
    assert found(near) == expected(queries, signatures, cutoff)
    for number, row, apart in list(found(near))[:50]:
        assert apart == pytest.approx(plain_distances(queries[number], signatures[[row]])[0], abs=1e-12)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_rows_of_any_kind_are_found_by_queries_of_any_kind(data):
    levels = data.draw(st.integers(1, 9))
    scheme = Scheme(grid_size=data.draw(st.integers(2, 4)), levels=levels, word_count=8, word_length=4)
    kind = data.draw(st.integers(0, 1))
    count = data.draw(st.sampled_from([1, 63, 64, 255, 256, 257, 300]))
    zeros = data.draw(st.sampled_from([0.0, 0.3, 0.95]))
    seed = data.draw(st.integers(0, 2**32))
    signatures = made_signatures(count, scheme, seed=seed, antisymmetric=kind == 0, zeros=zeros)
    queries = made_signatures(2, scheme, seed=seed + 1, antisymmetric=data.draw(st.booleans()), zeros=zeros)
    queries = np.concatenate([queries, -queries[:1], signatures[:1]])
    cutoff = data.draw(st.floats(0.01, 1.0))
    near = search(stored_rows(signatures, scheme, kind), queries, cutoff)
    assert found(near) == expected(queries, signatures, cutoff)


@pytest.mark.full_size
@pytest.mark.parametrize("kind", [0, 1])
def test_signatures_of_full_size_are_found(kind):
    signatures = made_signatures(300, DEFAULT_SCHEME, antisymmetric=kind == 0)
    near_ones = signatures[:20].copy()
    near_ones[:, ::9] *= -1
    assert 0 < len(expected(near_ones, signatures, 0.45))
    near = search(stored_rows(signatures, DEFAULT_SCHEME, kind), near_ones, 0.45)
    assert found(near) == expected(near_ones, signatures, 0.45)


@pytest.mark.full_size
def test_values_that_cannot_be_counted_are_taken_for_the_worst():
    """Of a scheme of a large grid the sum of all weights is beyond what the kernel counts with."""
    scheme = Scheme(grid_size=24, levels=9, word_count=8, word_length=4)
    folded = made_signatures(280, scheme, antisymmetric=True, zeros=0.0)
    queries = np.concatenate([folded[:2], made_signatures(1, scheme, seed=3)])
    assert np.abs(Queries.of(layouts(scheme)[0], queries).weights).sum(axis=1).max() > 8191
    for kind, signatures in enumerate([folded, made_signatures(280, scheme)]):
        near = search(stored_rows(signatures, scheme, kind), queries, 0.8)
        assert found(near) == expected(queries, signatures, 0.8)


def test_a_query_and_its_inverse_are_one_pair_and_both_are_answered():
    signatures = made_signatures(300, SMALL, antisymmetric=True)
    queries = np.concatenate([signatures[:2], -signatures[:2], signatures[:1], signatures[2:3]])
    prepared = Queries.of(layouts(SMALL)[0], queries)
    assert prepared.numbers.tolist() == [[0, 2], [1, 3], [4, -1], [5, -1]]
    near = search(stored_rows(signatures, SMALL, 0), queries, 0.3)
    assert found(near) == expected(queries, signatures, 0.3)


def test_chosen_rows_are_all_that_is_looked_at():
    signatures = made_signatures(600, SMALL)
    chosen = np.array([3, 299, 599])
    near = search(stored_rows(signatures, SMALL, 1), signatures[[3, 4]], 0.9, chosen=chosen)
    assert found(near) == {one for one in expected(signatures[[3, 4]], signatures, 0.9) if one[1] in chosen}
    none = search(stored_rows(signatures, SMALL, 1), signatures[:2], 0.9, chosen=chosen[:0])
    assert found(none) == set()


@pytest.mark.full_size
def test_threads_find_what_one_finds():
    signatures = made_signatures(70_000, SMALL, antisymmetric=True)
    stored = stored_rows(signatures, SMALL, 0)
    queries = signatures[[0, 33_333, 69_999]]
    alone = search(stored, queries, 0.3)
    with ThreadPoolExecutor(3) as threads:
        together = search(stored, queries, 0.3, threads=threads, workers=3)
    assert found(alone) == found(together) == expected(queries, signatures, 0.3)
    assert len(found(alone)) == len(alone.rows)


def test_more_is_found_than_there_was_room_for():
    signatures = np.repeat(made_signatures(1, SMALL), 3000, axis=0)
    near = search(stored_rows(signatures, SMALL, 1), signatures[:2], 0.1)
    assert sorted(zip(near.queries.tolist(), near.rows.tolist(), strict=True)) == list(
        itertools.product([0, 1], range(3000))
    )
    assert not near.distances.any()


def test_no_rows_are_no_harm():
    for kind in (0, 1):
        near = search(stored_rows(made_signatures(0, SMALL), SMALL, kind), made_signatures(2, SMALL), 1.0)
        assert len(near.rows) == 0


def test_the_constants_of_the_kernels_are_those_of_the_layout():
    assert (_kernels.BLOCK, _kernels.LANES, _kernels.ORDER_WORDS) == (BLOCK, LANES, BLOCK // 8)


# Files


@pytest.mark.parametrize("sizes", [[1], [256], [255, 1, 1], [300, 300, 10], [1000], [200, 56, 256, 511, 1]])
def test_blocks_are_the_same_however_the_rows_came(tmp_path, sizes):
    layout = layouts(SMALL)[0]
    count = sum(sizes)
    rows = layout.pack(made_signatures(count, SMALL, antisymmetric=True), np.arange(count), np.arange(count))
    files = SignatureFiles(tmp_path, layout, 1)
    start = 0
    for size in sizes:
        files.append(start, rows[start : start + size])
        start += size
        stored = files.stored(start)
        assert (stored.rows == rows[:start]).all()
        assert (stored.blocks == layout.lay_blocks(rows[: start // BLOCK * BLOCK])).all()
        assert (stored.last_rows == rows[start // BLOCK * BLOCK : start]).all()
    assert files.bytes() == count * layout.row_bytes + count // BLOCK * layout.block_bytes


def test_what_was_never_acknowledged_is_written_over(tmp_path):
    layout = layouts(SMALL)[0]
    rows = layout.pack(made_signatures(900, SMALL, antisymmetric=True), np.arange(900), np.arange(900))
    files = SignatureFiles(tmp_path, layout, 1)
    files.append(0, rows[:300])
    before = files.stored(300)
    files.append(300, rows[300:900])  # as a killed process leaves it
    files.append(300, rows[600:700])
    assert (before.rows == rows[:300]).all()
    after = files.stored(400)
    assert (after.rows == np.concatenate([rows[:300], rows[600:700]])).all()
    assert (after.blocks == layout.lay_blocks(rows[:256])).all()


def test_rows_are_on_the_disk_before_append_returns(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), real(file)))
    layout = layouts(SMALL)[0]
    rows = layout.pack(made_signatures(300, SMALL, antisymmetric=True), np.arange(300), np.arange(300))
    files = SignatureFiles(tmp_path, layout, 1)
    files.append(0, rows)
    assert {path.stat().st_ino for path in (tmp_path, files.rows_path, files.blocks_path)} == set(synced)
