"""asdstream check: would the daemon work here?"""

import json
from collections.abc import Iterator

import typer

from asdstream.cli.options import ConfigOption, JsonOption, config_path, load_config
from asdstream.config import Config
from asdstream.doctor.finding import Finding, State, guarded, ok


def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Validate the configuration, the bundle, the sources of sound, the store and the broker; change nothing.

    Exit code 0 when the daemon would work, 78 for a bad configuration (each problem with its line), 1 when anything
    else is wrong.
    """
    path = config_path(config)
    settings = load_config(path)
    findings = [ok("configuration", f"{path}: {len(settings.channels)} channels"), *_look(settings)]
    if as_json:
        told = [{"subject": one.subject, "ok": one.state is not State.FAILED, "says": one.says} for one in findings]
        typer.echo(json.dumps(told, indent=2))
    else:
        for finding in findings:
            typer.echo(finding.line)
    raise typer.Exit(int(any(finding.state is State.FAILED for finding in findings)))


def _look(settings: Config) -> Iterator[Finding]:
    from asdstream.doctor.broker import look_at_login
    from asdstream.doctor.bundle import look_at_bundle
    from asdstream.doctor.source import look_at_source
    from asdstream.doctor.store import look_at_store

    yield from look_at_bundle(settings)
    for channel in settings.channels:
        yield from look_at_source(channel)
    yield from look_at_store(settings.store.path)
    yield from guarded("broker", lambda: look_at_login(settings.mqtt), "mend the table mqtt and the files it names")
