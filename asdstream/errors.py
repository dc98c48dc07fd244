"""The root of every error that a user may see: one sentence on what was wrong, where, and what would be right."""


class AsdstreamError(Exception):
    """Something the user can mend. The command line prints it as one line and exits with `exit_code`."""

    exit_code = 1
