"""Windows that cores embed on their own are what they are in batches, whatever else is under way."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from system_bundles import contents_of, separator

from asdstream import bundle
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import Bundle
from asdstream.engine import encoders
from asdstream.engine.batching import BatchPolicy
from asdstream.engine.embedder import Embedder
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import EmbeddingError
from asdstream.engine.loop import EngineLoop
from asdstream.engine.overload import Overload
from asdstream.engine.separate_as import BothWays, SeparateAs

HOP = 16_000
CHANNELS = ("raw", "fan", "both")
SEPARATE_AS: dict[str, SeparateAs] = {"fan": "fan", "both": BothWays("fan")}
HOPS = 3


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def separating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    contents = contents_of("system3", separators={"fan": separator(1)})
    return bundle.save(Path(tmp_path_factory.mktemp("bundle")) / "separating", contents)


def windows_of(channel: str) -> list[Window]:
    random = np.random.default_rng(CHANNELS.index(channel))
    samples = (0.1 * random.normal(size=WINDOW_SAMPLES + HOPS * HOP)).astype(np.float32)
    return [
        Window(channel, index, samples[start : start + WINDOW_SAMPLES], 0.0, 10.0, float(index), start=start)
        for index, start in enumerate(range(0, HOPS * HOP, HOP))
    ]


def test_a_loop_of_lanes_makes_the_embeddings_that_batches_make_each_channel_in_order(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=2)
    embedder.warm_up(())
    loop = EngineLoop(
        embedder, BatchPolicy((1, 2, 4, 8)), SEPARATE_AS, overload=Overload(dict.fromkeys(CHANNELS, 60.0))
    )
    streams = {channel: windows_of(channel) for channel in CHANNELS}
    for windows in zip(*streams.values(), strict=True):
        for window in windows:
            loop.offer(window)
    made: list[Embedding] = []
    while not loop.idle:
        made += loop.step(1.0)
    apart = Embedder(separating, device="cpu", precision="float32", threads=1)
    for channel, windows in streams.items():
        mine = [one for one in made if one.window.channel == channel]
        assert [one.window.index for one in mine] == list(range(HOPS))
        for one, expected in zip(mine, [apart.embed([window], SEPARATE_AS)[0] for window in windows], strict=True):
            assert set(one.vectors) == set(expected.vectors)
            for branch, vector in expected.vectors.items():
                np.testing.assert_allclose(one.vectors[branch], vector, atol=1e-5)


def test_there_are_as_many_lanes_as_cores_once_a_window_is_known_to_be_soon_done_on_one(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=2)
    assert embedder.lanes(60.0) == 1, "nothing is known yet"
    embedder.warm_up((), ["fan"])
    assert (embedder.lanes(60.0), embedder.lanes(math.inf), embedder.lanes(1e-4)) == (2, 2, 1)
    alone = Embedder(separating, device="cpu", precision="float32", threads=1)
    alone.warm_up(())
    assert alone.lanes(math.inf) == 1


def test_encoders_that_are_compiled_share_out_their_own_steps(
    separating: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "compiled", lambda function, _cache: function)
    embedder = Embedder(separating, device="cpu", precision="float32", threads=2, compile_cache=tmp_path)
    embedder.warm_up(())
    assert embedder.lanes(math.inf) == 1


def test_what_is_wrong_with_a_window_is_in_the_future(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=2)
    window = Window("raw", 3, np.full(WINDOW_SAMPLES, np.nan, np.float32), 0.0, 10.0, 0.0)
    with pytest.raises(EmbeddingError, match="window 3 of channel 'raw'"):
        embedder.begin([window]).result(10.0)
