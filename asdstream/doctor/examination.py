"""Everything that is looked at, in an order in which the first fault explains the later ones."""

from collections.abc import Iterator
from pathlib import Path

from asdstream import config
from asdstream.config import Config, ConfigError
from asdstream.doctor.box import look_at_box
from asdstream.doctor.broker import look_at_broker
from asdstream.doctor.engine import look_at_engine
from asdstream.doctor.finding import Finding, failed, guarded, ok
from asdstream.doctor.sound import look_at_sound


def examine(path: Path, *, measure: bool = True) -> Iterator[Finding]:
    """Findings about the box that the configuration at `path` describes, as they come.

    Without a configuration that can be read only the sound system is looked at. `measure` says whether to take the
    seconds that the speed of the engine needs.
    """
    try:
        settings = config.load(path)
    except ConfigError as error:
        yield from (failed("configuration", line, f"mend that line of {path}") for line in str(error).splitlines())
        yield from guarded("sound", lambda: look_at_sound(()), "asdstream devices")
        return
    yield ok("configuration", f"{path}: {len(settings.channels)} channels")
    yield from _of(settings, measure=measure)


def _of(settings: Config, *, measure: bool) -> Iterator[Finding]:
    yield from look_at_box(settings)
    yield from guarded("sound", lambda: look_at_sound(settings.channels), "asdstream devices")
    yield from guarded(
        "broker", lambda: look_at_broker(settings.mqtt, settings.site), "mend the table mqtt and the files it names"
    )
    yield from look_at_engine(settings, measure=measure)
