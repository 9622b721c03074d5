"""The exact distance as a script in Painless, for servers that have it, with the same result as sigsearch's.

It says ``1 - distance`` of a match and 0 of all else. The comparison with the cutoff is made in the script,
on the same whole numbers and 64-bit steps as `sigsearch.distance`, so the matches are the same to the last
one; only the score that is shown has 32 bits, in which two distances closer than 6e-8 may look the same.

The build of Elasticsearch that is fetched for tests has no Painless. The script was run by hand on 7.10.2,
with the last Painless that is published by itself (org.codelibs.elasticsearch.module:lang-painless): all
matches and scores of 480 searches, in four schemes, were those of `sigsearch.distances`. What it uses of
Painless is allowed in 8 and 9 as it was there. After any change it must be run so again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sigsearch.scheme import Scheme
from sigsearch_elasticsearch.packing import forms

SOURCE = """
int base = (int) params.base, group = (int) params.group, bits = (int) params.bits;
int levels = (base - 1) / 2, mask = (1 << bits) - 1;
double nearest = 1.0;
for (BytesRef packed : doc[params.field]) {
  boolean folded = packed.length == (int) params.folded_bytes;
  int count = (int) (folded ? params.folded_values : params.values);
  int[] values = new int[count];
  int norm = 0, held = 0, buffer = 0, at = packed.offset;
  for (int i = 0; i < count; i += group) {
    while (held < bits) { buffer |= (packed.bytes[at++] & 255) << held; held += 8; }
    int code = buffer & mask;
    buffer >>= bits;
    held -= bits;
    for (int j = i; j < count && j < i + group; ++j) {
      values[j] = code % base - levels;
      norm += values[j] * values[j];
      code /= base;
    }
  }
  if (folded) { norm *= 2; }
  for (Map query : params.queries) {
    String weights = (String) (folded ? query.folded : query.full);
    int own = (int) query.norm, dot = 0;
    for (int j = 0; j < count; ++j) { dot += values[j] * (weights.charAt(j) - (char) '0' - 2 * levels); }
    double norms = Math.sqrt(own) + Math.sqrt(norm);
    if (norms > 0) { nearest = Math.min(nearest, Math.sqrt(own + norm - 2 * dot) / norms); }
  }
}
return nearest < (double) params.cutoff ? 1.0 - nearest : 0.0;
""".strip()
"""||a - b||² is ||a||² + ||b||² - 2ab; of a folded signature, that has each value twice with opposite signs,
ab is the sum of its values times the differences of the query's two."""


def distance_script(
    field: str, signatures: npt.NDArray[np.int8], cutoff: float, scheme: Scheme
) -> dict[str, Any]:
    """The script of the least distance from these signatures, shape (n, length), with its parameters."""
    folded, full = forms(scheme)
    return {
        "source": SOURCE,
        "params": {
            "field": field,
            "cutoff": float(cutoff),
            "base": full.base,
            "group": full.group,
            "bits": full.bits,
            "values": len(full.forward),
            "folded_values": len(folded.forward),
            "folded_bytes": folded.bytes,
            "queries": [
                {
                    "norm": int((signature * signature).sum()),
                    "full": _weights(signature, scheme),
                    "folded": _weights(signature[folded.forward] - signature[folded.backward], scheme),
                }
                for signature in signatures.astype(np.int64)
            ],
        },
    }


def _weights(values: npt.NDArray[np.int64], scheme: Scheme) -> str:
    """A character for each value: as a list of numbers the script would take ten times as long to read it."""
    return "".join(map(chr, (values + 2 * scheme.levels + ord("0")).tolist()))
