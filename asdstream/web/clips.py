"""The sound of an alarm and of the normal sound nearest to it: fetched from the node, kept for a while, drawn."""

import asyncio
import base64
import binascii
import json
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asdstream.drawing.mel_spectrogram import MelSpectrogram, mel_spectrogram
from asdstream.errors import AsdstreamError
from asdstream.web.asking import Asking, NoAnswerError
from asdstream.web.bounded import bounded_text
from asdstream.web.fleet_watch import FleetWatch

Part = Literal["alarm", "reference"]

ANSWER_WITHIN_S = 10.0
KEPT_BYTES = 32_000_000
LARGEST_FLAC_BYTES = 1_100_000
LONGEST_S = 180.0
"""Silence of hours fits into a FLAC file of some kilobytes."""
FASTEST_HZ = 48_000
MOST_BANDS, MOST_TIMES = 128, 1_024
AT_ONCE = 2
BANDS = 64
MOST_COLUMNS = 256


class ClipError(AsdstreamError):
    """The node has no such clip, or sends what is none."""


class ErrorMapReply(BaseModel):
    """By how many dB each patch is louder than the node's network expected: `excess_db` by band, then by time."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    begins_s: float = Field(ge=-LONGEST_S, le=LONGEST_S)
    step_s: float = Field(gt=0.0, le=LONGEST_S)
    edges_hz: tuple[float, ...] = Field(min_length=2, max_length=MOST_BANDS + 1)
    excess_db: tuple[Annotated[tuple[float, ...], Field(min_length=1, max_length=MOST_TIMES)], ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.excess_db) != len(self.edges_hz) - 1 or any(low >= high for low, high in pairwise(self.edges_hz)):
            raise ValueError("rows and bands do not belong together")
        if len({len(row) for row in self.excess_db}) != 1:
            raise ValueError("rows are of unlike length")
        return self

    def matrix(self) -> dict[str, Any]:
        """As spectrograms go to the page, in the seconds of the alarm's sound."""
        columns = np.arange(len(self.excess_db[0]))
        edges = np.array(self.edges_hz)
        return {
            "mel": np.round(np.array(self.excess_db), 1).tolist(),
            "times_s": np.round(self.begins_s + (columns + 0.5) * self.step_s, 3).tolist(),
            "hz": np.round((edges[:-1] + edges[1:]) / 2.0, 1).tolist(),
        }


