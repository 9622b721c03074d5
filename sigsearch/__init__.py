"""sigsearch finds copies of a picture among millions. Its public names, listed in ``__init__.pyi``.

They are imported when first used, so that ``import sigsearch`` loads neither numba nor a driver.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
