"""The hybrid continuity loss, which trains separators: no over-suppression for the sake of the waveform's error."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6
POWER_FLOOR = 1e-7
"""Least power of a time-frequency unit, so that its logarithm and the gradient of its root stay finite."""
NORM_FLOOR = 1e-5
"""Least norm that convergence is measured against; a target that never changes has no deltas."""
DELTA_REACH = 2


@dataclass(frozen=True, slots=True)
class Resolution:
    """One short-time Fourier transform: FFT length, hop and length of the periodic Hann window, in samples."""

    n_fft: int
    hop: int
    window: int


RESOLUTIONS = (Resolution(1024, 120, 600), Resolution(2048, 240, 1200), Resolution(512, 50, 240))


def si_snr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-noise ratio in dB, (..., N) and (..., N) to (...) (Le Roux et al. 2019)."""
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    target = target - target.mean(dim=-1, keepdim=True)
    scale = (estimate * target).sum(dim=-1, keepdim=True) / (target.square().sum(dim=-1, keepdim=True) + EPS)
    projection = scale * target
    noise = estimate - projection
    ratio = projection.square().sum(dim=-1) / (noise.square().sum(dim=-1) + EPS)
    return 10.0 * torch.log10(ratio + EPS)


def spectral_distances(estimate: Tensor, target: Tensor, resolution: Resolution) -> tuple[Tensor, Tensor]:
    """Spectral convergence and log-magnitude distance of (B, N) to (B, N) at one resolution: two scalars.

    Each is the sum over the static spectrum, its deltas and their deltas in time. Convergence is the norm of the
    difference of magnitudes over the norm of the target's, the norms being taken over the whole batch; the
    log-magnitude distance is the mean absolute difference.
    """
    of_estimate, of_target = _magnitude(estimate, resolution), _magnitude(target, resolution)
    # Deltas are linear: those of a difference are the difference of the deltas.
    difference, logarithms = of_target - of_estimate, of_target.log() - of_estimate.log()
    convergence, log_magnitude = estimate.new_zeros(()), estimate.new_zeros(())
    for order in range(3):
        if order:
            difference, of_target, logarithms = _delta(difference), _delta(of_target), _delta(logarithms)
        norm = torch.linalg.vector_norm(of_target).clamp_min(NORM_FLOOR)
        convergence = convergence + torch.linalg.vector_norm(difference) / norm
        log_magnitude = log_magnitude + logarithms.abs().mean()
    return convergence, log_magnitude


class HybridContinuityLoss(nn.Module):
    """-SI-SNR + gamma * (spectral convergence + log-magnitude distance), the latter two averaged over resolutions.

    Z. Pan, M. Ge and H. Li, "A Hybrid Continuity Loss to Reduce Over-Suppression for Time-domain Target Speaker
    Extraction", Interspeech 2022.

    Args:
        gamma: weight of the spectral part.
        resolutions: the transforms of the spectral part.
    """

    def __init__(self, gamma: float = 1.0, resolutions: tuple[Resolution, ...] = RESOLUTIONS) -> None:
        super().__init__()
        if gamma < 0.0:
            raise ValueError(f"gamma is {gamma}; right would be zero or more")
        if not resolutions:
            raise ValueError("there are no resolutions; right would be at least one")
        self.gamma = gamma
        self.resolutions = resolutions

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Waveforms (..., N) and (..., N) to one number, the mean over all of them.

        Raises:
            ValueError: the shapes differ, or the clips are too short for the longest transform.
        """
        longest = max(resolution.n_fft for resolution in self.resolutions)
        if estimate.shape != target.shape or estimate.dim() < 2 or estimate.shape[-1] <= longest // 2:
            raise ValueError(
                f"estimate and target have shapes {tuple(estimate.shape)} and {tuple(target.shape)}; right would be "
                f"one shape (..., samples) with more than {longest // 2} samples"
            )
        with torch.autocast(estimate.device.type, enabled=False):
            estimate, target = estimate.float().flatten(0, -2), target.float().flatten(0, -2)
            loss = -si_snr(estimate, target).mean()
            for resolution in self.resolutions:
                convergence, log_magnitude = spectral_distances(estimate, target, resolution)
                loss = loss + self.gamma / len(self.resolutions) * (convergence + log_magnitude)
            return loss


def _magnitude(waveform: Tensor, resolution: Resolution) -> Tensor:
    """(B, N) to (B, F, T), never below the root of `POWER_FLOOR`."""
    window = torch.hann_window(resolution.window, device=waveform.device)
    spectrum = torch.stft(
        waveform, resolution.n_fft, resolution.hop, resolution.window, window=window, return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp_min(POWER_FLOOR).sqrt()


def _delta(x: Tensor) -> Tensor:
    """Slope of the regression line through five frames, (B, F, T) to (B, F, T), border frames repeated.

    The usual regression of speech features (Young et al., "The HTK Book", 2006).
    """
    frames = x.shape[-1]
    padded = F.pad(x, (DELTA_REACH, DELTA_REACH), mode="replicate")
    reaches = range(1, DELTA_REACH + 1)
    slope = torch.zeros_like(x)
    for reach in reaches:
        ahead = padded.narrow(-1, DELTA_REACH + reach, frames)
        behind = padded.narrow(-1, DELTA_REACH - reach, frames)
        slope = slope + reach * (ahead - behind)
    return slope / (2 * sum(reach**2 for reach in reaches))
