"""asdstream check: would the daemon work here?"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer

from asdstream.audio.devices import find_device, list_devices
from asdstream.audio.recording import find_recordings
from asdstream.audio.source import AudioError
from asdstream.cli.options import ConfigOption, JsonOption, config_path, load_config
from asdstream.config import ChannelSection, Config, FileSettings, MicrophoneSettings
from asdstream.engine.separate_as import BothWays
from asdstream.errors import AsdstreamError
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.errors import MqttError
from asdstream.store.database import StoreError
from asdstream.store.store import Store
from asdstream.wiring import broker_of, make_source, separation_of, unlike_prototypes

CONNECT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what, whether it is well, and a sentence."""

    subject: str
    ok: bool
    says: str


def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Validate the configuration, the bundle, the sources of sound, the store and the broker; change nothing.

    Exit code 0 when the daemon would work, 78 for a bad configuration (each problem with its line), 1 when anything
    else is wrong.
    """
    path = config_path(config)
    settings = load_config(path)
    findings = [Finding("configuration", True, f"{path}: {len(settings.channels)} channels"), *_look(settings)]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.says}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _look(settings: Config) -> Iterator[Finding]:
    yield _finding("bundle", lambda: _bundle(settings))
    for channel in settings.channels:
        yield _finding(f"channel {channel.id}", partial(_source, channel))
    yield _finding("store", lambda: _store(settings.store.path))
    yield _finding("broker", lambda: _broker(settings))


def _finding(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except AsdstreamError as error:
        return Finding(subject, False, str(error))


def _bundle(settings: Config) -> str:
    from asdstream import bundle as bundles

    bundle = bundles.verify(bundles.resolve(settings.bundle))
    for channel in settings.channels:
        separate_as = separation_of(bundle, channel.machine_type, channel.separate)
        unlike = unlike_prototypes(bundle, channel.machine_type, separate_as)
        if unlike is not None:
            missing = ""
            if isinstance(separate_as, BothWays) and not _enrolled(settings.store.path, channel.machine):
                missing = f", and none is enrolled for {channel.machine}, so until then the other way counts alone"
            return f"{bundle.name} is whole; channel {channel.id}: {unlike}{missing}"
    unknown = sorted({c.machine_type for c in settings.channels} - set(bundle.machine_types))
    known = ", ".join(bundle.machine_types)
    if unknown:
        return (
            f"{bundle.name} is whole; it does not know {', '.join(unknown)} (it knows {known}), "
            "so those machines are scored against enrolled references alone"
        )
    return f"{bundle.name} is whole and knows {known}"


def _source(channel: ChannelSection) -> str:
    source = channel.source
    make_source(channel)
    if isinstance(source, MicrophoneSettings):
        found = find_device(source.device, list_devices())
        if isinstance(found, str):
            raise AudioError(found)
        return f"microphone {found.name} ({found.stable_id})"
    if isinstance(source, FileSettings):
        return f"{len(find_recordings(source.path))} recordings"
    return f"{source.kind}"


def _enrolled(path: Path, machine: str) -> int:
    """How many references of a machine the store at `path` holds, where there is one."""
    if not path.exists():
        return 0
    with closing(Store(path)) as store:
        return len(store.references.entries(machine))


def _store(path: Path) -> str:
    if not path.exists():
        if not path.parent.is_dir():
            raise StoreError(f"{path} cannot be made: the folder {path.parent} does not exist")
        return f"{path} will be made"
    store = Store(path)
    try:
        return f"{path}: {store.outbox_size()} messages wait"
    finally:
        store.close()


def _broker(settings: Config) -> str:
    broker = broker_of(settings.mqtt)
    client = MqttClient(broker, f"asdstream-check-{settings.site.name}-{settings.site.node}")
    client.start()
    try:
        if not client.wait_connected(CONNECT_WITHIN_S):
            raise MqttError(client.problem or f"no answer from {broker.address} within {CONNECT_WITHIN_S:.0f} s")
        return f"{broker.address} answers, MQTT {client.protocol}"
    finally:
        client.stop()
