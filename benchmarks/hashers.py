"""Run by `benchmarks.bulk`: other libraries hash a folder, each time they are asked to by a line.

A script of its own, so that another Python may run it: imagededup wants a deep learning framework.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def main(folder: str, workers: int) -> None:
    """Say what there is, then do what is asked for, and say so."""
    hashers: dict[str, Callable[[], object]] = {}
    files = sorted(str(path) for path in Path(folder).iterdir())
    try:
        from imagededup.methods import PHash
    except ImportError:
        pass
    else:
        deduplicator: Any = PHash(verbose=False)
        hashers["imagededup-PHash"] = lambda: deduplicator.encode_images(
            image_dir=folder, num_enc_workers=workers
        )
    try:
        perception: Any = import_module("perception.hashers")
    except ImportError:
        pass
    else:
        hasher: Any = perception.PHash()
        hashers["perception-PHash"] = lambda: hasher.compute_parallel(files, max_workers=workers)
    said = sys.stdout
    sys.stdout = sys.stderr
    print(*hashers, file=said, flush=True)
    for line in sys.stdin:
        name = line.strip()
        hashers[name]()
        print(name, file=said, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
