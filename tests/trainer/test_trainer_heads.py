"""Heads classify embeddings as their papers say, and keep their numbers finite."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.heads import SoftmaxHead, SubCentreArcFace, fixed_scale

both = pytest.mark.parametrize("head", [SoftmaxHead(8, 4), SubCentreArcFace(8, 4)])


def at(degrees: float, length: float = 1.0) -> list[float]:
    """A vector in the plane."""
    return [length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees))]


def arcface(centres: list[list[list[float]]], margin: float = 0.3, scale: float = 4.0) -> SubCentreArcFace:
    """With these centres (classes, sub-centres, 2)."""
    head = SubCentreArcFace(2, len(centres), len(centres[0]), margin, scale)
    head.centres.data = torch.tensor(centres)
    return head


def test_softmax_is_cross_entropy_of_one_linear_layer() -> None:
    head = SoftmaxHead(2, 2)
    head.linear.weight.data = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    head.linear.bias.data = torch.tensor([0.5, 0.0])
    embedding = torch.tensor([[1.0, 1.0]])
    assert head.logits(embedding).tolist() == [[1.5, 2.0]]
    assert head.loss(embedding, torch.tensor([0])).item() == pytest.approx(math.log(1.0 + math.exp(0.5)), abs=1e-6)


def test_arcface_is_what_a_calculator_says() -> None:
    # Centres at 0 and 170 degrees, and at 90 and 260: the embedding, at 30, is 30 and 60 degrees from the classes.
    head = arcface([[at(0.0, 3.0), at(170.0)], [at(90.0), at(260.0, 0.1)]])
    embedding = torch.tensor([at(30.0, 7.0)])
    cosines = [math.cos(math.radians(30.0)), math.cos(math.radians(60.0))]
    torch.testing.assert_close(head.logits(embedding), 4.0 * torch.tensor([cosines]), atol=1e-5, rtol=0.0)
    for label, other in ((0, 1), (1, 0)):
        right = 4.0 * math.cos(math.acos(cosines[label]) + 0.3)
        expected = math.log(1.0 + math.exp(4.0 * cosines[other] - right))
        assert head.loss(embedding, torch.tensor([label])).item() == pytest.approx(expected, abs=1e-5)


def test_without_margin_arcface_is_cross_entropy_of_its_logits() -> None:
    torch.manual_seed(0)
    head = SubCentreArcFace(8, 5, 3, margin=0.0)
    embedding, label = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 4, 0])
    torch.testing.assert_close(head.loss(embedding, label), F.cross_entropy(head.logits(embedding), label))


def test_a_margin_makes_the_right_class_harder() -> None:
    torch.manual_seed(0)
    plain, strict = SubCentreArcFace(8, 5, 3, margin=0.0), SubCentreArcFace(8, 5, 3, margin=0.5)
    strict.load_state_dict(plain.state_dict())
    embedding = torch.randn(20, 8)
    label = torch.arange(20) % 5
    losses = [
        torch.stack([head.loss(embedding[i : i + 1], label[i : i + 1]) for i in range(20)]) for head in (plain, strict)
    ]
    assert (losses[1] > losses[0]).all()


def test_only_the_nearest_centre_of_a_class_is_moved() -> None:
    head = arcface([[at(0.0), at(170.0)], [at(90.0), at(260.0)]])
    head.loss(torch.tensor([at(30.0)]), torch.tensor([0])).backward()
    assert head.centres.grad is not None
    moved = head.centres.grad.abs().sum(dim=2) > 1e-6
    assert moved.tolist() == [[True, False], [True, False]]


def test_the_right_logit_falls_with_the_angle_all_the_way_to_the_opposite() -> None:
    head = arcface([[at(0.0)], [at(90.0)]], margin=0.5)
    angles = torch.linspace(0.0, math.pi, 200)
    widened = head._widened(angles.cos())
    assert (widened[1:] < widened[:-1]).all()


@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_on_a_centre_and_opposite_to_it_the_gradient_is_finite(degrees: float) -> None:
    head = arcface([[at(0.0)], [at(90.0)]], margin=0.5, scale=64.0)
    embedding = torch.tensor([at(degrees)], requires_grad=True)
    loss = head.loss(embedding, torch.tensor([0]))
    loss.backward()
    assert loss.isfinite()
    for gradient in (embedding.grad, head.centres.grad):
        assert gradient is not None
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 1000.0


def test_a_silent_embedding_gives_a_finite_loss_and_gradient() -> None:
    head = arcface([[at(0.0)], [at(90.0)]])
    embedding = torch.zeros(1, 2, requires_grad=True)
    loss = head.loss(embedding, torch.tensor([0]))
    loss.backward()
    assert loss.isfinite()
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_sub_centres_let_one_class_sound_in_two_ways() -> None:
    """One class at 0 and 180 degrees, the other at 90: one centre a class cannot tell them apart by angle."""
    embedding = torch.tensor([at(0.0), at(180.0), at(90.0)]).repeat(8, 1)
    label = torch.tensor([0, 0, 1]).repeat(8)

    def lowest_loss(sub_centres: int) -> float:
        torch.manual_seed(1)
        head = SubCentreArcFace(2, 2, sub_centres, margin=0.1, scale=8.0)
        optimiser = torch.optim.AdamW(head.parameters(), lr=0.05)
        for _ in range(200):
            optimiser.zero_grad()
            loss = head.loss(embedding, label)
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    assert lowest_loss(4) < 0.05
    assert lowest_loss(1) > 0.3


@pytest.mark.parametrize(("classes", "scale"), [(3, 0.9803), (10, 3.1074), (101, 6.5127)])
def test_the_scale_that_is_not_given_follows_the_number_of_classes(classes: int, scale: float) -> None:
    assert fixed_scale(classes) == pytest.approx(scale, abs=1e-4)
    assert SubCentreArcFace(8, classes).scale == fixed_scale(classes)
    assert SubCentreArcFace(8, classes, scale=30.0).scale == 30.0


@both
def test_a_head_keeps_to_float32_under_autocast(head: SoftmaxHead | SubCentreArcFace) -> None:
    embedding, label = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    with torch.autocast("cpu", torch.bfloat16):
        logits, loss = head.logits(embedding), head.loss(embedding, label)
    assert torch.equal(logits, head.logits(embedding))
    assert torch.equal(loss, head.loss(embedding, label))


@both
def test_the_loss_is_the_mean_over_its_examples(head: SoftmaxHead | SubCentreArcFace) -> None:
    embedding, label = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 1, 2, 0])
    alone: list[Tensor] = [head.loss(embedding[i : i + 1], label[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(head.loss(embedding, label), torch.stack(alone).mean())


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="1 classes; right would be at least 2"):
        SoftmaxHead(8, 1)
    with pytest.raises(ValueError, match="0 wide"):
        SoftmaxHead(0, 2)
    with pytest.raises(ValueError, match="0 sub-centres"):
        SubCentreArcFace(8, 4, 0)
    with pytest.raises(ValueError, match=r"margin is 1\.6"):
        SubCentreArcFace(8, 4, margin=1.6)
    with pytest.raises(ValueError, match="scale is 0"):
        SubCentreArcFace(8, 4, scale=0.0)
    with pytest.raises(ValueError, match="for 2 classes no scale is known"):
        SubCentreArcFace(8, 2)
