"""What is wrong with a configuration."""

from asdstream.errors import AsdstreamError


class ConfigError(AsdstreamError):
    """A configuration that cannot be used; one line per problem."""

    exit_code = 78
