"""Which patches a masked autoencoder does not see."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Patches kept and removed, the same number in every row of the batch.

    `ids_keep` (B, K) are the kept patches in the order the encoder sees them; `ids_restore` (B, L) is, for every
    patch, its place in the sequence of kept ones followed by removed ones; `removed` (B, L) is true where removed.
    """

    ids_keep: Tensor
    ids_restore: Tensor
    removed: Tensor

    def to(self, device: torch.device | str) -> "Mask":
        """The same mask on another device."""
        return Mask(self.ids_keep.to(device), self.ids_restore.to(device), self.removed.to(device))


def _mask_from_order(order: Tensor, kept: int) -> Mask:
    """From a permutation (B, L) of the patches, of which the first `kept` are kept."""
    ids_restore = order.argsort(dim=1)
    return Mask(order[:, :kept], ids_restore, ids_restore >= kept)


def random_masking(noise: Tensor, ratio: float = 0.8) -> Mask:
    """Remove the share `ratio` of the patches at random; int(L * (1 - ratio)) stay.

    Args:
        noise: (B, L), uniform; the patches with the smallest values stay.
        ratio: share removed, above 0 and below 1.
    """
    return _mask_from_order(noise.argsort(dim=1, stable=True), _kept(noise.shape[1], ratio))


def complementary_masking(noise: Tensor, ratio: float = 0.8) -> Mask:
    """Several masks for one clip that remove the share `ratio` of its patches each, and none of which keep the same.

    Every patch is therefore removed by all of them but one at most.

    Args:
        noise: (L,), uniform; its order says which patches are kept together.
        ratio: share removed, at least a half and below 1; there are L // int(L * (1 - ratio)) masks.
    """
    kept = _kept(len(noise), ratio)
    order = noise.argsort(stable=True)
    masks = len(noise) // kept
    if masks < 2:
        raise ValueError(f"a masking ratio of {ratio} needs patches twice; right would be at least a half")
    return _mask_from_order(torch.stack([order.roll(-kept * turn) for turn in range(masks)]), kept)


def time_frequency_masking(
    time_noise: Tensor, band_noise: Tensor, time_ratio: float = 0.7, band_ratio: float = 0.3
) -> Mask:
    """Remove whole columns of time and whole bands of frequency.

    Args:
        time_noise: (B, times), uniform; the smallest int(times * (1 - time_ratio)) stay.
        band_noise: (B, bands), likewise.
        time_ratio: share of the columns removed.
        band_ratio: share of the bands removed.
    """
    times, bands = time_noise.shape[1], band_noise.shape[1]
    kept_times, kept_bands = _kept(times, time_ratio), _kept(bands, band_ratio)
    time_removed = time_noise.argsort(dim=1, stable=True).argsort(dim=1) >= kept_times
    band_removed = band_noise.argsort(dim=1, stable=True).argsort(dim=1) >= kept_bands
    removed = (time_removed[:, :, None] | band_removed[:, None, :]).flatten(1)
    return _mask_from_order(removed.to(torch.uint8).argsort(dim=1, stable=True), kept_times * kept_bands)


def mel_rectangles(
    batch: int,
    ratio: float = 0.8,
    *,
    times: int = 64,
    bands: int = 8,
    height: tuple[int, int] = (4, 8),
    width: tuple[int, int] = (4, 16),
    generator: torch.Generator | None = None,
) -> Mask:
    """Remove random rectangles of the spectrogram, 64 to 128 mel bins high, until the share `ratio` is gone.

    Random patches are easily filled in from their neighbours where a machine's sound is steady; a rectangle over half
    the bands or more is not. The last rectangle is cut off at a column, so that every row keeps the same number.

    Args:
        batch: rows of the mask.
        ratio: share of the patches removed, above 0 and below 1.
        times: patches along time.
        bands: patches along frequency, of 16 mel bins each.
        height: least and most patches of a rectangle along frequency; (4, 8) are 64 to 128 bins.
        width: least and most patches of a rectangle along time; (4, 16) are 0.64 to 2.56 s.
        generator: source of randomness; its device is where the mask is made.
    """
    for name, (least, most), limit in (("height", height, bands), ("width", width, times)):
        if not 1 <= least <= most <= limit:
            raise ValueError(f"{name} is {(least, most)}; right would be two rising numbers from 1 to {limit}")
    kept = _kept(times * bands, ratio)
    device = generator.device if generator is not None else torch.device("cpu")
    # Enough that all but a vanishing share of rows reach the ratio; in a row that does not, loose patches go as well.
    count = 4 * times * bands // (height[0] * width[0])

    def spans(least: int, most: int, size: int, *, overhang: bool) -> Tensor:
        """Random intervals of [0, size), inside it or reaching over its ends, as (batch, count, size) membership."""
        length = torch.randint(least, most + 1, (batch, count, 1), generator=generator, device=device)
        over = length - 1 if overhang else torch.zeros_like(length)
        place = torch.rand((batch, count, 1), generator=generator, device=device)
        start = (place * (size - length + 1 + 2 * over)).floor() - over
        offset = torch.arange(size, device=device) - start
        return (offset >= 0) & (offset < length)

    # Along time a rectangle may reach over the ends of the clip, or its first and last moments would seldom be removed.
    columns = spans(*width, times, overhang=True)
    covered = columns[..., None] & spans(*height, bands, overhang=False)[:, :, None]
    first = torch.where(covered.any(dim=1), covered.to(torch.uint8).argmax(dim=1), count)
    # Removal runs through the rectangles in turn, each column by column from its left edge.
    column = torch.arange(times, device=device)[:, None]
    tie = torch.rand((batch, times, bands), generator=generator, device=device)
    turn = torch.where(first < count, (first * times + column) + 0.5 * tie, count * times + tie)
    removed = turn.flatten(1).argsort(dim=1).argsort(dim=1) < times * bands - kept
    return _mask_from_order(removed.to(torch.uint8).argsort(dim=1, stable=True), kept)


def _kept(count: int, ratio: float) -> int:
    kept = int(count * (1.0 - ratio))
    if not 0 < kept < count:
        raise ValueError(f"a masking ratio of {ratio} keeps {kept} of {count}; right would be some but not all")
    return kept
