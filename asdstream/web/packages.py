"""What the page needs besides the daemon: packages of the extra `dashboard`."""

from importlib.util import find_spec

from asdstream.errors import AsdstreamError

PACKAGES = ("jinja2", "plotly")


class NotInstalledError(AsdstreamError):
    """The page cannot be served from this installation."""


def require_packages(otherwise: str = "") -> None:
    """Raise NotInstalledError where one is missing; `otherwise` ends its sentence."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise NotInstalledError(
            f"the dashboard is not installed ({', '.join(missing)}): pip install 'asdstream[dashboard]'{otherwise}"
        )