class ClipReply(BaseModel):
    """The data of the reply to `cmd/clip`."""

    model_config = ConfigDict(frozen=True)

    clip: str
    part: Part
    audio_format: Literal["flac"]
    audio_base64: str = Field(max_length=LARGEST_FLAC_BYTES * 4 // 3 + 4)
    started: str | None = None
    label: str | None = None
    sentence: str | None = None
    error_map: object = None


@dataclass(frozen=True, slots=True)
class Sound:
    """One part of a clip, as the node sent it; `started` and `label` say when, or what it is."""

    flac: bytes
    started: str | None
    label: str | None
    sentence: str | None
    error_map: ErrorMapReply | None = None


class Clips:
    """Used on the event loop; at most two clips are fetched or drawn at a time, and the latest 32 MB are kept."""

    def __init__(self, asking: Asking, watch: FleetWatch) -> None:
        self._asking = asking
        self._watch = watch
        self._kept: OrderedDict[tuple[str, str, Part], Sound] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def sound(self, node: str, clip: str, part: Part, user: str) -> Sound:
        """One part of a clip. Raises ClipError where there is none, NoAnswerError where the node does not answer."""
        async with self._turns:
            return await self._sound(node, clip, part, user)

    async def picture(self, node: str, clip: str, user: str) -> bytes:
        """JSON with the spectrograms of alarm and reference, their difference, and the error map, as far as there are.

        Raises as `sound`.
        """
        async with self._turns:
            alarm = await self._sound(node, clip, "alarm", user)
            try:
                reference = await self._sound(node, clip, "reference", user)
            except ClipError:
                # A prototype stands for many recordings and has no sound of its own.
                reference = None
            known = self._watch.alarm_of_clip(node, clip)
            evidence = None if known is None else known.get("evidence")
            return await asyncio.to_thread(_draw, clip, alarm, reference, evidence)

    async def _sound(self, node: str, clip: str, part: Part, user: str) -> Sound:
        key = (node, clip, part)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        reply = await self._asking.ask(node, "clip", user, {"clip": clip, "part": part}, ANSWER_WITHIN_S)
        if reply.status == "failed":
            raise NoAnswerError(bounded_text(reply.error or f"{node} could not give the clip"))
        if reply.status != "ok":
            raise ClipError(bounded_text(reply.error or "the node has no such clip"))
        sound = _read(node, clip, part, reply.data)
        self._kept[key] = sound
        while sum(len(kept.flac) for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return sound


def _read(node: str, clip: str, part: Part, data: dict[str, Any] | None) -> Sound:
    try:
        reply = ClipReply.model_validate(data)
        flac = base64.b64decode(reply.audio_base64, validate=True)
    except (ValidationError, binascii.Error):
        raise ClipError(f"what {node} sent is no clip") from None
    if (reply.clip, reply.part) != (clip, part) or not flac.startswith(b"fLaC"):
        raise ClipError(f"what {node} sent is no clip")
    started, label, sentence = (
        None if text is None else bounded_text(text) for text in (reply.started, reply.label, reply.sentence)
    )
    return Sound(flac, started, label, sentence, _error_map(reply.error_map))


def _error_map(found: object) -> ErrorMapReply | None:
    """What is no error map is none; the sound can be shown without."""
    try:
        return None if found is None else ErrorMapReply.model_validate(found)
    except ValidationError:
        return None


def _draw(clip: str, alarm: Sound, reference: Sound | None, evidence: object) -> bytes:
    alarm_picture = _picture(alarm)
    reference_picture = None if reference is None else _picture(reference)
    difference = None if reference_picture is None else alarm_picture.above(reference_picture)
    picture = {
        "clip": clip,
        "sentence": alarm.sentence,
        "evidence": evidence,
        "alarm": {"started": alarm.started, "label": alarm.label, **_matrix(alarm_picture)},
        "reference": None
        if reference is None or reference_picture is None
        else {"started": reference.started, "label": reference.label, **_matrix(reference_picture)},
        "difference": None if difference is None else _matrix(difference),
        "surprise": None if alarm.error_map is None else alarm.error_map.matrix(),
    }
    return json.dumps(picture, separators=(",", ":")).encode()


def _picture(sound: Sound) -> MelSpectrogram:
    try:
        with _opened(sound.flac) as file:
            if not 8000 <= file.samplerate <= FASTEST_HZ or file.frames > LONGEST_S * file.samplerate:
                raise ClipError("the clip is longer or faster than a clip can be")
            samples = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
        return mel_spectrogram(np.ascontiguousarray(samples[:, 0]), rate, BANDS, MOST_COLUMNS)
    except (soundfile.LibsndfileError, ValueError):
        raise ClipError("the clip cannot be read as FLAC") from None


@contextmanager
def _opened(flac: bytes) -> Iterator[soundfile.SoundFile]:
    # To read from memory, soundfile makes machine code at run time, which the service is not allowed.
    with tempfile.TemporaryFile() as file:
        file.write(flac)
        file.seek(0)
        with soundfile.SoundFile(file.fileno(), closefd=False) as opened:
            yield opened


def _matrix(picture: MelSpectrogram) -> dict[str, Any]:
    """For JSON, rounded to a tenth of a decibel."""
    return {
        "mel": np.round(picture.mel.astype(float), 1).tolist(),
        "times_s": np.round(picture.times_s.astype(float), 3).tolist(),
        "hz": np.round(picture.hz.astype(float), 1).tolist(),
    }
