"""Queries as the kernels take them: what to count in the planes, what that bounds, and tables of products.

For a query with weights w and a row with values v, both in ``-L..L`` (or a little more for w), the scalar
product is at most what it would be if every v of w's sign were L and every v of the other sign 1, in
magnitude. With G the sum of ``|w|`` where v has w's sign, and H where it has not the opposite one, that is
``L*G + H - sum(|w|)``. G and H are sums over planes. For the query's inverse the same two sums give
``L*sum(|w|) - G - L*H``, so a query and its inverse are counted at once.

Where the planes say only whether a value is negative, G and H are not known separately. Then C is the sum
of ``w`` over its positive values where v is not negative, D the sum of ``-w`` over its negative values
where v is negative, and the bounds are ``(L+1)*C + L*D - sum(w > 0)`` and
``L*sum(|w|) - L*C - (L+1)*D``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from sigsearch_local.layout import LANES, Layout

_COUNTABLE: Final = 8191
"""Greatest sum of weights that `_kernels.SLICES` bits hold; beyond it, only in schemes of larger grids or
more levels than the default, weights are not counted but taken for the worst."""
_INPUTS: Final = 16
"""As `_kernels.INPUTS`."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Queries:
    """Several queries against the rows of one layout. The arrays are those of `_kernels.search_blocks`.

    Attributes
    ----------
    layout : Layout
    numbers : int64, shape (pairs, 2)
        Which of the signatures given are the pair's query and its inverse; -1 for none.
    weights : int64, shape (pairs, values)
        Times scales, the query's share in the scalar product for each stored value.
    scales, squares : int64, shape (pairs,)
    """

    layout: Layout
    numbers: Ints
    weights: Ints
    scales: Ints
    squares: Ints

    @classmethod
    def of(cls, layout: Layout, signatures: npt.NDArray[np.int8]) -> Queries:
        """Prepare signatures, shape (n, length)."""
        pairs = _pair(signatures)
        wide = signatures[pairs[:, 0]].astype(np.int64)
        weights = wide[:, layout.forward]
        if layout.folded:
            weights = weights - wide[:, layout.backward]
        scales = np.where((weights % 2 == 0).all(axis=1), 2, 1)
        weights //= scales[:, np.newaxis]
        return cls(layout, pairs, weights, scales, np.einsum("ij,ij->i", wide, wide))

    def split(self, pairs: int) -> Iterator[Queries]:
        """The same in parts of at most so many pairs."""
        for start in range(0, len(self.numbers), pairs):
            part = slice(start, start + pairs)
            yield Queries(
                self.layout, self.numbers[part], self.weights[part], self.scales[part], self.squares[part]
            )

    @cached_property
    def _counted(self) -> Ints:
        """The weights without those beyond what can be counted."""
        return np.where(np.abs(self.weights).cumsum(axis=1) <= _COUNTABLE, self.weights, 0)

    @property
    def factors(self) -> Ints:
        """Of the two counts in the bound of the query and in that of its inverse."""
        levels = self.layout.levels
        near, far = (levels, 1) if self.layout.planes == 2 else (levels + 1, levels)
        return np.array([[near, far], [far, near]], np.int64)

    @cached_property
    def constants(self) -> Ints:
        """What is to be added to the bounds, shape (pairs, 2)."""
        levels, counted = self.layout.levels, self._counted
        every = np.abs(counted).sum(axis=1)
        query = every if self.layout.planes == 2 else np.maximum(counted, 0).sum(axis=1)
        worst = levels * np.abs(self.weights - counted).sum(axis=1)
        filling = self.planes[2] @ self.factors.T
        constants: Ints = np.stack(
            [worst - query - filling[:, 0], worst + levels * every + filling[:, 1]], axis=1
        )
        return constants

    @property
    def slices(self) -> int:
        """Bits of a bound, before the constants are added."""
        greatest = np.abs(self._counted).sum(axis=1)[:, np.newaxis] + self.planes[2]
        return max(1, int((greatest @ self.factors.T).max(initial=1)).bit_length())

    @cached_property
    def planes(self) -> tuple[npt.NDArray[np.uint32], Ints, Ints]:
        """Where in a block the planes to count begin; which of these belong to which count; filling.

        Shape (n,), (pairs, 2 counts, weights, 3) and (pairs, 2 counts). Those of a weight, whose greatest
        comes first, and a sign are filled up to a multiple of 16 with the plane of zeros; where planes
        are counted by their unset bits that adds to the count, by as much as the filling says.
        """
        weights = self._counted
        kinds = max(1, int(np.abs(weights).max(initial=0)).bit_length())
        zeros = self.layout.values * self.layout.planes
        offsets: list[npt.NDArray[np.int64]] = []
        bounds = np.zeros((len(weights), 2, kinds, 3), np.int64)
        filling = np.zeros((len(weights), 2), np.int64)
        end = 0
        for pair, own in enumerate(weights):
            magnitudes = np.abs(own)
            for count in range(2):
                for kind in range(kinds):
                    weight = kinds - 1 - kind
                    weighing = (magnitudes >> weight & 1).astype(bool)
                    bounds[pair, count, kind, 0] = end
                    for sign in range(2):
                        values = np.flatnonzero(weighing & ((own < 0) == bool(sign)))
                        wanted = self._planes(values, count, sign)
                        fill = -len(wanted) % _INPUTS
                        offsets += [wanted, np.full(fill, zeros)]
                        filling[pair, count] += sign * fill << weight
                        end += len(wanted) + fill
                        bounds[pair, count, kind, sign + 1] = end
        every = np.concatenate(offsets) * LANES if offsets else np.empty(0)
        return every.astype(np.uint32), bounds, filling

    def _planes(self, values: Ints, count: int, sign: int) -> Ints:
        """Which planes of these values, whose weights have the sign, tell of what is counted."""
        if self.layout.planes == 2:
            return 2 * values + (count == sign)  # of two planes the second says: at least 1
        return values if count == sign else values[:0]

    @cached_property
    def tables(self) -> npt.NDArray[np.int16]:
        """Scalar products by place and code, shape (pairs, places * codes), as many as a row has room for."""
        layout, pairs = self.layout, len(self.weights)
        codes = np.arange(layout.base**layout.group)
        digits = codes[:, np.newaxis] // layout.base ** np.arange(layout.group) % layout.base - layout.levels
        room = layout.value_words * (64 // layout.bits)
        padded = np.zeros((pairs, room * layout.group), np.int64)
        padded[:, : layout.values] = self.weights
        tables = np.zeros((pairs, room, 1 << layout.bits), np.int16)
        tables[:, :, : len(codes)] = padded.reshape(pairs, room, layout.group) @ digits.T
        return tables.reshape(pairs, -1)


def _pair(signatures: npt.NDArray[np.int8]) -> Ints:
    """Put each signature together with its inverse if that is among them, shape (pairs, 2)."""
    pairs: list[list[int]] = []
    alone: dict[bytes, list[int]] = {}
    for number, signature in enumerate(signatures):
        if pair := alone.pop((-signature).tobytes(), None):
            pair[1] = number
        else:
            pairs.append([number, -1])
            alone[signature.tobytes()] = pairs[-1]
    return np.array(pairs, np.int64).reshape(-1, 2)
