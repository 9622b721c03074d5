"""A real Elasticsearch server for tests, benchmarks and people.

For people: ``python -m sigsearch_elasticsearch.testing up``. The public names, listed in ``__init__.pyi``,
are imported when first used. The fixtures stand in `sigsearch_elasticsearch.testing.plugin`, which a
conftest.py asks for::

    pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
