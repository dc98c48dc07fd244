import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fake_fleet import AWAY, CLIP, EVIDENCE, KEY, RATE, flac
from own_loop import in_its_own_loop
from web_board import NOW, Board

from asdstream.mqtt.commands import ReplyPayload
from asdstream.mqtt.payloads import moment
from asdstream.web.asking import NoAnswerError
from asdstream.web.clips import ClipError, Clips, Part


class StubAsking:
    """Answers `clip` with the changes that the test wants."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.asked: list[tuple[str, str]] = []
        self.status: dict[str, str] = {}

    async def ask(self, node: str, verb: str, actor: str, args: dict[str, Any], within_s: float) -> ReplyPayload:
        assert verb == "clip"
        self.asked.append((args["clip"], args["part"]))
        data = {
            "clip": args["clip"],
            "part": args["part"],
            "audio_format": "flac",
            "audio_base64": base64.b64encode(flac(args["part"])).decode(),
            "started": "2026-01-01T00:00:00.000Z",
            "label": args["part"],
            "sentence": EVIDENCE["sentence"],
            **self.changes,
        }
        status = self.status.get(args["part"], "ok")
        error = None if status == "ok" else "there is no such sound"
        return ReplyPayload(ts=moment(NOW), transaction="x", status=status, error=error, data=data)  # type: ignore[arg-type]


def picture(asking: StubAsking, board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(in_its_own_loop(Clips(asking, board.watch).picture(KEY, CLIP, "ann")))  # type: ignore[arg-type]
    return found


def sound(asking: StubAsking, board: Board, part: Part = "alarm") -> bytes:
    return in_its_own_loop(Clips(asking, board.watch).sound(KEY, CLIP, part, "ann")).flac  # type: ignore[arg-type]


def test_a_clip_is_shown_beside_its_reference_with_what_has_changed(board: Board) -> None:
    board.show_fake_fleet()
    found = picture(StubAsking(), board)
    assert (found["clip"], found["sentence"]) == (CLIP, EVIDENCE["sentence"])
    assert (found["alarm"]["label"], found["reference"]["label"]) == ("alarm", "reference")
    for name in ("alarm", "reference", "difference"):
        part = found[name]
        assert np.array(part["mel"]).shape == (len(part["hz"]), len(part["times_s"]))
    hz, change = np.array(found["difference"]["hz"]), np.array(found["difference"]["mel"]).mean(axis=1)
    assert 3200.0 < hz[change.argmax()] < 3800.0


def test_the_error_map_of_an_alarm_lies_on_the_seconds_of_its_sound(board: Board) -> None:
    assert picture(StubAsking(), board)["surprise"] is None
    told = {
        "begins_s": -0.2,
        "step_s": 0.16,
        "edges_hz": [20, 500, 8_000],
        "excess_db": [[0, 1.04], [2, 3]],
        "region": 1,
    }
    shown = picture(StubAsking(error_map=told), board)["surprise"]
    assert shown == {"mel": [[0.0, 1.0], [2.0, 3.0]], "times_s": [-0.12, 0.04], "hz": [260.0, 4_250.0]}


@pytest.mark.parametrize(
    "change",
    [
        {"excess_db": [[0.0]]},
        {"excess_db": [[0.0], [1.0, 2.0]]},
        {"excess_db": [[], []]},
        {"excess_db": [[0.0] * 2_000] * 2},
        {"excess_db": "loud"},
        {"edges_hz": [20, 8_000, 500]},
        {"step_s": 0.0},
        {"begins_s": 1e9},
    ],
)
def test_what_is_no_error_map_is_left_out_and_the_sound_is_shown(board: Board, change: dict[str, Any]) -> None:
    told = {"begins_s": 0.0, "step_s": 0.16, "edges_hz": [20, 500, 8_000], "excess_db": [[0.0], [2.0]], **change}
    shown = picture(StubAsking(error_map=told), board)
    assert shown["surprise"] is None
    assert shown["difference"] is not None


def test_evidence_comes_from_the_alarm_or_once_that_is_over_from_the_history(board: Board) -> None:
    fleet = board.show_fake_fleet()
    assert board.broker.handler is not None
    before = picture(StubAsking(), board)["evidence"]
    for name in fleet.alarms:
        board.broker.handler(f"asd/v1/{KEY}/alarm/{name}/state", b"")
    assert board.fleet()["alarms"] == []
    assert picture(StubAsking(), board)["evidence"] == before
    assert before is None or before["bands"] == EVIDENCE["bands"]


def test_a_sound_is_fetched_once(board: Board) -> None:
    asking = StubAsking()
    clips = Clips(asking, board.watch)  # type: ignore[arg-type]

    async def look_and_listen() -> None:
        await clips.picture(KEY, CLIP, "ann")
        assert (await clips.sound(KEY, CLIP, "alarm", "ann")).flac.startswith(b"fLaC")
        await clips.sound(AWAY, CLIP, "alarm", "ann")

    in_its_own_loop(look_and_listen())
    assert asking.asked == [(CLIP, "alarm"), (CLIP, "reference"), (CLIP, "alarm")]


def test_only_so_many_bytes_are_kept(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.web.clips.KEPT_BYTES", len(flac()) + 10)
    asking = StubAsking()
    clips = Clips(asking, board.watch)  # type: ignore[arg-type]

    async def listen() -> None:
        for node in (KEY, AWAY, KEY):
            await clips.sound(node, CLIP, "alarm", "ann")

    in_its_own_loop(listen())
    assert len(asking.asked) == 3


def test_an_alarm_without_a_reference_is_shown_alone(board: Board) -> None:
    asking = StubAsking()
    asking.status["reference"] = "refused"
    found = picture(asking, board)
    assert found["alarm"]["mel"]
    assert (found["reference"], found["difference"]) == (None, None)


def test_a_clip_that_is_gone_or_cannot_be_had_is_said(board: Board) -> None:
    asking = StubAsking()
    asking.status["alarm"] = "refused"
    with pytest.raises(ClipError, match="there is no such sound"):
        picture(asking, board)
    asking.status["alarm"] = "failed"
    with pytest.raises(NoAnswerError, match="there is no such sound"):
        picture(asking, board)


def encoded(path: Path, samples: np.ndarray, rate: int = RATE) -> str:
    soundfile.write(path, samples, rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"audio_base64": base64.b64encode(b"RIFF" + b"\0" * 100).decode()},
        {"audio_base64": "no base64!"},
        {"audio_base64": 5},
        {"audio_base64": "A" * 2_000_000},
        {"audio_format": "wav"},
        {"clip": "01JD5Z8QK3W4X5Y6Z7A8B9C0ZZ"},
        {"part": "reference"},
    ],
)
def test_what_is_no_clip_is_not_passed_on(board: Board, changes: dict[str, Any]) -> None:
    with pytest.raises(ClipError, match=f"what {KEY} sent is no clip"):
        sound(StubAsking(**changes), board)


def test_a_clip_that_would_unfold_to_hours_or_is_damaged_is_not_drawn(board: Board, tmp_path: Path) -> None:
    endless = encoded(tmp_path / "a", np.zeros(RATE * 600, dtype=np.int16))
    assert len(endless) < 200_000
    with pytest.raises(ClipError, match="longer or faster"):
        picture(StubAsking(audio_base64=endless), board)
    damaged = base64.b64encode(b"fLaC" + flac()[60:2000]).decode()
    with pytest.raises(ClipError, match="cannot be read as FLAC"):
        picture(StubAsking(audio_base64=damaged), board)
    with pytest.raises(ClipError, match="cannot be read as FLAC"):
        picture(StubAsking(audio_base64=encoded(tmp_path / "b", np.zeros(10, dtype=np.int16))), board)


@pytest.mark.parametrize(
    "clip", ["x", "..%2f..%2fetc%2fpasswd", CLIP.lower(), f"{CLIP}A", "01JD5Z8QK3W4X5Y6Z7A8B9C0D<"]
)
def test_a_clip_is_named_by_its_id_alone(board: Board, clip: str) -> None:
    board.show_fake_fleet()
    for path in (f"/api/clip/{clip}", f"/api/clip/{clip}/alarm.flac"):
        assert board.page.get(path, params={"node": KEY}).status_code in (400, 404)
    assert board.page.get(f"/api/clip/{CLIP}", params={"node": "../x"}).status_code == 400
    assert board.page.get(f"/api/clip/{CLIP}/other.flac", params={"node": KEY}).status_code == 404
    assert board.broker.published == []


def test_clips_are_drawn_where_no_machine_code_may_be_made(tmp_path: Path) -> None:
    """As the unit has it: MemoryDenyWriteExecute."""
    program = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE
    sys.exit(77)
from asdstream.web.clips import Sound, _draw
with open(sys.argv[1], "rb") as file:
    sound = Sound(file.read(), None, None, None)
print(len(_draw("x", sound, sound, None)))
"""
    path = tmp_path / "beep.flac"
    path.write_bytes(flac())
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot forbid it (PR_SET_MDWE, Linux 6.3)")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000
