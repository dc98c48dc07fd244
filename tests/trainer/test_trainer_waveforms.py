"""One file of sound that every worker shares: the same sound, made once, bounded, and rebuilt where it is not whole."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.errors import DataError
from trainer.sound import Recording
from trainer.waveforms import Waveforms


def sound_of(seed: int, samples: int = 4_000, level: float = 0.1) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def refused(name: str) -> NDArray[np.float32]:
    raise DataError(f"{name} is broken")


def recordings(count: int, samples: int = 4_000) -> list[Recording]:
    return [
        Recording(f"clip {seed}", str(seed), samples / 16_000, partial(sound_of, seed, samples))
        for seed in range(count)
    ]


def read_by(read: Callable[[], NDArray[np.float32]], identity: str = "1") -> Recording:
    return Recording("clip", identity, 0.25, read)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.i16"))


@pytest.mark.parametrize("level", [1e-4, 0.1, 3.0])
def test_sound_is_kept_to_within_half_a_step_of_its_own_scale_and_never_clips(tmp_path: Path, level: float) -> None:
    made = Waveforms([read_by(partial(sound_of, 1, 4_000, level))], tmp_path, 1 << 20)
    made.fill()
    sound = sound_of(1, 4_000, level)
    kept = made.samples(0, 0, 4_000)
    assert kept.dtype == np.float32
    step = np.abs(sound).max() / 32_767
    assert np.abs(kept - sound).max() <= 0.501 * step


def test_a_stretch_begins_where_it_is_asked_for_and_ends_in_zeros(tmp_path: Path) -> None:
    made = Waveforms(recordings(3), tmp_path, 1 << 20)
    made.fill()
    whole = made.samples(1, 0, 4_000)
    np.testing.assert_array_equal(made.samples(1, 1_000, 500), whole[1_000:1_500])
    over = made.samples(1, 3_900, 500)
    np.testing.assert_array_equal(over[:100], whole[3_900:])
    assert not over[100:].any()
    assert not made.samples(1, 5_000, 500).any()
    assert made.seconds(1) == 0.25


def test_silence_is_kept_as_silence(tmp_path: Path) -> None:
    made = Waveforms([read_by(partial(np.zeros, 4_000, np.float32))], tmp_path, 1 << 20)
    made.fill()
    assert not made.samples(0, 0, 4_000).any()


def test_what_exceeds_the_limit_is_read_anew_and_sounds_the_same(tmp_path: Path) -> None:
    everything = Waveforms(recordings(4), tmp_path / "all", 1 << 20)
    everything.fill()
    half = Waveforms(recordings(4), tmp_path / "half", 2 * 2 * 4_000)
    counted: list[None] = []
    half.fill(on_recording=lambda: counted.append(None))
    assert (everything.kept, half.kept, len(counted)) == (4, 2, 4)
    (file,) = files(tmp_path / "half")
    assert file.stat().st_size < 2 * 2 * 4_000 + 200
    for place in range(4):
        np.testing.assert_array_equal(half.samples(place, 7, 5_000), everything.samples(place, 7, 5_000))


def test_a_later_run_finds_the_file_and_other_recordings_get_another(tmp_path: Path) -> None:
    Waveforms(recordings(3), tmp_path, 1 << 20).fill()
    (file,) = files(tmp_path)
    written = file.stat().st_mtime_ns
    again = Waveforms(
        [Recording(r.name, r.identity, r.seconds, partial(refused, r.name)) for r in recordings(3)], tmp_path, 1 << 21
    )
    counted: list[None] = []
    again.fill(on_recording=lambda: counted.append(None))
    assert (len(counted), again.kept, file.stat().st_mtime_ns) == (3, 3, written)
    Waveforms(recordings(3)[::-1], tmp_path, 1 << 20).fill()
    assert len(files(tmp_path)) == 2


def test_a_wider_limit_takes_in_what_was_left_out(tmp_path: Path) -> None:
    Waveforms(recordings(3), tmp_path, 2 * 4_000).fill()
    wider = Waveforms(recordings(3), tmp_path, 1 << 20)
    wider.fill()
    assert wider.kept == 3


@pytest.mark.parametrize("damage", [lambda data: data[:-2], lambda data: data[:10], lambda data: b"X" + data[1:]])
def test_a_file_that_is_not_whole_is_written_anew(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    Waveforms(recordings(2), tmp_path, 1 << 20).fill()
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    Waveforms(recordings(2), tmp_path, 1 << 20).fill()
    assert file.read_bytes() == whole


KILLED_RUN = """
import sys, time
from pathlib import Path
import numpy as np
from trainer.sound import Recording
from trainer.waveforms import Waveforms

