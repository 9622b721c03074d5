from .download import DEFAULT_VERSION as DEFAULT_VERSION
from .download import KNOWN_VERSIONS as KNOWN_VERSIONS
from .errors import PrerequisiteError as PrerequisiteError
from .errors import ServerError as ServerError
from .java import Java as Java
from .java import find_java as find_java
from .java import has_java as has_java
from .server import ElasticsearchServer as ElasticsearchServer
from .server import LocalElasticsearch as LocalElasticsearch
from .server import elasticsearch_server as elasticsearch_server

__all__ = [
    "DEFAULT_VERSION",
    "KNOWN_VERSIONS",
    "ElasticsearchServer",
    "Java",
    "LocalElasticsearch",
    "PrerequisiteError",
    "ServerError",
    "elasticsearch_server",
    "find_java",
    "has_java",
]
