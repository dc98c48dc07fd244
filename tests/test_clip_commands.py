"""The sound of a clip over MQTT."""

import base64
import json
from concurrent.futures import Future
from typing import Any, cast

import pytest

from asdstream.alarms.command import CommandRefusedError
from asdstream.clip_commands import CLIPS_AT_ONCE, FLAC_BYTES, MAX_REPLY_BYTES, clip_handler
from asdstream.clips.clip import ClipSound
from asdstream.clips.clips import Clips
from asdstream.mqtt.commands import ClipArgs, Command, CommandError, ReplyPayload, read_command
from asdstream.mqtt.payloads import moment

CLIP = "01JD5Z8QK3W4X5Y6Z7A8B9C0D2"


class Shelf:
    """In place of the clips: gives as much as may be asked for."""

    def read(self, clip: str, part: str, most: int) -> "Future[ClipSound]":
        found: Future[ClipSound] = Future()
        found.set_result(ClipSound(b"\xff" * most, "1970-01-01T00:00:00.000Z", None, part))
        return found


def command(part: str = "alarm") -> Command:
    return Command("clip", "t1", "ann", ClipArgs.model_validate({"clip": CLIP, "part": part}))


def data_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.tell(answer.outcome.result(0))
    return found


def test_the_answer_holds_the_sound_and_is_at_most_a_mebibyte() -> None:
    order = clip_handler(cast(Clips, Shelf()))(command("reference"))
    data = data_of(order)
    assert base64.b64decode(data["audio_base64"]) == b"\xff" * FLAC_BYTES
    assert (data["clip"], data["part"], data["sentence"]) == (CLIP, "reference", "reference")
    reply = ReplyPayload(ts=moment(0.0), transaction="t" * 64, status="ok", error=None, data=data).encode()
    assert len(reply) <= MAX_REPLY_BYTES
    assert not order.kept, "256 answers of this size would be 256 MB"


def test_without_clips_and_too_often_it_is_refused() -> None:
    with pytest.raises(CommandRefusedError, match=r"clips\.enabled is false"):
        clip_handler(None)(command())
    now = [0.0]
    handler = clip_handler(cast(Clips, Shelf()), lambda: now[0])
    for _ in range(CLIPS_AT_ONCE):
        handler(command())
    with pytest.raises(CommandRefusedError, match="2 a second are given"):
        handler(command())
    now[0] += 1.0
    handler(command())


@pytest.mark.parametrize("clip", ["", "../../etc/passwd", "01jd5z8qk3w4x5y6z7a8b9c0d2", CLIP + "/", CLIP + "\n"])
def test_what_is_no_ulid_never_becomes_the_name_of_a_file(clip: str) -> None:
    payload = {"transaction": "t1", "actor": "ann", "args": {"clip": clip}}
    with pytest.raises(CommandError, match="ULID"):
        read_command("clip", json.dumps(payload).encode())
