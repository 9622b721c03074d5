"""What a fresh process takes to open an index and search it: run by `benchmarks.embedded` as a script.

Arguments: a folder with an index of one record, the index, a file with a signature. Prints the seconds of
each step as JSON, then waits for its standard input to end, so that its memory can be looked at.
"""

import json
import sys
import time
from itertools import pairwise


def main(small: str, location: str, query: str) -> None:
    """Time the steps one after the other."""
    clock = [time.perf_counter()]
    steps = []

    def done(step: str) -> None:
        clock.append(time.perf_counter())
        steps.append(step)

    import sigsearch

    done("import sigsearch")
    import numpy as np

    with open(query, "rb") as file:
        signature = np.frombuffer(file.read(), np.int8)
    with sigsearch.open(small, create=False, threads=1) as index:
        index.search(signature)
    done("numpy, numba, sqlite3: open and search an index of one")
    index = sigsearch.open(location, create=False, threads=1)
    done("open")
    index.search(signature)
    done("first search")
    index.search(signature)
    done("second search")
    seconds = [end - start for start, end in pairwise(clock)]
    print(json.dumps(dict(zip(steps, seconds, strict=True))), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
