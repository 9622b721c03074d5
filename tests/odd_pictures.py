"""Pictures that do something where they are read, which is in a worker: crash it, hang, take its memory."""

import io
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from sigsearch.limits import Limits
from sigsearch.reading.located import Located


@dataclass(frozen=True)
class Odd(Located):
    """A picture that does something before it is read."""

    name: str
    deed: Callable[[], object]
    data: bytes = b""

    @property
    def path(self) -> str:
        return self.name

    def read(self, limits: Limits) -> bytes:
        self.deed()
        return self.data


def picture(seed: int, side: int = 24) -> bytes:
    """A small picture as PNG, another for each seed."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (6, 6, 3)).repeat(side // 6, axis=0).repeat(side // 6, axis=1)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def crash(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def take(size: int) -> None:
    bytearray(size)


def note(path: Path) -> None:
    """Write down, a line each, which process has read a picture."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")


def segfault(name: str) -> Odd:
    return Odd(name, partial(crash, signal.SIGSEGV))


def hang(name: str) -> Odd:
    return Odd(name, partial(time.sleep, 1000))


def slow(name: str, seed: int, seconds: float) -> Odd:
    return Odd(name, partial(time.sleep, seconds), picture(seed))


def noted(name: str, seed: int, log: Path) -> Odd:
    return Odd(name, partial(note, log), picture(seed))
