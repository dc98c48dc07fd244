"""Sound in MQTT messages. The transport is elsewhere: it calls `deliver`."""

import re
import threading

import structlog

from asdstream.audio.block import AudioBlock
from asdstream.audio.inbox import Inbox
from asdstream.audio.sound_format import PcmFormat, decode_pcm
from asdstream.audio.source import AudioError, SourceState
from asdstream.audio.wav import WavError, is_riff, parse_wav

log = structlog.get_logger()

MAX_LEAD_S = 60.0
"""A sender may deliver up to this much sound ahead of time and then be silent for as long."""
LEAD_LEAK = 0.01
"""Of the time that passes: a sender whose clock runs fast builds up no lead, and a late message is forgotten."""

_DAMAGED_SOUND = frozenset({"too_large", "bad_wav", "not_whole_frames", "unreadable"})
"""Kinds of fault where sound was lost. A stranger's message on the topic, on the other hand, takes nothing away."""

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{16,}")
_CONTAINERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF", b"RIFF": "RIFF", b"RF64": "WAV"}


class _RejectedError(Exception):
    """A message that is not what the channel's configuration says."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


class MqttSource:
    """Messages of WAV, or of raw PCM in the configured format, as one stream of sound.

    A bad message is counted and logged once for each kind of fault; where it seems to be damaged sound, rather than no
    sound at all, what follows it is marked as coming after a gap. What arrives waits in an
    inbox of `inbox_s` seconds; when it is not fetched in time the oldest is dropped and the loss marked as a gap. A
    silence longer than `silence_gap_s` beyond the sound delivered so far is a gap as well: messages may have been lost.
    """

    def __init__(
        self,
        audio_format: str | PcmFormat,
        max_message_bytes: int,
        silence_gap_s: float = 2.0,
        *,
        channel: str = "",
        inbox_s: float = 30.0,
    ) -> None:
        if isinstance(audio_format, str) and audio_format != "wav":
            raise AudioError(f'the audio format of a message cannot be {audio_format!r}; it is "wav" or a PCM format')
        self._format = audio_format
        self._max_message_bytes = max_message_bytes
        self._silence_gap_s = silence_gap_s
        self._log = log.bind(channel=channel) if channel else log
        # Bounded by time and by bytes: a hostile header can make a second of sound weigh 24 MB.
        self._inbox = Inbox(inbox_s, max_bytes=max(64 << 20, 4 * max_message_bytes))
        self._lock = threading.Lock()
        self._due: float | None = None
        self._last: float = 0.0
        self._live = False
        self._rejected: dict[str, int] = {}
        self._bad_message: str | None = None
        self._silence: str | None = None

    @property
    def paced(self) -> bool:
        """The sender keeps to real time."""
        return True

    @property
    def state(self) -> SourceState:
        """LIVE while messages come."""
        return SourceState.LIVE if self._live else SourceState.WAITING

    @property
    def problem(self) -> str | None:
        """What was wrong with the last message, or that none comes."""
        return self._bad_message or self._silence

    @property
    def rejected(self) -> int:
        """Messages refused."""
        with self._lock:
            return sum(self._rejected.values())

    @property
    def rejected_by_kind(self) -> dict[str, int]:
        """Messages refused, by the kind of fault."""
        with self._lock:
            return dict(self._rejected)

    @property
    def dropped_seconds(self) -> float:
        """Sound dropped because it was not fetched in time."""
        return self._inbox.dropped_seconds

    def start(self, now: float) -> None:
        """Wait for messages from now on."""
        self._last = now
        self._silence = "no audio message has come yet"

    def deliver(self, payload: bytes, now: float) -> None:
        """A message that arrived at monotonic second `now`. Called from the network's thread; never raises."""
        try:
            block = self._decode(payload)
        except _RejectedError as error:
            self._reject(error.kind, str(error))
            return
        except Exception as error:  # the network's thread would die of it, and with it every channel
            self._reject("unreadable", f"an audio message could not be read: {type(error).__name__}: {error}")
            return
        seconds = len(block.samples) / block.sample_rate
        with self._lock:
            due = now
            if self._due is not None:
                if now > self._due + self._silence_gap_s:
                    self._inbox.mark_gap()
                due = max(self._due - LEAD_LEAK * max(now - self._last, 0.0), now)
            self._due = min(due + seconds, now + seconds + MAX_LEAD_S)
            self._last = now
            self._live = True
            self._bad_message = None
            self._silence = None
            self._inbox.put(block)

    def poll(self, now: float) -> list[AudioBlock]:
        """What has been delivered since the last call."""
        with self._lock:
            if self._live and self._due is not None and now > self._due + self._silence_gap_s:
                self._live = False
                self._silence = "audio messages have stopped coming"
        return self._inbox.drain()

    def stop(self) -> None:
        """Forget what waits."""
        self._inbox.drain()
        self._live = False

    def _decode(self, payload: bytes) -> AudioBlock:
        if len(payload) > self._max_message_bytes:
            raise _RejectedError(
                "too_large",
                f"an audio message of {len(payload)} bytes came; at most {self._max_message_bytes} bytes are taken",
            )
        if not payload:
            raise _RejectedError("empty", "an empty audio message came")
        if isinstance(self._format, PcmFormat):
            return _decode_raw(payload, self._format)
        if not is_riff(payload[:12]):
            raise _RejectedError(
                "not_wav", f"an audio message holds {_guess(payload)} where the channel is configured for WAV"
            )
        try:
            return parse_wav(payload)
        except WavError as error:
            raise _RejectedError("bad_wav", f"a WAV message cannot be used: {error}") from error

    def _reject(self, kind: str, problem: str) -> None:
        with self._lock:
            first = kind not in self._rejected
            self._rejected[kind] = self._rejected.get(kind, 0) + 1
            self._bad_message = problem
            if kind in _DAMAGED_SOUND and self._due is not None:
                self._inbox.mark_gap()
        if first:
            self._log.warning("audio_message_rejected", kind=kind, problem=problem, logged="once for this kind")


def _decode_raw(payload: bytes, pcm: PcmFormat) -> AudioBlock:
    """Raw PCM has no header to check, so look for signs that it is something else."""
    if any(payload.startswith(magic) for magic in _CONTAINERS) or _TEXT.fullmatch(payload):
        raise _RejectedError(
            "not_raw",
            f"an audio message holds {_guess(payload)} where the channel is configured for raw {pcm.encoding}",
        )
    if len(payload) % pcm.frame_bytes:
        raise _RejectedError(
            "not_whole_frames",
            f"a raw audio message of {len(payload)} bytes is not whole frames of {pcm.frame_bytes} bytes "
            f"({pcm.channels} x {pcm.encoding})",
        )
    return AudioBlock(decode_pcm(payload, pcm.encoding, pcm.channels), pcm.sample_rate)


def _guess(payload: bytes) -> str:
    """What the bytes seem to be."""
    for magic, name in _CONTAINERS.items():
        if payload.startswith(magic):
            return "WAV" if is_riff(payload[:12]) else name
    return "text" if _TEXT.fullmatch(payload) else "something unknown"
