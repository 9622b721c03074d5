"""Every numba kernel of the embedded backend: packing signatures, laying out blocks, and searching them.

A block holds 256 rows turned on their side: for each stored value one or two *planes* of 256 bits, in
which bit ``r`` says whether the value of row ``r`` is at least 0, and at least 1. So one operation on 256
bits works on 256 rows at once. What the planes say of a row bounds its scalar product with the query from
above; only rows whose bound reaches what the cutoff asks for are looked at exactly, in their own packed
form. Everything is counted in whole numbers and the bounds are true bounds: nothing is missed.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import extending, types

from sigsearch.jit import helper, kernel

LANES: Final = 4
"""Words of 64 bits in a plane."""
BLOCK: Final = 64 * LANES
"""Rows in a block."""
SLICES: Final = 13
"""Bits that `_count` counts with: sums below 2**13."""
INPUTS: Final = 16
"""Planes that `_count` takes at once; its lists are filled up with the plane of zeros."""
ORDER_WORDS: Final = BLOCK // 8
"""Words of a block that say, in a byte for each place, which of its rows stands there."""

Array = np.ndarray[Any, Any]

# Numba's decorators make something else of a function than types can say.
intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic
overload: Callable[..., Callable[[Callable[..., Any]], Any]] = extending.overload

_ONES = np.full(LANES, ~np.uint64(0))

_SIGNATURES = types.Array(types.int8, 2, "C", readonly=True)
_POSITIONS = types.Array(types.int64, 1, "C", readonly=True)
_ROWS = types.Array(types.uint64, 2, "C", readonly=True)
_BLOCKS = types.Array(types.uint64, 1, "C", readonly=True)
_OFFSETS = types.Array(types.uint32, 1, "C", readonly=True)
_BOUNDS = types.Array(types.int64, 4, "C", readonly=True)
_INTS = types.Array(types.int64, 1, "C", readonly=True)
_PAIRS = types.Array(types.int64, 2, "C", readonly=True)
_TABLES = types.Array(types.int16, 2, "C", readonly=True)
_INT = types.int64
_FLOAT = types.float64
_FOUND: Any = types.Tuple((types.int64[:, ::1], types.float64[::1]))  # type: ignore[no-untyped-call]


# 256 bits as one value, which LLVM keeps in a register. Without JIT they are arrays of four words, and
# the operators are numpy's.


class _Bits256(types.Type):
    """The type of 256 bits."""

    def __init__(self) -> None:
        super().__init__(name="Bits256")


_BITS = _Bits256()
_VECTOR = ir.VectorType(ir.IntType(64), LANES)


@extending.register_model(_Bits256)
class _Bits256Model(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, bits: Any) -> None:
        super().__init__(manager, bits, _VECTOR)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, pointed: Any) -> Any:
    """Of the first two arguments, an array and a place in it."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), pointed.as_pointer())


@intrinsic
def _load_bits(_context: Any, array: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _VECTOR)
        loaded = builder.load(pointer)
        loaded.align = 8
        return loaded

    return _BITS(array, types.uintp), generate


@intrinsic
def _store_bits(_context: Any, array: Any, start: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _VECTOR)
        builder.store(arguments[2], pointer).align = 8
        return context.get_dummy_value()

    return types.void(array, types.uintp, _BITS), generate


