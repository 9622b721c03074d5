"""The errors of the test server: it cannot be had, or it did not do what it should."""

from sigsearch.errors import SigsearchError


class ServerError(SigsearchError):
    """The test server did not start, or does not answer."""


class PrerequisiteError(ServerError):
    """The machine lacks what the test server needs: Java, Maven, a way to fetch the build, a POSIX system.

    The fixtures skip on it, but for ``SIGSEARCH_TEST_ES=require``.
    """
