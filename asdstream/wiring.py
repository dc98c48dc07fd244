"""From sections of the configuration to the parts that they describe."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import structlog

from asdstream.alarms.policy import AlarmPolicy
from asdstream.audio.file import FileSource
from asdstream.audio.microphone import MicrophoneSource
from asdstream.audio.mqtt import MqttSource
from asdstream.audio.phase import spread_phases
from asdstream.audio.simulator.fault import FaultSchedule
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.source import SimulatorSource
from asdstream.audio.sound_format import PcmFormat
from asdstream.audio.source import Source
from asdstream.clips.folder import ClipFolder
from asdstream.config import (
    AlarmsSection,
    ChannelSection,
    ClipsSection,
    ConfigError,
    EngineSection,
    FileSettings,
    MicrophoneSettings,
    MqttSection,
    MqttSettings,
    SimulatorSettings,
)
from asdstream.engine.batching import BatchPolicy, batch_sizes
from asdstream.engine.overload import Overload, OverloadPolicy
from asdstream.engine.separate_as import BothWays, SeparateAs
from asdstream.mqtt.broker import Broker, Tls
from asdstream.scoring.false_alarms import FalseAlarmRate

if TYPE_CHECKING:
    from asdstream.bundle import Bundle
    from asdstream.clips.clips import Clips
    from asdstream.engine.loop import EngineLoop
    from asdstream.engine.protocol import Engine
    from asdstream.scoring.machine_scorer import MachineScorer
    from asdstream.scoring.reference import Reference

log = structlog.get_logger()

BATCH_DEADLINE_OF_HOP = 0.1
"""A window waits for company at most this share of the shortest hop."""
WAITING_WINDOWS = 64
WAITING_PER_CHANNEL = 4
"""The larger of both may wait for the engine: 64 windows are 41 MB of sound."""


def embedder_of(section: EngineSection, bundle: "Bundle", state: Path | None = None) -> "Engine":
    """The engine that embeds with `bundle`. Raises EngineError where the device or the precision cannot be had.

    `state` is the folder in which a daemon keeps what it compiles; without it nothing is compiled, which would take
    longer than a command runs.
    """
    # The networks are slow to import, and not every command that is wired here needs them.
    from asdstream.engine.embedder import Embedder

    cache = state / "compiled" if section.compile and state is not None else None
    return Embedder(bundle, section.device, section.precision, section.threads, section.max_batch, cache)


def engine_loop_of(
    engine: "Engine",
    max_batch: int,
    hops: Mapping[str, float],
    separate_as: Mapping[str, SeparateAs],
    overload: OverloadPolicy | None = None,
    *,
    unpaced: frozenset[str] = frozenset(),
) -> "EngineLoop":
    """The loop that stands between channels with these hops, in seconds, and `engine`; the rest as `EngineLoop`'s."""
    from asdstream.engine.loop import EngineLoop

    sizes = batch_sizes(max_batch)
    capacity = max(WAITING_WINDOWS, WAITING_PER_CHANNEL * len(hops), sizes[-1])
    return EngineLoop(
        engine,
        BatchPolicy(sizes, BATCH_DEADLINE_OF_HOP * min(hops.values()), capacity, min(hops.values())),
        separate_as,
        overload=Overload({name: hop for name, hop in hops.items() if name not in unpaced}, overload),
        unpaced=unpaced,
    )


def phases_of(channels: Sequence[ChannelSection]) -> dict[str, float]:
    """When within its hop, in seconds, the windows of each channel end: those of one hop are spread over it.

    A channel whose hop no other has is left out.
    """
    of_hop: dict[float, list[str]] = {}
    for channel in channels:
        of_hop.setdefault(channel.hop, []).append(channel.id)
    return {
        name: phase_s
        for hop, names in of_hop.items()
        if len(names) > 1
        for name, phase_s in zip(names, spread_phases(hop, len(names)), strict=True)
    }


def broker_of(section: MqttSection) -> Broker:
    """How to reach the configured broker. Raises ConfigError where the password file cannot be read."""
    tls = None if section.tls is None else Tls(section.tls.ca_file, section.tls.cert_file, section.tls.key_file)
    return Broker(
        host=section.host,
        port=section.port,
        protocol=section.protocol,
        username=section.username,
        password=section.password(),
        keepalive_s=section.keepalive_s,
        tls=tls,
    )


def alarm_policy(alarms: AlarmsSection) -> AlarmPolicy:
    """When the alarms of a channel are raised and cleared."""
    return AlarmPolicy(
        k=alarms.k,
        n=alarms.n,
        clear_windows=alarms.clear_windows,
        clear_level=alarms.clear_level,
        min_duration_s=alarms.min_duration_s,
        update_interval_s=alarms.update_interval_s,
        on_delay_s=alarms.on_delay_s,
        off_delay_s=alarms.off_delay_s,
        latching=alarms.latching,
        must_acknowledge=alarms.must_acknowledge,
        re_alarm_s=alarms.re_alarm_s,
        re_alarm_severity=alarms.re_alarm_severity,
        max_shelve_s=alarms.max_shelve_s,
        source_back_after_s=alarms.source_back_after_s,
        silent_after_s=alarms.silent_after_s,
        clipped_after_s=alarms.clipped_after_s,
        stalled_after_s=alarms.stalled_after_s,
        unscored_after_s=alarms.unscored_after_s,
        overload_after_s=alarms.overload_after_s,
        disk_after_s=alarms.disk_after_s,
        technical_clear_s=alarms.technical_clear_s,
    )


