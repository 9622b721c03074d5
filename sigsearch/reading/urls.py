"""Pictures at http and https addresses."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.parse
import urllib.request

from sigsearch.errors import ImageError
from sigsearch.limits import Limits


def is_url(image: object) -> bool:
    """Whether a picture is given by an http or https address."""
    return isinstance(image, str) and re.match(r"https?://", image, re.IGNORECASE) is not None


def fetch(url: str, limits: Limits) -> bytes:
    """The bytes at an address."""
    request = urllib.request.Request(
        urllib.parse.quote(url, safe=":/?#[]@!$&'()*+,;=%~"), headers={"User-Agent": "sigsearch"}
    )
    try:
        with urllib.request.urlopen(request, timeout=limits.seconds) as response:
            data: bytes = response.read(limits.bytes + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise ImageError(url, str(error)) from error
    except urllib.error.URLError as error:
        raise ImageError(url, str(error.reason)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ImageError(url, (str(error).strip() or type(error).__name__).splitlines()[0]) from error
    if len(data) > limits.bytes:
        raise ImageError(url, f"it is larger than {limits.bytes} bytes")
    return data
