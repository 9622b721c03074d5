"""Tests for authors: of backends (the conformance suite) and of programs that use sigsearch (pictures).

The public names, listed in ``__init__.pyi``, are imported when first used: the conformance suite needs
pytest and hypothesis (``pip install 'sigsearch[testing]'``), the pictures need neither. The fixtures stand
in `sigsearch.testing.plugin`, which pytest finds by itself.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
