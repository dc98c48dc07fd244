"""How a daemon stands at one moment, as it is read by whoever watches it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChannelReading:
    """One channel; counts are since the start.

    `hop_s` is the hop of the moment. Of the `windows` that became complete, `shed` were left out to widen the hop under
    overload, and `dropped` were lost. `sound_age_s` and `level_dbfs` are None before the first sound.
    """

    channel: str
    machine: str
    hop_s: float
    windows: int
    scored: int
    shed: int
    dropped: int
    gaps: int
    rejected: int
    nan_samples: int
    sound_age_s: float | None
    level_dbfs: float | None


@dataclass(frozen=True, slots=True)
class NodeReading:
    """The whole daemon.

    `still` names the threads that stand still, `problems` says in sentences what keeps the daemon from its work; both
    are empty when all is well. `connections` counts those to the broker since the start. What cannot be told is None.
    """

    channels: Sequence[ChannelReading]
    still: Sequence[str]
    problems: Sequence[str]
    windows_waiting: int
    batches_waiting: int
    outbox: int
    connected: bool
    connections: int
    messages_dropped: int
    messages_rejected: int
    disk_free_bytes: int | None
    device_memory_bytes: int | None
