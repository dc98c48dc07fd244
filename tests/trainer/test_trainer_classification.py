"""The classification stages draw the right crops, and learn from them, with each of their options."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from system_bundles import ATTENTION, AUDIOMAE, BEATS
from torch import Tensor

from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs
from trainer.classification import ClassificationObjective, least_crop_seconds
from trainer.errors import DataError
from trainer.heads import ClassificationHead, SoftmaxHead, SubCentreArcFace
from trainer.networks import EmbeddingNetwork, fusion, phase_one, phase_two
from trainer.pseudo_attributes import pseudo_attributes
from trainer.randomness import torch_generator
from trainer.recipe import Phase1Settings
from trainer.sound import Recording, TrainingSound
from trainer.stages.labels import check_labels
from trainer.waveforms import Waveforms

RATE = 16_000


def waveforms_of(sounds: Sequence[NDArray[np.float32]], folder: Path) -> Waveforms:
    recordings = [
        Recording(f"r{i}", f"r{i}", len(sound) / RATE, partial(np.copy, sound)) for i, sound in enumerate(sounds)
    ]
    waveforms = Waveforms(recordings, folder, 2**30)
    waveforms.fill()
    return waveforms


def ramp(seconds: float, first: float) -> NDArray[np.float32]:
    """Rises by 1 in every 1000 s, so that a sample tells its time."""
    return (first + np.arange(round(seconds * RATE)) / (1000 * RATE)).astype(np.float32)


def tone(hertz: float, seed: int, seconds: float = 2.0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    noise = 0.02 * generator.standard_normal(len(time))
    return (0.2 * np.sin(2 * np.pi * (hertz * time + generator.uniform())) + noise).astype(np.float32)


def audiomae() -> AudioMAE:
    torch.manual_seed(0)
    return AudioMAE(AUDIOMAE)


def beats() -> BEATs:
    torch.manual_seed(0)
    return BEATs(BEATS)


def objective(
    waveforms: Waveforms, labels: Sequence[int], network: EmbeddingNetwork | None = None, **settings: object
) -> ClassificationObjective:
    network = phase_one(audiomae()) if network is None else network
    head = SoftmaxHead(network.embedding_size, 4)
    return ClassificationObjective("phase1", network, head, waveforms, labels, **settings)  # type: ignore[arg-type]


def examples(of: ClassificationObjective, count: int) -> list[tuple[Tensor, ...]]:
    return [of.example(i % of.examples, torch_generator(0, "draw", i)) for i in range(count)]


@pytest.fixture
def three(tmp_path: Path) -> Waveforms:
    """Ramps of 10, 25 and 4 s that begin at 0.1, 0.3 and 0.5."""
    return waveforms_of([ramp(10.0, 0.1), ramp(25.0, 0.3), ramp(4.0, 0.5)], tmp_path)


def test_an_example_is_a_window_and_its_class(three: Waveforms) -> None:
    of = objective(three, [2, 0, 1])
    assert of.stage == "phase1"
    # One of the ten seconds, two of the twenty-five, one of the four.
    assert of.examples == 4
    drawn = examples(of, of.examples)
    assert [int(label) for _, label in drawn] == [2, 0, 0, 1]
    for (crop, label), begin in zip(drawn, (0.1, 0.3, 0.3, 0.5), strict=True):
        assert crop.shape == (160_000,)
        assert crop.dtype == torch.float32
        assert label.shape == ()
        assert begin - 1e-4 <= crop[0] <= begin + 0.015 + 1e-4
    assert torch.equal(drawn[3][0][4 * RATE :], torch.zeros(6 * RATE))


def test_crops_come_from_anywhere_in_a_recording(three: Waveforms) -> None:
    of = objective(three, [0, 1, 2])
    starts = torch.tensor([float(of.example(1, torch_generator(0, i))[0][0]) - 0.3 for i in range(200)]) * 1000
    assert starts.min() < 0.5
    assert starts.max() > 14.5
    assert abs(starts.mean() - 7.5) < 1.0


def test_an_example_depends_on_its_generator_alone(three: Waveforms) -> None:
    of = objective(three, [0, 1, 2], patch_drop=0.5)
    first, again = (of.example(1, torch_generator(0, "a")) for _ in range(2))
    other = of.example(1, torch_generator(0, "b"))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[2], other[2])


def test_short_crops_make_more_examples(three: Waveforms) -> None:
    of = objective(three, [0, 1, 2], crop_seconds=2.0)
    assert of.examples == 5 + 12 + 2
    assert of.example(0, torch_generator(0))[0].shape == (2 * RATE,)


def test_a_recording_without_a_class_is_never_drawn(three: Waveforms) -> None:
    for settings in ({}, {"examples_per_epoch": 50}, {"balanced": True}):
        of = objective(three, [1, -1, 0], **settings)
        assert {int(label) for _, label in examples(of, 50)} == {0, 1}
    assert objective(three, [-1, -1, -1]).examples == 0
    assert objective(three, [-1, -1, -1], examples_per_epoch=9).examples == 0


def test_an_epoch_of_a_stated_number_is_drawn_at_random(three: Waveforms) -> None:
    of = objective(three, [0, 1, 2], examples_per_epoch=2)
    assert of.examples == 2
    counted = Counter(int(example[1]) for example in examples(of, 800))
    # By their seconds, 1 : 2 : 1.
    assert [round(counted[label] / 200) for label in range(3)] == [1, 2, 1]


def test_balanced_classes_are_drawn_alike(tmp_path: Path) -> None:
    waveforms = waveforms_of([ramp(10.0, 0.1)] * 9 + [ramp(10.0, 0.3)], tmp_path)
    labels = [0] * 9 + [1]
    uneven, even = objective(waveforms, labels), objective(waveforms, labels, balanced=True)
    assert uneven.examples == even.examples == 10
    assert sum(int(label) for _, label in examples(uneven, 10)) == 1
    assert 170 < sum(int(label) for _, label in examples(even, 400)) < 230


def test_the_augmentation_hears_every_crop(three: Waveforms) -> None:
    def louder(crop: NDArray[np.float32], generator: torch.Generator) -> NDArray[np.float32]:
        return crop * np.float32(2.0 + torch.rand((), generator=generator).item())

    plain, augmented = objective(three, [0, 1, 2]), objective(three, [0, 1, 2], augmentation=louder)
    ratio = augmented.example(1, torch_generator(0))[0] / plain.example(1, torch_generator(0))[0]
    assert ratio.min() > 2.0
    assert ratio.max() - ratio.min() < 1e-5


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, 512),
        ({"patch_drop": 0.25}, 384),
        ({"crop_seconds": 2.0}, 96),
        ({"crop_seconds": 2.0, "patch_drop": 0.5}, 48),
    ],
)
def test_audiomae_sees_fewer_patches_of_a_part_of_the_sound(
    three: Waveforms, settings: dict[str, float], tokens: int
) -> None:
    of = objective(three, [0, 1, 2], **settings)
    seen: list[Tensor] = []
    of.module.network.audiomae.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))  # type: ignore[union-attr]
    batch = [torch.stack(values) for values in zip(*examples(of, 2), strict=True)]
    of.loss(*batch)
    assert seen[0].shape[:2] == (2, 1 + tokens)


def test_padding_beyond_a_short_crop_is_not_attended_to(tmp_path: Path) -> None:
    """Two seconds cut out of ten: what AudioMAE makes of their patches is what it makes of just these patches."""
    of = objective(waveforms_of([tone(500.0, 0, 10.0)], tmp_path), [0], crop_seconds=2.0)
    crop, _, kept, _ = of.example(0, torch_generator(0))
    kept = kept[kept < 12 * 8]
    network = of.module.network.eval()
    with torch.inference_mode():
        short = network(crop[None], kept[None])
        filled = torch.cat([crop, 5.0 * torch.randn(8 * RATE)])[None]
        torch.testing.assert_close(network(filled, kept[None]), short, atol=1e-5, rtol=0.0)
        assert (network(crop[None]) - short).abs().max() > 1e-3


def test_accuracy_is_the_share_of_right_classes(tmp_path: Path) -> None:
    of = objective(waveforms_of([tone(500.0, i) for i in range(4)], tmp_path), [0, 1, 2, 0], crop_seconds=2.0)
    batch = [torch.stack(values) for values in zip(*examples(of, 4), strict=True)]
    of.module.head.linear.weight.data.zero_()  # type: ignore[union-attr]
    of.module.head.linear.bias.data = torch.tensor([1.0, 0.0, 0.0, 0.0])  # type: ignore[union-attr]
    assert of.accuracy(*batch) == 0.5


def test_what_makes_no_sense_is_refused(three: Waveforms) -> None:
    with pytest.raises(ValueError, match=r"a crop lasts 11 s; right would be 0\.175 to 10"):
        objective(three, [0, 1, 2], crop_seconds=11.0)
    with pytest.raises(ValueError, match="2 labels of 3 recordings"):
        objective(three, [0, 1])
    with pytest.raises(ValueError, match="0 examples in an epoch"):
        objective(three, [0, 1, 2], examples_per_epoch=0)
    with pytest.raises(ValueError, match="share of patches to drop is 1"):
        objective(three, [0, 1, 2], patch_drop=1.0)


@pytest.mark.parametrize("make", [audiomae, beats])
def test_the_shortest_crop_can_be_learnt_from(three: Waveforms, make: Callable[[], AudioMAE | BEATs]) -> None:
    of = objective(three, [0, 1, 2], phase_one(make()), crop_seconds=least_crop_seconds())
    loss = of.loss(*(torch.stack(values) for values in zip(*examples(of, 2), strict=True)))
    loss.backward()
    assert loss.isfinite()


def learn(of: ClassificationObjective, steps: int, batch_size: int, rate: float) -> list[float]:
    """Losses of some steps of AdamW."""
    optimiser = torch.optim.AdamW([p for p in of.module.parameters() if p.requires_grad], lr=rate)
    losses = []
    of.module.train()
    for step in range(steps):
        drawn = [
            of.example((step * batch_size + i) % of.examples, torch_generator(0, step, i)) for i in range(batch_size)
        ]
        optimiser.zero_grad()
        loss = of.loss(*(torch.stack(values) for values in zip(*drawn, strict=True)))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    of.module.eval()
    return losses


def softmax(dim: int) -> ClassificationHead:
    return SoftmaxHead(dim, 4)


def arcface(dim: int) -> ClassificationHead:
    return SubCentreArcFace(dim, 4, sub_centres=4, margin=0.2)


@pytest.mark.parametrize(
    ("network", "head", "settings", "rate"),
    [
        pytest.param(lambda: phase_one(audiomae()), softmax, {}, 0.01, id="phase I"),
        pytest.param(lambda: phase_one(beats()), softmax, {}, 0.01, id="phase I of BEATs"),
        pytest.param(
            lambda: phase_one(audiomae(), "bands", whole_encoder=False), softmax, {}, 0.03, id="classes alone"
        ),
        pytest.param(lambda: phase_two(audiomae()), softmax, {}, 0.03, id="phase II"),
        pytest.param(
            lambda: fusion(beats(), audiomae(), attention_dim=ATTENTION), softmax, {}, 0.01, id="attentive fusion"
        ),
        pytest.param(lambda: fusion(beats(), audiomae(), "mean"), softmax, {}, 0.01, id="mean fusion"),
        pytest.param(lambda: phase_one(audiomae(), "bands"), softmax, {}, 0.01, id="bands"),
        pytest.param(lambda: phase_one(audiomae()), arcface, {}, 0.01, id="arcface"),
        pytest.param(lambda: phase_one(audiomae()), softmax, {"patch_drop": 0.5}, 0.01, id="patch drop"),
        pytest.param(
            lambda: phase_one(audiomae(), "bands"), softmax, {"patch_drop": 0.5}, 0.01, id="bands and patch drop"
        ),
        pytest.param(lambda: phase_one(audiomae()), softmax, {"balanced": True}, 0.01, id="balanced"),
    ],
)
def test_every_option_learns(
    tmp_path: Path,
    network: Callable[[], EmbeddingNetwork],
    head: Callable[[int], ClassificationHead],
    settings: dict[str, object],
    rate: float,
) -> None:
    labels = [0, 1, 2, 3] * 3
    waveforms = waveforms_of([tone(250.0 * 2.0 ** (1.5 * label), i) for i, label in enumerate(labels)], tmp_path)
    embeds = network()
    torch.manual_seed(1)
    of = ClassificationObjective(
        "phase1",
        embeds,
        head(embeds.embedding_size),
        waveforms,
        labels,
        crop_seconds=1.0,
        **settings,  # type: ignore[arg-type]
    )
    losses = learn(of, steps=20, batch_size=8, rate=rate)
    assert np.mean(losses[-3:]) < 0.75 * np.mean(losses[:3])


def test_pseudo_attributes_can_be_learnt(tmp_path: Path) -> None:
    """Clips without attributes are clustered by an encoder, which then learns to tell the clusters apart."""
    waveforms = waveforms_of([tone(250.0 * 2.0 ** (1.5 * (i % 4)), i) for i in range(12)], tmp_path)
    network = phase_one(audiomae())
    with torch.inference_mode():
        embeddings = network(torch.stack([torch.from_numpy(waveforms.samples(i, 0, 2 * RATE)) for i in range(12)]))
    names = pseudo_attributes(embeddings.numpy(), ["toy"] * 12, clusters=4)
    assert names == tuple(f"toy_pseudo_{i % 4}" for i in range(12))
    labels = [sorted(set(names)).index(name) for name in names]
    torch.manual_seed(1)
    losses = learn(objective(waveforms, labels, network, crop_seconds=1.0), steps=20, batch_size=8, rate=0.01)
    assert np.mean(losses[-3:]) < 0.75 * np.mean(losses[:3])


def test_two_classes_leave_the_scale_of_arcface_open_which_is_said_before_the_training(tmp_path: Path) -> None:
    made = waveforms_of([tone(500.0, 0), tone(1000.0, 1)], tmp_path).recordings
    labelled = (replace(one, label=label) for one, label in zip(made, ("fan", "pump"), strict=True))
    sound = TrainingSound(tuple(labelled), ())
    with pytest.raises(DataError, match=r"the stage phase1 tells 2 classes apart, .*; set scale in its table"):
        check_labels(sound, Phase1Settings(loss="arcface"), "phase1")
    check_labels(sound, Phase1Settings(loss="arcface", scale=8.0), "phase1")
    check_labels(sound, Phase1Settings(), "phase1")


def test_phase_one_learns_to_tell_simulated_machines_apart(tmp_path: Path) -> None:
    kinds = ("fan", "gearbox", "valve", "pump")
    sounds = [Simulator(MachineSpec(kind, snr_db=20.0), seed).render(4.0) for seed in range(4) for kind in kinds]
    labels = [place % len(kinds) for place in range(len(sounds))]
    torch.manual_seed(0)
    network = phase_one(AudioMAE(AudioMAEConfig.tiny()))
    known = objective(waveforms_of(sounds[:12], tmp_path), labels[:12], network, crop_seconds=1.5, patch_drop=0.25)
    unheard = ClassificationObjective(
        "phase1", network, known.module.head, waveforms_of(sounds[12:], tmp_path), labels[12:], crop_seconds=1.5
    )
    batch = [torch.stack(values) for values in zip(*examples(unheard, 16), strict=True)]
    before = unheard.accuracy(*batch)
    losses = learn(known, steps=24, batch_size=12, rate=1e-4)
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])
    assert unheard.accuracy(*batch) >= max(0.75, before + 0.25)