def bearable_rate(alarms: AlarmsSection, hop_s: float) -> FalseAlarmRate:
    """How often a channel of hop `hop_s` may raise an alarm although its machine is healthy."""
    return FalseAlarmRate(alarms.false_alarms_per_day, hop_s, alarms.k, alarms.n)


def separation_of(
    bundle: "Bundle", machine_type: str, separate: Literal["auto", "on", "off", "both"] = "auto"
) -> SeparateAs | None:
    """As what sound of `machine_type` is separated; None where it is taken as it is.

    `auto` follows the bundle's prototypes of the type, which compare only with sound treated alike. A type that it
    does not know is separated where there is a separator made for it; one for all machines may as well take away what
    an unknown one sounds like. Raises ConfigError for `on` and `both` without a separator.
    """
    has_separator = bundle.separator_of(machine_type) is not None
    if separate in ("on", "both") and not has_separator:
        raise ConfigError(
            f'separate = "{separate}": bundle {bundle.name} has no separator for machine type "{machine_type}"; '
            '"auto" is right'
        )
    if separate == "both":
        return BothWays(machine_type)
    if separate == "auto":
        known = bundle.machine_types.get(machine_type)
        wanted = machine_type in bundle.separators if known is None else known.separated
    else:
        wanted = separate == "on"
    return machine_type if wanted else None


def unlike_prototypes(bundle: "Bundle", machine_type: str, separate_as: SeparateAs | None) -> str | None:
    """One sentence where the bundle's prototypes cannot be compared with sound that is, or is not, separated."""
    known = bundle.machine_types.get(machine_type)
    if known is None:
        return None
    if isinstance(separate_as, BothWays):
        made, other = ("separated", "as it is") if known.separated else ("unseparated", "separated")
        return (
            f'bundle {bundle.name} knows "{machine_type}" from {made} sound: heard {other} it is scored against '
            "enrolled references alone"
        )
    if known.separated == (separate_as is not None):
        return None
    made, heard = ("separated", "as it is") if known.separated else ("unseparated", "separated")
    return (
        f'bundle {bundle.name} knows "{machine_type}" from {made} sound, and it is heard {heard} here: it is scored '
        'against enrolled references alone, which separate = "auto" would change'
    )


def scorer_of(
    bundle: "Bundle",
    machine: str,
    machine_type: str,
    bearable: FalseAlarmRate,
    references: Sequence["Reference"] = (),
    separate_as: SeparateAs | None = None,
) -> "MachineScorer":
    """What scores windows of `machine` that are heard as `separate_as` says.

    Raises CalibrationError where the bundle's calibration is odd.
    """
    from asdstream.scoring.both_ways_scorer import BothWaysScorer
    from asdstream.scoring.scorer import Scorer

    if isinstance(separate_as, BothWays):
        return BothWaysScorer.from_bundle(bundle, machine, machine_type, bearable, references)
    separated = separate_as is not None
    return Scorer.from_bundle(bundle, machine, machine_type, bearable, references, separated=separated)


def clips_of(section: ClipsSection, folder: Path, channels: Collection[str]) -> "Clips | None":
    """What keeps the sound around alarms of `channels` in `folder`; None where none is to be kept, or none can be."""
    if not section.enabled:
        return None
    try:
        kept = ClipFolder(folder, section.max_bytes, section.max_age_days * 86_400.0)
    except OSError as error:
        log.warning("no_clips", folder=str(folder), problem=error.strerror or str(error))
        return None
    # What writes and draws the sound is slow to import, and only a daemon keeps clips.
    from asdstream.clips.clips import Clips

    return Clips(kept, channels, section.pre_roll_s, section.post_roll_s)


def make_source(channel: ChannelSection) -> Source:
    """The source that `channel` names, not started yet. Raises AudioError where the settings do not fit together."""
    settings = channel.source
    match settings:
        case MicrophoneSettings():
            return MicrophoneSource(settings.device, settings.sample_rate, settings.channels)
        case MqttSettings():
            return _mqtt_source(settings, channel.id)
        case FileSettings():
            return FileSource(settings.path, settings.realtime, settings.loop)
        case SimulatorSettings():
            return _simulator_source(settings, channel.machine_type)


def _mqtt_source(settings: MqttSettings, channel: str) -> MqttSource:
    audio_format: str | PcmFormat = "wav"
    if settings.encoding is not None and settings.sample_rate is not None and settings.channels is not None:
        audio_format = PcmFormat(settings.encoding, settings.sample_rate, settings.channels)
    return MqttSource(audio_format, settings.max_message_bytes, settings.silence_gap_s, channel=channel)


def _simulator_source(settings: SimulatorSettings, machine_type: str) -> SimulatorSource:
    spec = MachineSpec(
        machine_type=settings.machine_type or machine_type,
        identity=settings.identity,
        speed_rpm=settings.speed_rpm,
        load=settings.load,
        microphone=settings.microphone,
        snr_db=settings.snr_db,
        background=settings.background,
    )
    fault = settings.fault
    schedule = None if fault is None else FaultSchedule(fault.kind, fault.start_s, fault.ramp_s, fault.severity)
    return SimulatorSource(spec, settings.seed, schedule, settings.realtime)
