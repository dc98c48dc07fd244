"""Only new sound is separated, and windows hold the best estimate that there is."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_bundle import fan_sound
from system_bundles import contents_of, separator

from asdstream import bundle
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import ANY_TYPE, Bundle
from asdstream.engine.device import choose
from asdstream.engine.embedder import Embedder
from asdstream.engine.separation import Separator
from asdstream.engine.stream_separation import FADE, LEFT, RIGHT, StreamSeparation
from asdstream.engine.stream_window import REMEMBERED_S, StreamWindow

Sound = NDArray[np.float32]
HOP = 16_000


class Halving:
    """A separator without memory or context, so that no chunk can be told from the whole; counts what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def separate(self, samples: Sound, machine_type: str, begin: int = 0) -> Sound:
        self.calls.append((machine_type, len(samples), samples.shape[1] - begin))
        return samples[:, begin:] * np.float32(0.5 if machine_type == "fan" else 0.25)


@pytest.fixture(scope="module")
def separating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    contents = contents_of("system1", separators={ANY_TYPE: separator(), "fan": separator(1)}, separated=True)
    return bundle.save(Path(tmp_path_factory.mktemp("bundle")) / "separating", contents)


@pytest.fixture
def halving() -> Halving:
    return Halving()


def sound(seconds: float, seed: int = 0) -> Sound:
    random = np.random.default_rng(seed)
    samples = random.normal(size=round(seconds * 16_000))
    level = 10.0 ** random.uniform(-2.0, 0.0, size=len(samples) // 4000 + 1).repeat(4000)[: len(samples)]
    return (0.1 * samples * level).astype(np.float32)


def window_at(start: int, samples: Sound, stream: str = "a", run: int = 0, at: float = 0.0) -> StreamWindow:
    return StreamWindow(stream, run, start, at, samples[start : start + WINDOW_SAMPLES])


def test_at_a_hop_of_a_second_no_more_than_a_quarter_of_the_sound_is_separated_after_the_first_window(
    halving: Halving,
) -> None:
    stream = StreamSeparation(halving)
    samples = sound(13)
    for second in range(4):
        stream.separate([window_at(second * HOP, samples)], ["fan"])
    assert [length for _, _, length in halving.calls] == [WINDOW_SAMPLES] + 3 * [LEFT + RIGHT + HOP]
    assert LEFT + RIGHT + HOP <= WINDOW_SAMPLES / 4


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_where_context_does_not_matter_no_window_can_tell(data: st.DataObject) -> None:
    """Any hop, dropped windows, breaks, windows out of order or twice, several channels in batches of any size."""
    sounds = {"a": sound(30, 1), "b": sound(30, 2)}
    positions = {(name, run): 0 for name in sounds for run in (0, 1)}
    windows = []
    for _ in range(data.draw(st.integers(1, 8))):
        name, run = data.draw(st.sampled_from(sorted(positions)))
        step = data.draw(st.sampled_from([0, 1, 1_600, 16_000, 48_000, 152_000, 160_000, -16_000]))
        positions[name, run] = min(max(0, positions[name, run] + step), 20 * 16_000)
        windows.append(window_at(positions[name, run], sounds[name], name, run))
    separator, stream = Halving(), StreamSeparation(Halving())
    while windows:
        size = data.draw(st.integers(1, len(windows)))
        batch, windows = windows[:size], windows[size:]
        types = ["fan" if window.stream == "a" else "lathe" for window in batch]
        expected = [
            separator.separate(window.samples[None], name)[0] for window, name in zip(batch, types, strict=True)
        ]
        np.testing.assert_allclose(stream.separate(batch, types), np.stack(expected), atol=1e-7)


def test_what_has_had_its_right_context_is_never_touched_again(separating: Bundle) -> None:
    stream = StreamSeparation(Separator(separating, choose("cpu", "float32", 1)))
    samples = sound(13)
    rows = [stream.separate([window_at(second * HOP, samples)], ["fan"])[0] for second in range(4)]
    for before, after in pairwise(rows):
        settled = WINDOW_SAMPLES - HOP - RIGHT
        np.testing.assert_array_equal(after[:settled], before[HOP : HOP + settled])
        assert np.abs(after[settled + FADE : -HOP] - before[HOP + settled + FADE :]).max() > 0


def test_a_stream_sounds_nearly_as_its_windows_separated_whole(separating: Bundle) -> None:
    """At a hop of whole frames: a network that has learnt nothing tells where in the sound its frames begin."""
    whole = Separator(separating, choose("cpu", "float32", 1))
    stream = StreamSeparation(whole)
    hop, samples = 16_384, fan_sound(24, seed=9)
    for start in range(0, 13 * hop, hop):
        made = stream.separate([window_at(start, samples)], ["fan"])[0]
    expected = whole.separate(samples[None, start : start + WINDOW_SAMPLES], "fan")[0]
    error = np.sum((made - expected) ** 2) / np.sum(expected**2)
    assert 0.0 < error < 0.1
    seams = np.abs(np.diff(made)).max() / np.abs(np.diff(expected)).max()
    assert seams < 1.2, "no click where one chunk follows another"


def test_windows_of_one_channel_in_one_batch_and_of_many_in_another_come_out_the_same(separating: Bundle) -> None:
    separator = Separator(separating, choose("cpu", "float32", 1))
    sounds = {"a": sound(13, 1), "b": sound(13, 2)}
    windows = [window_at(second * HOP, sounds[name], name) for second in range(3) for name in sounds]
    types = ["fan" if window.stream == "a" else "lathe" for window in windows]
    together = StreamSeparation(separator).separate(windows, types)
    one_by_one = StreamSeparation(separator)
    for row, window, name in zip(together, windows, types, strict=True):
        np.testing.assert_allclose(row, one_by_one.separate([window], [name])[0], atol=1e-6)


def test_chunks_of_one_length_and_type_are_separated_together(halving: Halving) -> None:
    stream = StreamSeparation(halving)
    samples = sound(12)
    for second in (0, 1):
        stream.separate([window_at(second * HOP, samples, name) for name in "abc"], ["fan", "fan", "lathe"])
    chunk = LEFT + RIGHT + HOP
    assert halving.calls == [
        ("fan", 2, WINDOW_SAMPLES),
        ("lathe", 1, WINDOW_SAMPLES),
        ("fan", 2, chunk),
        ("lathe", 1, chunk),
    ]


def test_a_window_again_costs_nothing_and_dropped_ones_a_longer_chunk(halving: Halving) -> None:
    stream = StreamSeparation(halving)
    samples = sound(20)
    for second in (0, 0, 3):
        stream.separate([window_at(second * HOP, samples)], ["fan"])
    assert [length for _, _, length in halving.calls] == [WINDOW_SAMPLES, LEFT + RIGHT + 3 * HOP]


@pytest.mark.parametrize(
    "follower",
    [
        window_at(HOP, sound(12), run=1),
        window_at(WINDOW_SAMPLES, sound(20)),
        window_at(HOP, sound(12, seed=1)),
        window_at(0, sound(12, seed=1)),
    ],
    ids=["of another run", "that shares nothing", "of other sound", "of other sound at the same place"],
)
def test_a_window_is_separated_whole_where_there_is_nothing_to_go_on_from(
    halving: Halving, follower: StreamWindow
) -> None:
    stream = StreamSeparation(halving)
    stream.separate([window_at(0, sound(12))], ["fan"])
    made = stream.separate([follower], ["fan"])
    assert halving.calls[-1] == ("fan", 1, WINDOW_SAMPLES)
    np.testing.assert_array_equal(made[0], 0.5 * follower.samples)


def test_streams_that_have_fallen_quiet_are_forgotten(halving: Halving) -> None:
    stream = StreamSeparation(halving)
    samples = sound(11)
    stream.separate([window_at(0, samples, name) for name in "abc"], 3 * ["fan"])
    assert stream.streams == 3
    stream.separate([window_at(HOP, samples, "a", at=REMEMBERED_S + 1.0)], ["fan"])
    assert stream.streams == 1


def test_an_estimate_that_is_no_sound_is_not_gone_on_from(halving: Halving) -> None:
    stream = StreamSeparation(halving)
    samples = sound(12)
    stream.separate([window_at(0, samples)], ["fan"])
    halves = halving.separate
    halving.separate = lambda *chunk: halves(*chunk) * np.float32(np.nan)  # type: ignore[method-assign]
    assert np.isnan(stream.separate([window_at(HOP, samples)], ["fan"])).any()
    halving.separate = halves  # type: ignore[method-assign]
    assert np.isfinite(stream.separate([window_at(2 * HOP, samples)], ["fan"])).all()
    assert halving.calls[-1][2] == WINDOW_SAMPLES


def test_contexts_without_room_for_the_fade_are_refused(halving: Halving) -> None:
    for left, right in ((-1, RIGHT), (LEFT, FADE - 1)):
        with pytest.raises(ValueError, match=f"at least 0 and {FADE} are needed"):
            StreamSeparation(halving, left, right)
    assert StreamSeparation(halving).separate([], []) == []


def test_the_embedder_separates_the_windows_of_a_channel_as_a_stream(
    separating: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = fan_sound(13, seed=9)
    windows = [
        Window("north", second, samples[second * HOP :][:WINDOW_SAMPLES], 0.0, 10.0, 0.0, 0, second * HOP)
        for second in range(4)
    ]
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    lengths = []
    separate = Separator.separate

    def counted(self: Separator, samples: Sound, machine_type: str, begin: int = 0) -> Sound:
        lengths.append(samples.shape[1] - begin)
        return separate(self, samples, machine_type, begin)

    monkeypatch.setattr(Separator, "separate", counted)
    made = [embedder.embed([window], {"north": "fan"})[0].vectors["audiomae"] for window in windows]
    assert lengths == [WINDOW_SAMPLES] + 3 * [LEFT + RIGHT + HOP]
    whole = embedder.embed_samples(np.stack([window.samples for window in windows]), "fan")["audiomae"]
    raw = embedder.embed_samples(np.stack([window.samples for window in windows]))["audiomae"]
    for vector, expected, other in zip(made, whole, raw, strict=True):
        assert 1 - vector @ expected < 0.05 * (1 - other @ expected)


def test_a_stream_holds_what_it_was_given_and_what_it_gave_and_no_copies(halving: Halving) -> None:
    stream, samples = StreamSeparation(halving), sound(12)
    for second in range(3):
        window = window_at(second * HOP, samples)
        (made,) = stream.separate([window], ["fan"])
        (again,) = stream.separate([window], ["fan"])
        assert made.base is None, "a row would hold its whole batch"
        np.testing.assert_array_equal(made, again)
    assert len(halving.calls) == 3
