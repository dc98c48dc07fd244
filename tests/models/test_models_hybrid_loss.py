"""The hybrid continuity loss has the reference's values and gradients."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asdstream.models.hybrid_loss import RESOLUTIONS, HybridContinuityLoss, si_snr, spectral_distances

LOSS_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> Mapping[str, Any]:
    values: Mapping[str, Any] = json.loads((conformance_dir / "hybrid_loss" / "expected_hybrid_loss.json").read_text())
    return values


@pytest.fixture(scope="module")
def target(clips: dict[str, Tensor]) -> Tensor:
    return torch.cat([clips["10s"][:, 8000:40000], clips["3p7s"][:, 8000:40000]])


@pytest.fixture(scope="module")
def estimate(clips: dict[str, Tensor], target: Tensor) -> Tensor:
    interference = torch.cat([clips["3p7s"][:, 100:32100], clips["10s"][:, 100:32100]])
    return 0.8 * target + 0.15 * target.roll(3, dims=1) + 0.1 * interference


def test_resolutions_are_the_papers(expected: Mapping[str, Any]) -> None:
    assert [[r.n_fft, r.hop, r.window] for r in RESOLUTIONS] == expected["resolutions_fft_hop_win"]


def test_si_snr_equals_the_reference(estimate: Tensor, target: Tensor, expected: Mapping[str, Any]) -> None:
    assert si_snr(estimate, target).tolist() == pytest.approx(expected["si_snr_db"], rel=LOSS_TOLERANCE)


@pytest.mark.parametrize("index", range(len(RESOLUTIONS)))
def test_spectral_distances_equal_the_reference_at_each_resolution(
    estimate: Tensor, target: Tensor, expected: Mapping[str, Any], index: int
) -> None:
    distances = [value.item() for value in spectral_distances(estimate, target, RESOLUTIONS[index])]
    assert distances == pytest.approx(expected["per_resolution_sc_mag"][index], rel=LOSS_TOLERANCE)


def test_total_and_gradient_equal_the_reference(estimate: Tensor, target: Tensor, expected: Mapping[str, Any]) -> None:
    moved = estimate.clone().requires_grad_()
    loss = HybridContinuityLoss(gamma=expected["gamma"])(moved, target)
    loss.backward()
    assert moved.grad is not None
    assert loss.item() == pytest.approx(expected["total"], rel=LOSS_TOLERANCE)
    assert moved.grad.norm().item() == pytest.approx(expected["grad_l2_norm_wrt_estimate"], rel=GRADIENT_TOLERANCE)
    assert moved.grad[0, :8].tolist() == pytest.approx(expected["grad_first8_row0"], rel=GRADIENT_TOLERANCE)


def test_gamma_weighs_the_spectral_part(estimate: Tensor, target: Tensor) -> None:
    none, one, two = (HybridContinuityLoss(gamma)(estimate, target) for gamma in (0.0, 1.0, 2.0))
    torch.testing.assert_close(none, -si_snr(estimate, target).mean())
    torch.testing.assert_close(two - one, one - none, rtol=1e-4, atol=1e-5)


def test_several_sources_count_as_so_many_clips(estimate: Tensor, target: Tensor) -> None:
    loss = HybridContinuityLoss()
    torch.testing.assert_close(loss(estimate[:, None], target[:, None]), loss(estimate, target))


def test_silence_on_either_side_gives_finite_losses_and_gradients(target: Tensor) -> None:
    loss = HybridContinuityLoss()
    for estimate, reference in ((torch.zeros_like(target), target), (target, torch.zeros_like(target))):
        moved = estimate.clone().requires_grad_()
        value = loss(moved, reference)
        value.backward()
        assert moved.grad is not None
        assert value.isfinite()
        assert moved.grad.isfinite().all()


@pytest.mark.parametrize(
    ("estimate_shape", "target_shape"), [((2, 4000), (2, 4001)), ((4000,), (4000,)), ((2, 1024), (2, 1024))]
)
def test_unfit_shapes_are_refused(estimate_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one shape \(\.\.\., samples\) with more than 1024 samples"):
        HybridContinuityLoss()(torch.zeros(estimate_shape), torch.zeros(target_shape))


def test_a_loss_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="gamma is -1"):
        HybridContinuityLoss(gamma=-1.0)
    with pytest.raises(ValueError, match="no resolutions"):
        HybridContinuityLoss(resolutions=())
