"""Write tests/golden/signatures.json: image-match's own signatures, which pin our scheme."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.image_match import VERSION, ImageMatch
from benchmarks.parity import tied_values

TESTS = Path(__file__).parents[1] / "tests"


def golden() -> None:
    """Compute the golden signatures with image-match; a picture with exact ties is refused."""
    sys.path.append(str(TESTS))
    from golden_pictures import golden_pictures

    reference = ImageMatch()
    pictures = {}
    for name, rgb in golden_pictures():
        rgb = np.ascontiguousarray(rgb)
        signature = reference.signature(rgb)
        if tied_values(reference, rgb):
            raise SystemExit(f"{name} has exact ties; image-match's signature hangs on rounding")
        pictures[name] = {
            "signature": "".join("mn0pq"[value + 2] for value in signature),
            "words": [int(word) for word in reference.words(signature)],
        }
    text = json.dumps({"made by": f"image-match {VERSION}", "pictures": pictures}, indent=1)
    target = TESTS / "golden" / "signatures.json"
    target.write_text(text + "\n")
    print(f"{len(pictures)} signatures written to {target.relative_to(TESTS.parent)}")
