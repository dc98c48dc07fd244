"""Each mel frame of a stream is computed once, and no window can tell."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from system_bundles import contents_of

from asdstream import bundle
from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.channel import Channel
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.engine import stream_front_end
from asdstream.engine.embedder import Embedder
from asdstream.engine.errors import EmbeddingError
from asdstream.engine.frame_rings import FrameRings
from asdstream.engine.stream_front_end import FRAMES, StreamFrontEnd
from asdstream.engine.stream_window import REMEMBERED_S, StreamWindow
from asdstream.models.fbank import audiomae_front_end, beats_front_end, frame_count, kaldi_fbanks, shared_front_ends

FRONT_ENDS = [beats_front_end(), audiomae_front_end()]
NEAR = 1e-5


@pytest.fixture
def front_end() -> StreamFrontEnd:
    return StreamFrontEnd(FRONT_ENDS, torch.device("cpu"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many clips, and frames of each, every call of the front end has computed."""
    calls: list[tuple[int, int]] = []

    def counted(waveform: torch.Tensor, *rest: object) -> list[torch.Tensor]:
        calls.append((len(waveform), frame_count(waveform.shape[1])))
        return kaldi_fbanks(waveform, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stream_front_end, "kaldi_fbanks", counted)
    return calls


def sound(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise whose level and colour change all the time, with a stretch of silence, so that no two frames are alike."""
    random = np.random.default_rng(seed)
    samples = random.normal(size=round(seconds * 16_000)).astype(np.float32)
    level = 10.0 ** random.uniform(-5.0, 0.0, size=len(samples) // 1000 + 1).repeat(1000)[: len(samples)]
    level[40_000:44_000] = 0.0
    return (np.cumsum(samples) % 1.0 * level * 0.3 + 0.01).astype(np.float32)


def window_at(
    start: int, samples: NDArray[np.float32], stream: str = "a", run: int = 0, at: float = 0.0
) -> StreamWindow:
    return StreamWindow(stream, run, start, at, samples[start : start + WINDOW_SAMPLES])


def whole(windows: list[StreamWindow]) -> list[torch.Tensor]:
    return shared_front_ends(torch.from_numpy(np.stack([window.samples for window in windows])), FRONT_ENDS)


def assert_as_whole(front_end: StreamFrontEnd, windows: list[StreamWindow]) -> None:
    for made, expected in zip(front_end.spectrograms(windows), whole(windows), strict=True):
        assert made.dtype == torch.float32
        torch.testing.assert_close(made, expected, rtol=0.0, atol=NEAR)


@pytest.mark.parametrize(("hop_s", "new"), [(0.1, 10), (0.5, 50), (1.0, 100), (2.0, 200), (9.99, FRAMES)])
def test_only_the_frames_of_new_sound_are_computed(
    hop_s: float, new: int, front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    hop = round(hop_s * 16_000)
    samples = sound(10.0 + 4 * hop_s)
    for number in range(5):
        assert_as_whole(front_end, [window_at(number * hop, samples)])
    assert computed == [(1, FRAMES), *[(1, new)] * 4]


@pytest.mark.parametrize("hop", [1, 1_000, 16_001, 160_000, 200_000])
def test_a_hop_that_shares_no_frames_computes_whole_windows(
    hop: int, front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    samples = sound(10.0 + 2 * hop / 16_000)
    for number in range(3):
        assert_as_whole(front_end, [window_at(number * hop, samples)])
    assert computed == [(1, FRAMES)] * 3


def test_what_a_network_hears_beyond_the_window_is_the_front_ends_own_padding(front_end: StreamFrontEnd) -> None:
    samples = sound(11.0)
    front_end.spectrograms([window_at(0, samples)])
    beats, audiomae = front_end.spectrograms([window_at(16_000, samples)])
    assert beats.shape == (1, FRAMES, 128)
    assert audiomae.shape == (1, 1024, 128)
    torch.testing.assert_close(audiomae[:, FRAMES:], torch.full((1, 26, 128), 0.46703), rtol=0.0, atol=1e-5)


def test_front_ends_of_other_lengths_that_share_a_filter_bank_are_served_from_one_call(
    computed: list[tuple[int, int]],
) -> None:
    ends = [audiomae_front_end(), audiomae_front_end(512), audiomae_front_end(1200)]
    front_end = StreamFrontEnd(ends, torch.device("cpu"))
    samples = sound(11.0)
    for start in (0, 16_000):
        made = front_end.spectrograms([window_at(start, samples)])
        expected = shared_front_ends(torch.from_numpy(samples[None, start : start + WINDOW_SAMPLES].copy()), ends)
        for one, other in zip(made, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0.0, atol=NEAR)
    assert computed == [(1, FRAMES), (1, 100)]


def test_new_sound_of_all_channels_is_one_call(front_end: StreamFrontEnd, computed: list[tuple[int, int]]) -> None:
    sounds = {name: sound(13.0, seed) for seed, name in enumerate("abcd")}
    assert_as_whole(front_end, [window_at(0, sounds[name], name) for name in "abcd"])
    assert_as_whole(front_end, [window_at(16_000, sounds[name], name) for name in "cadb"])
    assert_as_whole(front_end, [window_at(32_000, sounds[name], name) for name in "db"])
    assert computed == [(4, FRAMES), (4, 100), (2, 100)]


def test_several_windows_of_one_channel_in_one_batch_share_their_frames(
    front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    north, south = sound(14.0, 1), sound(14.0, 2)
    batch = [
        *(window_at(start, north, "north") for start in (0, 16_000, 32_000)),
        window_at(0, south, "south"),
        window_at(48_000, north, "north"),
        window_at(8_000, south, "south"),
    ]
    assert_as_whole(front_end, batch)
    assert sum(clips * frames for clips, frames in computed) == 2 * FRAMES + 3 * 100 + 50


def test_after_dropped_windows_only_what_is_missing_is_computed(
    front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    samples = sound(30.0)
    for start in (0, 16_000, 64_000, 80_000, 240_000, 256_000):
        assert_as_whole(front_end, [window_at(start, samples)])
    assert [frames for _, frames in computed] == [FRAMES, 100, 300, 100, FRAMES, 100]


def test_a_new_run_shares_nothing_with_the_one_before(
    front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    samples = sound(12.0)
    assert_as_whole(front_end, [window_at(0, samples)])
    assert_as_whole(front_end, [window_at(16_000, samples, run=1)])
    assert computed == [(1, FRAMES)] * 2


def test_a_window_older_than_the_one_before_it_is_computed_whole(front_end: StreamFrontEnd) -> None:
    samples = sound(14.0)
    for start in (32_000, 16_000, 48_000, 0, 16_000):
        assert_as_whole(front_end, [window_at(start, samples)])


def test_the_same_window_again_costs_nothing(front_end: StreamFrontEnd, computed: list[tuple[int, int]]) -> None:
    samples = sound(11.0)
    for start in (0, 16_000, 16_000):
        assert_as_whole(front_end, [window_at(start, samples)])
    assert [frames for _, frames in computed] == [FRAMES, 100]


def test_sound_that_was_changed_after_the_fact_is_computed_anew_from_the_change_on(
    front_end: StreamFrontEnd, computed: list[tuple[int, int]]
) -> None:
    samples = sound(12.0)
    assert_as_whole(front_end, [window_at(0, samples)])
    changed = samples.copy()
    changed[150_000:160_000] *= 0.5
    assert_as_whole(front_end, [window_at(16_000, changed)])
    assert computed[-1] == (1, FRAMES - frame_count(150_000 - 16_000))


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([160, 1_600, 2_000, 16_000, 48_000, 170_000]), st.booleans()),
        min_size=1,
        max_size=8,
    ),
    cuts=st.sets(st.integers(1, 7)),
)
def test_no_order_of_windows_runs_and_batches_is_heard(steps: list[tuple[str, int, bool]], cuts: set[int]) -> None:
    front_end = StreamFrontEnd(FRONT_ENDS, torch.device("cpu"))
    sounds = {"a": sound(20.0, 5), "b": sound(20.0, 6)}
    runs, starts = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    windows = []
    for stream, hop, broken in steps:
        starts[stream] += hop
        if broken or starts[stream] + WINDOW_SAMPLES > len(sounds[stream]):
            runs[stream] += 1
            starts[stream] = 0
            sounds[stream] = sounds[stream][::-1]
        windows.append(window_at(starts[stream], sounds[stream], stream, runs[stream]))
    for places in np.split(np.arange(len(windows)), sorted(cut for cut in cuts if cut < len(windows))):
        assert_as_whole(front_end, [windows[i] for i in places])


def test_streams_that_went_quiet_are_forgotten_and_their_memory_is_used_again(front_end: StreamFrontEnd) -> None:
    samples = sound(10.0)
    for second in range(50):
        front_end.spectrograms([window_at(0, samples, f"channel {second}", at=float(second))])
    assert front_end.streams == REMEMBERED_S + 1
    assert front_end._rings.room == 32


def test_a_failure_forgets_everything_rather_than_trust_half_of_it(
    front_end: StreamFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sound(13.0)
    front_end.spectrograms([window_at(0, samples)])

    def out_of_memory(*_: object) -> list[torch.Tensor]:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(stream_front_end, "kaldi_fbanks", out_of_memory)
        with pytest.raises(torch.OutOfMemoryError):
            front_end.spectrograms([window_at(16_000, samples)])
    assert front_end.streams == 0
    assert_as_whole(front_end, [window_at(32_000, samples)])


def test_a_released_ring_is_taken_again_before_there_is_more_room() -> None:
    rings = FrameRings([torch.zeros(128)], 10)
    taken = [rings.take() for _ in range(5)]
    assert sorted(set(taken)) == sorted(taken)
    rings.release(taken[2])
    room = rings.room
    assert rings.take() == taken[2]
    assert rings.room == room


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    return bundle.save(Path(tmp_path_factory.mktemp("bundle")) / "system2", contents_of("system2"))


def windows_of_channel(name: str, hop_s: float, seed: int) -> list[Window]:
    """Through the channel itself: a run of sound, a gap, and another run."""
    channel = Channel(name, hop_s)
    found: list[Window] = []
    for part, kind in ((sound(10.01 + 3 * hop_s, seed), None), (sound(10.01 + hop_s, seed + 50), Break.GAP)):
        for i, block in enumerate(np.array_split(part[:, None], 20)):
            found += channel.feed(AudioBlock(block, 16_000, kind if i == 0 else None), 0.0, 0.0)
    return found


@pytest.mark.parametrize("hop_s", [0.1, 1.0, 1.0001])
def test_embeddings_of_a_stream_are_those_of_its_windows_alone(saved: bundle.Bundle, hop_s: float) -> None:
    embedder = Embedder(saved, device="cpu", precision="float32", threads=1, max_batch=4)
    north, south = windows_of_channel("north", hop_s, 1), windows_of_channel("south", hop_s, 2)
    assert [(window.run, window.start) for window in north] == [
        *((0, i * round(hop_s * 16_000)) for i in range(4)),
        *((1, i * round(hop_s * 16_000)) for i in range(2)),
    ]
    order = [*south[:1], *north[:2], *south[1:3], *north[2:5], *south[3:], *north[5:]]
    made = [embedding for part in (order[:3], order[3:]) for embedding in embedder.embed(part)]
    expected = embedder.embed_samples(np.stack([window.samples for window in order]))
    for i, embedding in enumerate(made):
        assert embedding.window is order[i]
        for branch, vector in embedding.vectors.items():
            np.testing.assert_allclose(vector, expected[branch][i], atol=NEAR)


def test_the_embedder_computes_a_frame_of_a_channel_once(saved: bundle.Bundle, computed: list[tuple[int, int]]) -> None:
    embedder = Embedder(saved, device="cpu", precision="float32", threads=1)
    for window in windows_of_channel("north", 1.0, 1):
        embedder.embed([window])
    assert [frames for _, frames in computed] == [FRAMES, 100, 100, 100, FRAMES, 100]


def test_a_refused_window_leaves_the_stream_as_it_was(saved: bundle.Bundle) -> None:
    embedder = Embedder(saved, device="cpu", precision="float32", threads=1)
    windows = windows_of_channel("north", 1.0, 1)[:3]
    spoilt = windows[1].samples.copy()
    spoilt[-5] = np.nan
    embedder.embed(windows[:1])
    with pytest.raises(EmbeddingError, match="window 1 of channel 'north'"):
        embedder.embed([replace(windows[1], samples=spoilt), windows[2]])
    (made,) = embedder.embed(windows[2:])
    expected = embedder.embed_samples(windows[2].samples[None])
    np.testing.assert_allclose(made.vectors["beats"], expected["beats"][0], atol=NEAR)
