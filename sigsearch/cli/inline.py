"""Pictures in the terminal itself, where it says that it shows them: in kitty's way or in iTerm2's."""

from __future__ import annotations

import os
import shutil
import sys
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

_CHUNK: Final = 4096
"""Bytes that kitty takes at once."""
_CELL: Final = 8
"""Pixels of a picture that get a column; kitty would cut what is wider than its window."""


def show(picture: Image, environment: Mapping[str, str] = os.environ) -> bool:
    """Show a picture on standard output, if that is a terminal which is known to show them.

    The terminal is not asked, for what it answers late would stand on the user's next line.

    Returns
    -------
    bool
        Whether it was shown.

    References
    ----------
    https://sw.kovidgoyal.net/kitty/graphics-protocol/, https://iterm2.com/documentation-images.html
    """
    if not sys.stdout.isatty() or environment.keys() & {"TMUX", "STY"}:  # these pass on no pictures
        return False
    if "KITTY_WINDOW_ID" in environment or "kitty" in environment.get("TERM", ""):
        columns = min(shutil.get_terminal_size().columns, -(-picture.width // _CELL))
        sys.stdout.write(_kitty(_encoded(picture), columns) + "\n")
        return True
    if environment.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm"):
        sys.stdout.write(_iterm2(_encoded(picture)) + "\n")
        return True
    return False


def _encoded(picture: Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _kitty(png: bytes, columns: int) -> str:
    data = b64encode(png).decode()
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    first = f"a=T,f=100,c={columns},q=2,"  # show, a PNG, so wide, answer nothing
    return "".join(
        f"\x1b_G{first * (i == 0)}m={int(i < len(chunks) - 1)};{chunk}\x1b\\"
        for i, chunk in enumerate(chunks)
    )


def _iterm2(png: bytes) -> str:
    return f"\x1b]1337;File=inline=1;size={len(png)}:{b64encode(png).decode()}\a"