@intrinsic
def _fetch_line(_context: Any, array: Any, start: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8), ir.IntType(32)
        pointer = _pointer(context, builder, signature, arguments, byte)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [], ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
        )
        reading, keep, data = number(0), number(3), number(1)
        builder.call(prefetch, [pointer, reading, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.uintp), generate


def _operation(name: str) -> Any:
    @intrinsic
    def operate(_context: Any, a: Any, b: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments)

        return _BITS(_BITS, _BITS), generate

    def overloaded(a: Any, b: Any) -> Any:
        return (lambda a, b: operate(a, b)) if a is _BITS and b is _BITS else None

    return overloaded


overload(operator.and_, strict=False)(_operation("and_"))
overload(operator.or_, strict=False)(_operation("or_"))
overload(operator.xor, strict=False)(_operation("xor"))


def _load(words: Array, start: Any) -> Any:
    """The 256 bits from a word on."""
    return words[start : start + np.uintp(LANES)].copy()


@overload(_load, inline="always", strict=False)
def _compile_load(words: Any, start: Any) -> Any:
    return lambda words, start: _load_bits(words, start)


def _store(words: Array, start: Any, bits: Any) -> None:
    """Put 256 bits from a word on."""
    words[start : start + np.uintp(LANES)] = bits


@overload(_store, inline="always", strict=False)
def _compile_store(words: Any, start: Any, bits: Any) -> Any:
    return lambda words, start, bits: _store_bits(words, start, bits)


def _fetch(words: Array, start: Any) -> None:
    """Tell the processor that the 64 bytes from a word on will be read soon. Beyond the end is no harm."""


@overload(_fetch, inline="always", strict=False)
def _compile_fetch(words: Any, start: Any) -> Any:
    return lambda words, start: _fetch_line(words, start)


# Packing: values are digits of base 2 * levels + 1; `group` of them make a code of `bits` bits, and a word
# has as many codes as fit.


@kernel([types.boolean[::1](_SIGNATURES, _POSITIONS, _POSITIONS, _POSITIONS)])
def folds(signatures: Array, forward: Array, backward: Array, border: Array) -> Array:
    """Whether each signature is antisymmetric: backward values are forward's negated, border's are 0."""
    folded = np.ones(signatures.shape[0], np.bool_)
    for i in range(signatures.shape[0]):
        for k in range(forward.shape[0]):
            if signatures[i, forward[k]] != -signatures[i, backward[k]]:
                folded[i] = False
        for k in range(border.shape[0]):
            if signatures[i, border[k]] != 0:
                folded[i] = False
    return folded


@kernel([types.void(_SIGNATURES, _POSITIONS, _INT, _INT, _INT, types.uint64[:, ::1])])
def pack(signatures: Array, forward: Array, levels: int, group: int, bits: int, rows: Array) -> None:
    """Put the values at the forward positions into the first words of rows, which are zero."""
    a_word = 64 // bits
    for i in range(signatures.shape[0]):
        for k in range(0, forward.shape[0], group):
            code = np.int64(0)
            for j in range(min(k + group, forward.shape[0]) - 1, k - 1, -1):
                code = code * (2 * levels + 1) + signatures[i, forward[j]] + levels
            place = k // group
            rows[i, place // a_word] |= np.uint64(code) << np.uint64(place % a_word * bits)


@kernel([types.void(_ROWS, _POSITIONS, _POSITIONS, _INT, _INT, _INT, types.int8[:, ::1])])
def unpack(
    rows: Array, forward: Array, backward: Array, levels: int, group: int, bits: int, signatures: Array
) -> None:
    """Put the values of rows into signatures, which are zero: at forward, and negated at backward."""
    a_word = 64 // bits
    mask = np.int64((1 << bits) - 1)
    for i in range(rows.shape[0]):
        for k in range(0, forward.shape[0], group):
            place = k // group
            code = np.int64(rows[i, place // a_word] >> np.uint64(place % a_word * bits)) & mask
            for j in range(k, min(k + group, forward.shape[0])):
                value = np.int8(code % (2 * levels + 1) - levels)
                code //= 2 * levels + 1
                signatures[i, forward[j]] = value
                if backward.shape[0]:
                    signatures[i, backward[j]] = -value


@helper
def _square(row: Array) -> Any:
    """The squared norm of a row's signature: the lower half of its last word."""
    return np.int64(row[row.shape[0] - 1] & np.uint64(0xFFFFFFFF))


@kernel([types.void(_ROWS, _INT, _INT, _INT, _INT, _INT, types.uint64[::1])])
def lay_block(
    rows: Array, values: int, planes: int, levels: int, group: int, bits: int, block: Array
) -> None:
    """Turn up to 256 rows into a block, which is zero.

    The rows stand in order of their norms, so that the 64 of a lane have about the same. After the planes
    (`planes` for each value) come a plane of zeros, the order, and for each lane the least and greatest
    squared norm.
    """
    count = rows.shape[0]
    squares = np.empty(count, np.int64)
    for i in range(count):
        squares[i] = _square(rows[i])
    order = np.argsort(squares, kind="mergesort")
    a_word = 64 // bits
    mask = np.int64((1 << bits) - 1)
    orders = (values * planes + 1) * LANES
    extremes = orders + ORDER_WORDS
    for place in range(count):
        i = order[place]
        lane, bit = place // 64, np.uint64(place % 64)
        for k in range(0, values, group):
            at = k // group
            code = np.int64(rows[i, at // a_word] >> np.uint64(at % a_word * bits)) & mask
            for j in range(k, min(k + group, values)):
                value = code % (2 * levels + 1) - levels
                code //= 2 * levels + 1
                plane = j * planes * LANES + lane
                block[plane] |= np.uint64(value >= 0) << bit
                if planes == 2:
                    block[plane + LANES] |= np.uint64(value >= 1) << bit
        block[orders + place // 8] |= np.uint64(i) << np.uint64(place % 8 * 8)
        if place % 64 == 0:
            block[extremes + lane] = np.uint64(squares[i])
        if place % 64 == 63 or place == count - 1:
            block[extremes + lane] |= np.uint64(squares[i]) << np.uint64(32)


# Searching


@helper
def _distance(own: int, other: int, product: int) -> float:
    """The distance of two signatures from their squared norms and scalar product, all whole numbers.

    The same steps as in the core, so the same result to the last bit.
    """
    norms = np.sqrt(np.float64(own)) + np.sqrt(np.float64(other))
    return np.sqrt(np.float64(own + other - 2 * product)) / norms if norms > 0 else 1.0


@helper
def _full_add(a: Any, b: Any, c: Any) -> Any:
    """In each of 256 places the sum of three bits: the bit itself and the carry."""
    differ = a ^ b
    return differ ^ c, (a & b) | (differ & c)


@helper
def _ripple(carry: Any, s5: Any, s6: Any, s7: Any, s8: Any, s9: Any, s10: Any, s11: Any, s12: Any) -> Any:
    """Add a carry to the upper slices of a sum."""
    s5, carry = s5 ^ carry, s5 & carry
    s6, carry = s6 ^ carry, s6 & carry
    s7, carry = s7 ^ carry, s7 & carry
    s8, carry = s8 ^ carry, s8 & carry
    s9, carry = s9 ^ carry, s9 & carry
    s10, carry = s10 ^ carry, s10 & carry
    s11, carry = s11 ^ carry, s11 & carry
    return s5, s6, s7, s8, s9, s10, s11, s12 ^ carry


@helper
def _count(
    blocks: Array, base: Any, offsets: Array, bounds: Array, sums: Array, lines: Any, ahead: int
) -> Any:
    """Add up planes of a block: for each of 256 rows, how much the planes weigh in which it has a bit.

    ``offsets[bounds[w, s]:bounds[w, s + 1]]`` are the planes of the w-th weight, each weight half the one
    before, the last 1; with ``s = 1`` those whose bits count where they are not set. The sum goes to
    `sums` as `SLICES` planes, the least first. Meanwhile the memory from `lines` on is fetched, `ahead`
    lines with each step; returned is how far that went. The planes are read in an order of the query's
    own, which the processor cannot foresee.
    """
    zero = _load(blocks, base) ^ _load(blocks, base)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = s10 = s11 = s12 = zero
    for w in range(bounds.shape[0]):
        s12, s11, s10, s9, s8, s7, s6 = s11, s10, s9, s8, s7, s6, s5
        s5, s4, s3, s2, s1, s0 = s4, s3, s2, s1, s0, zero
        flip = zero
        held, holding = zero, False  # every other carry waits for the next, so that both are added at once
        for sign in range(2):
            for start in range(bounds[w, sign], bounds[w, sign + 1], INPUTS):
                for _ in range(ahead):
                    _fetch(blocks, lines)
                    lines += np.uintp(8)
                at = offsets[start : start + INPUTS]
                s0, c1 = _full_add(s0, _load(blocks, base + at[0]) ^ flip, _load(blocks, base + at[1]) ^ flip)
                s0, c2 = _full_add(s0, _load(blocks, base + at[2]) ^ flip, _load(blocks, base + at[3]) ^ flip)
                s1, d1 = _full_add(s1, c1, c2)
                s0, c1 = _full_add(s0, _load(blocks, base + at[4]) ^ flip, _load(blocks, base + at[5]) ^ flip)
                s0, c2 = _full_add(s0, _load(blocks, base + at[6]) ^ flip, _load(blocks, base + at[7]) ^ flip)
                s1, d2 = _full_add(s1, c1, c2)
                s2, e1 = _full_add(s2, d1, d2)
                s0, c1 = _full_add(s0, _load(blocks, base + at[8]) ^ flip, _load(blocks, base + at[9]) ^ flip)
                s0, c2 = _full_add(
                    s0, _load(blocks, base + at[10]) ^ flip, _load(blocks, base + at[11]) ^ flip
                )
                s1, d1 = _full_add(s1, c1, c2)
                s0, c1 = _full_add(
                    s0, _load(blocks, base + at[12]) ^ flip, _load(blocks, base + at[13]) ^ flip
                )
                s0, c2 = _full_add(
                    s0, _load(blocks, base + at[14]) ^ flip, _load(blocks, base + at[15]) ^ flip
                )
                s1, d2 = _full_add(s1, c1, c2)
                s2, e2 = _full_add(s2, d1, d2)
                s3, carry = _full_add(s3, e1, e2)
                if holding:
                    s4, carry = _full_add(s4, held, carry)
                    s5, s6, s7, s8, s9, s10, s11, s12 = _ripple(carry, s5, s6, s7, s8, s9, s10, s11, s12)
                else:
                    held = carry
                holding = not holding
            flip = _load(_ONES, np.uintp(0))
        if holding:
            s4, carry = s4 ^ held, s4 & held
            s5, s6, s7, s8, s9, s10, s11, s12 = _ripple(carry, s5, s6, s7, s8, s9, s10, s11, s12)
    _store(sums, np.uintp(0), s0)
    _store(sums, np.uintp(LANES), s1)
    _store(sums, np.uintp(2 * LANES), s2)
    _store(sums, np.uintp(3 * LANES), s3)
    _store(sums, np.uintp(4 * LANES), s4)
    _store(sums, np.uintp(5 * LANES), s5)
    _store(sums, np.uintp(6 * LANES), s6)
    _store(sums, np.uintp(7 * LANES), s7)
    _store(sums, np.uintp(8 * LANES), s8)
    _store(sums, np.uintp(9 * LANES), s9)
    _store(sums, np.uintp(10 * LANES), s10)
    _store(sums, np.uintp(11 * LANES), s11)
    _store(sums, np.uintp(12 * LANES), s12)
    return lines


@helper
def _combine(sums: Array, factors: Array, total: Array, slices: int) -> None:
    """Put ``factors[0] * sums[0] + factors[1] * sums[1]`` into total, as that many slices."""
    zero = _load(_ONES, np.uintp(0)) ^ _load(_ONES, np.uintp(0))
    first = True
    for u in range(2):
        for shift in range(5):
            if factors[u] >> shift & 1:
                carry = zero
                for s in range(slices):
                    new = zero
                    if 0 <= s - shift < SLICES:
                        new = _load(sums[u], np.uintp((s - shift) * LANES))
                    if not first:
                        new, carry = _full_add(_load(total, np.uintp(s * LANES)), new, carry)
                    _store(total, np.uintp(s * LANES), new)
                first = False


@helper
def _reaching(total: Array, slices: int, lane: int, threshold: int) -> Any:
    """Which of a lane's 64 rows have a total of at least the threshold, as bits."""
    if threshold <= 0:
        return ~np.uint64(0)
    if threshold >> slices:
        return np.uint64(0)
    reaching = ~np.uint64(0)
    for s in range(slices):
        bit = total[s * LANES + lane]
        reaching = bit & reaching if threshold >> s & 1 else bit | reaching
    return reaching


@helper
def _product(rows: Array, i: int, tables: Array, p: int, bits: int) -> Any:
    """The scalar product of a row with a query, whose table has it for every code at every place."""
    row, table = rows[i], tables[p]
    product = np.int64(0)
    place = np.uintp(0)
    if bits == 7:  # the default scheme's; constants make it twice as fast
        for w in range(row.shape[0] - 2):
            word = row[w]
            for k in range(9):
                product += np.int64(table[place << np.uintp(7) | (word >> np.uintp(7 * k)) & np.uintp(127)])
                place += np.uintp(1)
    else:
        mask = np.uintp((1 << bits) - 1)
        for w in range(row.shape[0] - 2):
            word = row[w]
            for _ in range(64 // bits):
                product += np.int64(table[place << np.uintp(bits) | word & mask])
                word >>= np.uintp(bits)
                place += np.uintp(1)
    return product


@helper
def _keep(
    found: Array, distances: Array, count: int, query: int, row: int, distance: float
) -> tuple[Array, Array]:
    """Note a row found, the `count`-th; give the arrays, or ones twice as long if they were full."""
    if count == len(found):
        longer, farther = np.empty((2 * count, 2), np.int64), np.empty(2 * count, np.float64)
        longer[:count] = found
        farther[:count] = distances
        found, distances = longer, farther
    found[count, 0], found[count, 1] = query, row
    distances[count] = distance
    return found, distances


@kernel(
    [
        _FOUND(
            _BLOCKS, _INT, _INT, _INT, _INT, _ROWS, _INT,
            _PAIRS, _INT, _OFFSETS, _BOUNDS, _PAIRS, _PAIRS, _INTS, _INTS, _TABLES, _FLOAT,
        )
    ]
)  # fmt: skip
def search_blocks(
    blocks: Array,
    block_words: int,
    extremes: int,
    first: int,
    last: int,
    rows: Array,
    bits: int,
    factors: Array,
    slices: int,
    offsets: Array,
    bounds: Array,
    constants: Array,
    queries: Array,
    squares: Array,
    scales: Array,
    tables: Array,
    cutoff: float,
) -> tuple[Array, Array]:
    """Find the rows of the blocks `first` to `last` that are nearer to a query than the cutoff.

    The queries come in pairs, a signature and its inverse, which share all the counting: of the two
    counts U and V, ``factors[0] @ (U, V)`` bounds the scalar product with the one from above,
    ``factors[1] @ (U, V)`` that with the other from below, constants added; see `sigsearch_local.query`.

    Parameters
    ----------
    blocks : uint64, block after block
    block_words, extremes : int
        Words in a block, and of them those before the lanes' least and greatest squared norms.
    rows : uint64, shape (rows, words)
        Packed; those of block b from ``256 * b`` on.
    bits : int
        Of a code.
    factors : int64, shape (2, 2)
    slices : int
        Bits of ``factors @ (U, V)``.
    offsets, bounds : uint32; int64, shape (pairs, 2 counts, weights, 3)
        The planes to count; see `_count`.
    constants : int64, shape (pairs, 2)
    queries : int64, shape (pairs, 2)
        The number of the query and of its inverse; -1 if that is not asked for.
    squares : int64, shape (pairs,)
        The queries' squared norms.
    scales : int64, shape (pairs,)
        By what the scalar products counted and in the tables have to be multiplied.
    tables : int16, shape (pairs, places * codes)
        With as many places as there is room for in a row.
    cutoff : float

    Returns
    -------
    int64, shape (n, 2); float64, shape (n,)
        Query and row; their distance.
    """
    found, distances = np.empty((256, 2), np.int64), np.empty(256, np.float64)
    count = 0
    sums = np.zeros((2, SLICES * LANES), np.uint64)
    total = np.zeros(slices * LANES, np.uint64)
    needed = np.zeros(LANES, np.int64)
    steps = (bounds[0, 1, bounds.shape[2] - 1, 2] - bounds[0, 0, 0, 0]) // INPUTS
    ahead = np.zeros(len(queries), np.int64)
    ahead[0] = (block_words // 8 + steps) // max(steps, 1)
    # Rows worth an exact look wait for the next block, until when they have been fetched.
    waiting = np.empty((4 * BLOCK * len(queries), 3), np.int64)
    waits = 0
    share = cutoff * cutoff
    turn = np.inf if share >= 1.0 else (share / (1.0 - share)) ** 2
    flat = rows.reshape(-1)
    for b in range(first, last + 1):
        looks = waits
        if b < last:
            base = np.uintp(b) * np.uintp(block_words)
            here = min(rows.shape[0] - BLOCK * b, BLOCK)
            lines = base + np.uintp(block_words)
            for p in range(len(queries)):
                own = np.float64(squares[p])
                for lane in range(LANES):
                    # What the scalar product must reach is a convex function of the squared norm.
                    extreme = blocks[base + np.uintp(extremes + lane)]
                    low, high = (
                        np.float64(extreme & np.uint64(0xFFFFFFFF)),
                        np.float64(extreme >> np.uint64(32)),
                    )
                    square = min(max(own * turn, low), high)
                    reach = (own + square - share * (np.sqrt(own) + np.sqrt(square)) ** 2) / 2
                    needed[lane] = np.int64(np.ceil(reach / scales[p] - 1e-6))
                for u in range(2):
                    lines = _count(blocks, base, offsets, bounds[p, u], sums[u], lines, ahead[p])
                for form in range(2):
                    if queries[p, form] < 0:
                        continue
                    _combine(sums, factors[form], total, slices)
                    for lane in range(LANES):
                        if form == 0:
                            survivors = _reaching(total, slices, lane, needed[lane] - constants[p, 0])
                        else:
                            survivors = ~_reaching(total, slices, lane, constants[p, 1] - needed[lane] + 1)
                        if not survivors:
                            continue
                        for bit in range(min(64, here - 64 * lane)):
                            if survivors >> np.uint64(bit) & np.uint64(1):
                                place = 64 * lane + bit
                                order = blocks[base + np.uintp(extremes - ORDER_WORDS + place // 8)]
                                i = BLOCK * b + np.int64(order >> np.uint64(place % 8 * 8) & np.uint64(0xFF))
                                for word in range(0, rows.shape[1] + 7, 8):
                                    _fetch(flat, np.uintp(i * rows.shape[1] + min(word, rows.shape[1] - 1)))
                                waiting[waits, 0], waiting[waits, 1], waiting[waits, 2] = p, form, i
                                waits += 1
        for look in range(looks):
            p, form, i = waiting[look]
            product = _product(rows, i, tables, p, bits) * scales[p]
            distance = _distance(squares[p], _square(rows[i]), product if form == 0 else -product)
            if distance < cutoff:
                found, distances = _keep(found, distances, count, queries[p, form], i, distance)
                count += 1
        for look in range(looks, waits):
            waiting[look - looks] = waiting[look]
        waits -= looks
    return found[:count].copy(), distances[:count].copy()


@kernel([_FOUND(_ROWS, _INTS, _INT, _PAIRS, _INTS, _INTS, _TABLES, _FLOAT)])
def search_rows(
    rows: Array,
    chosen: Array,
    bits: int,
    queries: Array,
    squares: Array,
    scales: Array,
    tables: Array,
    cutoff: float,
) -> tuple[Array, Array]:
    """Find those of the chosen rows that are nearer to a query than the cutoff, one by one.

    Arguments and answer as for `search_blocks`.
    """
    found, distances = np.empty((256, 2), np.int64), np.empty(256, np.float64)
    count = 0
    for i in chosen:
        square = _square(rows[i])
        for p in range(len(queries)):
            product = _product(rows, i, tables, p, bits) * scales[p]
            for form in range(2):
                distance = _distance(squares[p], square, product if form == 0 else -product)
                if queries[p, form] >= 0 and distance < cutoff:
                    found, distances = _keep(found, distances, count, queries[p, form], i, distance)
                    count += 1
    return found[:count].copy(), distances[:count].copy()
