"""A machine is separated from its surroundings before it is embedded, where that is asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from system_bundles import contents_of, separator

from asdstream import bundle
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import ANY_TYPE, Bundle
from asdstream.engine.device import choose
from asdstream.engine.embedder import Embedder
from asdstream.engine.errors import EmbeddingError, EngineError
from asdstream.engine.separate_as import BothWays
from asdstream.engine.separation import Separator


@pytest.fixture(scope="module")
def separating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    contents = contents_of("system1", separators={ANY_TYPE: separator(), "fan": separator(1)}, separated=True)
    return bundle.save(Path(tmp_path_factory.mktemp("bundle")) / "separating", contents)


@pytest.fixture(scope="module")
def separate(separating: Bundle) -> Separator:
    return Separator(separating, choose("cpu", "bfloat16", 1))


def sound(count: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).normal(size=(count, WINDOW_SAMPLES))).astype(np.float32)


def test_a_window_goes_through_the_separator_of_its_machine_type(separating: Bundle, separate: Separator) -> None:
    samples = sound(2)
    for machine_type in ("fan", "lathe"):
        network = separating.build_separator(machine_type)
        assert network is not None
        with torch.inference_mode():
            expected = network(torch.from_numpy(samples))[:, 0].numpy()
        made = separate.separate(samples, machine_type)
        assert made.shape == samples.shape
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, expected, atol=1e-6)
    assert np.abs(separate.separate(samples, "fan") - separate.separate(samples, "lathe")).max() > 1e-4


def test_a_gain_is_kept_and_silence_stays_silence(separate: Separator) -> None:
    samples = sound(1)
    made = separate.separate(samples, "fan")
    np.testing.assert_allclose(separate.separate(samples * np.float32(0.01), "fan"), made * 0.01, rtol=1e-3, atol=1e-7)
    assert not separate.separate(np.zeros_like(samples), "fan").any()


def test_no_window_is_no_work(separate: Separator) -> None:
    assert separate.separate(np.zeros((0, WINDOW_SAMPLES), np.float32), "fan").shape == (0, WINDOW_SAMPLES)


def test_the_end_of_windows_alone_may_be_separated(separating: Bundle, separate: Separator) -> None:
    samples = sound(2)
    network = separating.build_separator("fan")
    assert network is not None
    with torch.inference_mode():
        expected = network(torch.from_numpy(samples), 120_100)[:, 0].numpy()
    np.testing.assert_allclose(separate.separate(samples, "fan", 120_100), expected, atol=1e-6)


def test_a_type_without_a_separator_is_refused(tmp_path: Path) -> None:
    only_fan = bundle.save(tmp_path / "fan", contents_of("system1", separators={"fan": separator()}))
    with pytest.raises(EngineError, match="no separator for machine type 'lathe'"):
        Separator(only_fan, choose("cpu", "float32", 1)).separate(sound(1), "lathe")


def test_the_embedder_separates_the_channels_that_it_is_told_to(separating: Bundle, separate: Separator) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    samples = sound(3)
    channels = ("raw", "north", "south")
    windows = [Window(channel, 0, row, 0.0, 10.0, 0.0) for channel, row in zip(channels, samples, strict=True)]
    made = embedder.embed(windows, {"north": "fan", "south": "lathe"})
    expected = [
        embedder.embed_samples(samples[:1]),
        embedder.embed_samples(separate.separate(samples[1:2], "fan")),
        embedder.embed_samples(samples[2:], "lathe"),
    ]
    for embedding, vectors in zip(made, expected, strict=True):
        np.testing.assert_allclose(embedding.vectors["audiomae"], vectors["audiomae"][0], atol=1e-5)
    assert np.abs(made[1].vectors["audiomae"] - embedder.embed(windows)[1].vectors["audiomae"]).max() > 1e-4
    np.testing.assert_array_equal(samples, sound(3), err_msg="what was captured is left as it is")


def test_a_channel_that_is_heard_both_ways_has_each_branch_twice(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    samples = sound(2)
    windows = [Window(channel, 0, row, 0.0, 10.0, 0.0) for channel, row in zip(("raw", "both"), samples, strict=True)]
    raw, both = embedder.embed(windows, {"both": BothWays("fan")})
    assert set(raw.vectors) == {"audiomae"}
    assert set(both.vectors) == {"audiomae", "audiomae+separated"}
    whole = embedder.embed_samples(samples, BothWays("fan"))
    for way, separate_as in (("audiomae", None), ("audiomae+separated", "fan")):
        alone = embedder.embed_samples(samples, separate_as)["audiomae"]
        np.testing.assert_allclose(whole[way], alone, atol=1e-5)
        np.testing.assert_allclose(both.vectors[way], alone[1], atol=1e-5)


def test_a_window_heard_both_ways_is_named_once_where_it_cannot_be_embedded(
    separating: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    windows = [Window(channel, 3, row, 0.0, 10.0, 0.0) for channel, row in zip("ab", sound(2), strict=True)]
    embed = embedder._encoders.embed
    monkeypatch.setattr(embedder._encoders, "embed", lambda part: {n: v * np.nan for n, v in embed(part).items()})
    with pytest.raises(EmbeddingError, match=r"window 3 of channel 'a' \(and 1 more\) gave") as caught:
        embedder.embed(windows, {"a": BothWays("fan")})
    assert caught.value.positions == (0, 1)


def test_samples_that_are_not_finite_are_named_before_they_are_separated(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    samples = sound(2)
    samples[1, 5] = np.nan
    with pytest.raises(EmbeddingError, match="window 1 of 2 holds samples") as caught:
        embedder.embed_samples(samples, "fan")
    assert caught.value.positions == (1,)


def test_warming_up_runs_the_separators_too(separating: Bundle) -> None:
    embedder = Embedder(separating, device="cpu", precision="float32", threads=1)
    assert embedder.warm_up((1,), ["fan", BothWays("fan"), "lathe"]) > 0
    with pytest.raises(EngineError, match="no separator"):
        Embedder(separating_nothing(separating.path.parent), device="cpu", threads=1).warm_up((1,), ["fan"])


def separating_nothing(folder: Path) -> Bundle:
    return bundle.save(folder / "plain", contents_of("system1"))
