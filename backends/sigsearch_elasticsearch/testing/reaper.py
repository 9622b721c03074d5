"""Ends the servers of a process that was killed, and removes their data. A program; it imports no sigsearch.

It is started with its parent's process id and the servers' folder. On standard input come lines,
``add GROUP`` and ``drop GROUP``, of process groups. When that pipe closes, however its other end died, it
kills the groups that are left. No signal handler or ``atexit`` of the parent could: SIGKILL runs none.
"""

import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress


def main(parent: int, folder: str) -> None:
    """Wait for the parent's end, then kill and remove what it left."""
    groups: set[int] = set()
    pending = b""
    while True:
        # A forked child of the parent holds the pipe open too, hence the look at who the parent is; what it
        # wrote before its end is read all the same.
        orphaned = os.getppid() != parent
        if select.select([0], [], [], 0 if orphaned else 1.0)[0]:
            chunk = os.read(0, 4096)
            if not chunk:
                break
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                verb, number = line.split()
                (groups.add if verb == b"add" else groups.discard)(int(number))
        elif orphaned:
            break
    for group in groups:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for _ in range(100):
        # What is being killed may yet write a file into a folder that is being emptied.
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            break
        time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
