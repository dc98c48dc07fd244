"""The sound around an alarm, from windows to files and back."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image
from structlog.testing import capture_logs

from asdstream.alarms.command import CommandRefusedError
from asdstream.audio.flac import encode_flac
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES, Window
from asdstream.clips.clip import ClipOrder
from asdstream.clips.clips import Clips
from asdstream.clips.folder import ClipFolder
from asdstream.clips.shortened import shortened
from asdstream.engine.errors import EngineError
from asdstream.evidence.error_map import ErrorMap, error_map

CLIP = "01JD5Z8QK3W4X5Y6Z7A8B9C0D2"
OTHER = "01JD5Z8QK3W4X5Y6Z7A8B9C0D3"
BEGAN = 1_000_000.0
MIB = 1 << 20


def sound(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


def window(stream: NDArray[np.float32], end_s: float, run: int = 0, channel: str = "fan-1") -> Window:
    end = round(end_s * SAMPLE_RATE)
    start = end - WINDOW_SAMPLES
    began = BEGAN + start / SAMPLE_RATE
    return Window(channel, int(end_s), stream[start:end], began, began + 10.0, captured=end_s, run=run, start=start)


class Room:
    """Clips of one channel, with a clock that the test moves and a stream that it hears."""

    def __init__(self, path: Path, *, max_bytes: int = 10_000_000) -> None:
        self.now = 0.0
        self.path = path / "clips"
        self.folder = ClipFolder(self.path, max_bytes, 3_600.0, lambda: self.now)
        self.clips = Clips(self.folder, ["fan-1"], 5.0, 3.0, lambda: self.now)
        self.stream = sound(60.0)

    def hear(self, first_s: int, last_s: int, run: int = 0) -> None:
        for second in range(first_s, last_s + 1):
            self.clips.hear(window(self.stream, second, run))

    def order(
        self, end_s: float, clip: str = CLIP, run: int = 0, mapping: Callable[[], ErrorMap | None] | None = None
    ) -> ClipOrder:
        heard, normal = window(self.stream, end_s, run), sound(10.0, seed=7)
        return ClipOrder(clip, heard, "a hiss", normal, "reference/1", {"score": 0.5}, mapping)

    def work(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.clips.step(0.0)

    def ask(self, clip: str = CLIP, part: str = "alarm", most: int = MIB) -> NDArray[np.float64]:
        answer = self.clips.read(clip, part, most)
        self.work()
        samples, rate = soundfile.read(io.BytesIO(answer.result(0).flac))
        assert rate == SAMPLE_RATE
        return samples


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_clip_holds_what_was_heard_before_the_raise_and_after_it(room: Room) -> None:
    room.hear(10, 20)
    assert room.clips.begin(room.order(20))
    with pytest.raises(CommandRefusedError, match="not finished yet"):
        room.ask()
    room.hear(21, 23)
    heard = room.ask()
    assert np.allclose(heard, room.stream[15 * SAMPLE_RATE : 23 * SAMPLE_RATE], atol=2e-5)
    assert np.allclose(room.ask(part="reference"), sound(10.0, seed=7), atol=2e-5)
    facts = json.loads((room.path / f"{CLIP}.json").read_text())
    assert (facts["channel"], facts["raised_s"], facts["score"]) == ("fan-1", 5.0, 0.5)
    assert (facts["started"], facts["sentence"]) == ("1970-01-12T13:46:55.000Z", "a hiss")
    picture = Image.open(room.path / f"{CLIP}.png").convert("RGB")
    assert picture.width > 10 * 32
    assert len(set(picture.get_flattened_data())) > 100, "a spectrogram has many colours"


def test_a_clip_has_its_error_map_in_facts_picture_and_answer(room: Room, tmp_path: Path) -> None:
    heard = np.zeros((62, 8), np.float32)
    heard[31:, 6] = 12.0
    found = error_map(heard, np.zeros((62, 8), np.float32), 0.16, tuple(float(1_000 * i + 20) for i in range(9)))
    room.hear(10, 25)
    room.clips.begin(room.order(20, mapping=lambda: found))
    room.clips.begin(room.order(20, OTHER))
    room.work()
    told = json.loads((room.path / f"{CLIP}.json").read_text())["error_map"]
    assert told == {"begins_s": -5.0, **found.to_dict()}, "the window is longer than what was kept before the raise"
    assert told["region"] == {"low_hz": 6_020, "high_hz": 7_020, "from_s": 4.96, "to_s": 9.92, "excess_db": 12.0}
    assert json.loads((room.path / f"{OTHER}.json").read_text())["error_map"] is None
    with_map, without = (Image.open(room.path / f"{name}.png") for name in (CLIP, OTHER))
    assert with_map.height == without.height * 3 // 2
    answer = room.clips.read(CLIP, "alarm", 100_000)
    plain = room.clips.read(OTHER, "alarm", 100_000)
    room.work()
    assert answer.result(0).error_map is not None
    assert answer.result(0).error_map["begins_s"] < -5.0, "the answer begins later than the clip"
    assert answer.result(0).error_map["region"] == told["region"]
    assert plain.result(0).error_map is None


@pytest.mark.parametrize(
    "error", [EngineError("the engine has stopped"), TimeoutError(), ValueError("a fault")], ids=str
)
def test_an_error_map_that_fails_costs_nothing_else(room: Room, error: Exception) -> None:
    def fails() -> ErrorMap:
        raise error

    room.hear(10, 25)
    room.clips.begin(room.order(20, mapping=fails))
    with capture_logs() as logs:
        room.work()
    assert [line["event"] for line in logs] == ["no_error_map", "clip_kept"]
    assert json.loads((room.path / f"{CLIP}.json").read_text())["error_map"] is None


def test_an_alarm_that_is_judged_late_has_the_sound_that_came_meanwhile(room: Room) -> None:
    room.hear(10, 25)
    room.clips.begin(room.order(20))
    assert np.allclose(room.ask(), room.stream[15 * SAMPLE_RATE : 23 * SAMPLE_RATE], atol=2e-5)


def test_sound_that_breaks_off_ends_the_clip(room: Room) -> None:
    room.hear(10, 20)
    room.clips.begin(room.order(20))
    room.hear(21, 21)
    room.hear(30, 30, run=1)
    assert len(room.ask()) == 6 * SAMPLE_RATE


def test_of_sound_that_broke_off_before_the_alarm_was_judged_the_window_is_kept(room: Room) -> None:
    room.hear(10, 20)
    room.hear(40, 41, run=1)
    room.clips.begin(room.order(20))
    assert np.allclose(room.ask(), room.stream[10 * SAMPLE_RATE : 20 * SAMPLE_RATE], atol=2e-5)


def test_a_source_that_is_lost_and_a_daemon_that_stops_leave_what_has_come(room: Room) -> None:
    room.hear(10, 20)
    room.clips.begin(room.order(20))
    room.now += 8.1
    room.work()
    assert len(room.ask()) == 5 * SAMPLE_RATE
    room.clips.begin(room.order(20, OTHER))
    room.clips.close(1.0)
    assert (room.path / f"{OTHER}.json").is_file()


def test_windows_that_were_left_out_are_no_gap_while_the_sound_is_whole(room: Room) -> None:
    for second in (10, 17, 20, 23):
        room.clips.hear(window(room.stream, second))
    room.clips.begin(room.order(20))
    assert np.allclose(room.ask(), room.stream[15 * SAMPLE_RATE : 23 * SAMPLE_RATE], atol=2e-5)


def test_the_oldest_clips_make_room_and_old_age_ends_them(tmp_path: Path) -> None:
    room = Room(tmp_path, max_bytes=1_200_000)
    names = [f"{i:026d}" for i in range(5)]
    for i, name in enumerate(names):
        room.hear(10 + i, 25 + i)
        room.now = float(i)
        room.clips.begin(room.order(20, name))
        room.work()
    left = sorted(file.stem for file in room.path.glob("*.json"))
    assert left == names[-len(left) :]
    assert 0 < room.folder.used_bytes <= 1_200_000
    assert sum(file.stat().st_size for file in room.path.iterdir()) == room.folder.used_bytes
    again = ClipFolder(room.path, 1_200_000, 3_600.0)
    assert again.used_bytes == room.folder.used_bytes, "it is known after a restart"
    assert room.folder.give_up(1) > 0
    assert not list(room.path.glob(f"{left[0]}.*"))
    room.now += 4_000.0
    room.folder.tidy()
    assert list(room.path.iterdir()) == []
    with pytest.raises(CommandRefusedError, match="there is no clip"):
        room.ask(names[-1])


def test_a_disk_that_takes_nothing_costs_the_clip_and_leaves_nothing_half_written(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def full(path: Path, data: bytes, mode: int) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.write_bytes(data)

    monkeypatch.setattr("asdstream.atomic.write_bytes", full)
    room.hear(10, 25)
    room.clips.begin(room.order(20))
    with capture_logs() as logs:
        room.work()
    assert [(line["event"], line["problem"]) for line in logs] == [("clip_not_kept", "No space left on device")]
    assert list(room.path.iterdir()) == []
    with pytest.raises(CommandRefusedError, match="there is no clip"):
        room.ask()


def test_a_picture_that_cannot_be_drawn_costs_the_clip_and_nothing_else(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> bytes:
        raise MemoryError

    room.hear(10, 25)
    with monkeypatch.context() as patch:
        patch.setattr("asdstream.clips.clips.picture_of", fails)
        room.clips.begin(room.order(20))
        with capture_logs() as logs:
            room.work()
    assert [line["event"] for line in logs] == ["clip_not_kept"]
    with pytest.raises(CommandRefusedError, match="there is no clip"):
        room.ask()
    room.clips.begin(room.order(20, OTHER))
    assert len(room.ask(OTHER)) == 8 * SAMPLE_RATE


@pytest.mark.parametrize(("part", "content"), [("flac", b"fLaC" * 50_000), ("json", b"{}"), ("json", b"{")])
def test_who_asks_for_a_damaged_clip_is_told_and_the_next_is_answered(room: Room, part: str, content: bytes) -> None:
    room.hear(10, 25)
    for clip in (CLIP, OTHER):
        room.clips.begin(room.order(20, clip))
    room.work()
    (room.path / f"{CLIP}.{part}").write_bytes(content)
    with pytest.raises(CommandRefusedError, match=f"clip {CLIP} is damaged and cannot be read"):
        room.ask(most=100_000)
    assert len(room.ask(OTHER)) == 8 * SAMPLE_RATE


def test_more_alarms_at_once_than_can_be_held_have_no_clip(room: Room) -> None:
    room.hear(10, 20)
    with capture_logs() as logs:
        taken = [room.clips.begin(room.order(20, f"{i:026d}")) for i in range(70)]
    assert taken.count(True) == 64
    assert len(logs) == 6


def test_a_clip_larger_than_a_reply_may_be_is_cut_to_what_is_around_the_raise(room: Room) -> None:
    flac = encode_flac((32_767 * np.clip(sound(8.0), -1, 1)).astype(np.int16))
    small, cut_s = shortened(flac, 100_000, 5.0)
    left = len(soundfile.read(io.BytesIO(small))[0]) / SAMPLE_RATE
    assert len(small) <= 100_000
    assert cut_s < 5.0 < cut_s + left
    assert left > 2.0
    assert shortened(flac, len(flac), 5.0) == (flac, 0.0)
    room.hear(10, 25)
    room.clips.begin(room.order(20))
    room.work()
    answer = room.clips.read(CLIP, "alarm", 100_000)
    room.work()
    assert answer.result(0).started is not None
    assert answer.result(0).started > "1970-01-12T13:46:55.000Z"


def test_what_a_crash_has_left_half_written_is_removed(room: Room) -> None:
    half = room.path / f".{CLIP}.flac.abc"
    half.write_bytes(b"half")
    ClipFolder(room.path, 1_000_000, 3_600.0)
    assert half.exists(), "another daemon may be writing it"
    later = half.stat().st_mtime + 61.0
    foreign = room.path / ".snapshots"
    foreign.mkdir()
    ClipFolder(room.path, 1_000_000, 3_600.0, lambda: later)
    assert not half.exists()
    assert foreign.exists(), "what is no clip belongs to others"


def test_a_clip_that_another_daemon_deletes_meanwhile_is_no_obstacle(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = room.path / f"{CLIP}.flac"
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([gone]))
    assert ClipFolder(room.path, 1_000_000, 3_600.0).used_bytes == 0