def slow():
    print("reading", flush=True)
    time.sleep(60)

def fast():
    return np.ones(4_000, np.float32)

made = [Recording(str(n), "1", 0.25, fast if n < 2 else slow) for n in range(3)]
Waveforms(made, Path(sys.argv[1]), 1 << 20).fill()
"""


def test_a_run_that_was_killed_while_it_wrote_leaves_nothing_that_misleads_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob("*.partial"))
    assert not files(tmp_path)
    made = [Recording(str(n), "1", 0.25, partial(np.full, 4_000, n + 1, np.float32)) for n in range(3)]
    waveforms = Waveforms(made, tmp_path, 1 << 20)
    waveforms.fill()
    assert [waveforms.samples(n, 0, 1)[0] for n in range(3)] == pytest.approx([1.0, 2.0, 3.0])
    assert not list(tmp_path.glob("*.partial"))


def test_workers_give_the_same_file_as_this_process_alone(tmp_path: Path) -> None:
    Waveforms(recordings(20), tmp_path / "one", 1 << 20).fill()
    counted: list[None] = []
    Waveforms(recordings(20), tmp_path / "two", 1 << 20).fill(2, lambda: counted.append(None))
    (one,), (two,) = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    assert len(counted) == 20


@pytest.mark.parametrize("workers", [1, 2])
def test_a_recording_that_cannot_be_used_is_one_sentence_and_leaves_no_file(tmp_path: Path, workers: int) -> None:
    broken = [*recordings(2), Recording("third", "3", 0.25, partial(refused, "third"))]
    with pytest.raises(DataError, match=r"^third is broken$"):
        Waveforms(broken, tmp_path, 1 << 20).fill(workers)
    assert not files(tmp_path)
    assert not list(tmp_path.glob("*.partial"))


def test_sound_too_short_or_not_a_number_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clip holds 100 samples, too few"):
        Waveforms([read_by(partial(np.ones, 100, np.float32))], tmp_path, 1 << 20).fill()
    with pytest.raises(DataError, match="clip holds samples that are not a number"):
        Waveforms([read_by(partial(np.full, 4_000, np.nan, np.float32))], tmp_path, 1 << 20).fill()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder")
    with pytest.raises(DataError, match=r"taken.*cannot be written"):
        Waveforms(recordings(1), tmp_path / "taken", 1 << 20).fill()


def total(waveforms: Waveforms) -> float:
    return float(sum(np.abs(waveforms.samples(place, 0, 4_000)).sum() for place in range(len(waveforms))))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_either_kind_hear_the_same_file(tmp_path: Path, method: str) -> None:
    made = Waveforms(recordings(3), tmp_path, 1 << 20)
    made.fill()
    with get_context(method).Pool(1) as pool:
        assert pool.apply(total, (made,)) == total(made)


def test_a_pickle_holds_the_table_and_not_the_sound(tmp_path: Path) -> None:
    made = Waveforms(recordings(3), tmp_path, 1 << 20)
    made.fill()
    made.samples(0, 0, 10)
    data = pickle.dumps(made)
    assert len(data) < 3_000
    np.testing.assert_array_equal(pickle.loads(data).samples(2, 5, 50), made.samples(2, 5, 50))  # noqa: S301


def test_a_part_is_the_same_file_by_other_places(tmp_path: Path) -> None:
    every = recordings(4)
    made = Waveforms(every, tmp_path, 1 << 20)
    made.fill()
    part = made.part([every[3], every[1]])
    assert [recording.name for recording in part.recordings] == ["clip 3", "clip 1"]
    np.testing.assert_array_equal(part.samples(0, 0, 4_000), made.samples(3, 0, 4_000))
    np.testing.assert_array_equal(part.samples(1, 0, 4_000), made.samples(1, 0, 4_000))
    with pytest.raises(KeyError):
        made.part(recordings(5))


def test_of_two_processes_that_need_the_file_one_writes_and_the_other_waits(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import sys, time\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from trainer.sound import Recording\n"
        "from trainer.waveforms import Waveforms\n"
        "def read():\n"
        "    with open(sys.argv[2], 'a') as log: log.write('made\\n')\n"
        "    time.sleep(0.5)\n"
        "    return np.ones(4_000, np.float32)\n"
        "Waveforms([Recording('a', '1', 0.25, read)], Path(sys.argv[1]), 1 << 20).fill()\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(log)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert log.read_text() == "made\n"
