"""What the masks remove, and that every row of a batch keeps the same number."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from asdstream.models.masking import Mask, complementary_masking, mel_rectangles, random_masking, time_frequency_masking


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(conformance_dir / "audiomae" / "expected_audiomae.npz")
    return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


def assert_consistent(mask: Mask) -> None:
    """The three views of a mask say the same."""
    batch, patches = mask.removed.shape
    kept = mask.ids_keep.shape[1]
    assert (mask.removed.sum(1) == patches - kept).all()
    assert not mask.removed.gather(1, mask.ids_keep).any()
    assert torch.equal(mask.ids_restore.sort(1).values, torch.arange(patches).expand(batch, -1))
    assert torch.equal(mask.ids_restore.gather(1, mask.ids_keep), torch.arange(kept).expand(batch, -1))


def test_random_masking_equals_the_reference(expected: dict[str, Tensor]) -> None:
    mask = random_masking(expected["noise"], 0.8)
    assert mask.ids_keep.shape == (1, 102)
    assert torch.equal(mask.ids_keep, expected["ids_keep"].long())
    assert torch.equal(mask.ids_restore, expected["ids_restore"].long())
    assert torch.equal(mask.removed, expected["mask"].bool())
    assert_consistent(mask)


def test_time_frequency_masking_equals_the_reference(expected: dict[str, Tensor]) -> None:
    mask = time_frequency_masking(expected["noise_t"], expected["noise_f"], 0.7, 0.3)
    assert mask.ids_keep.shape == (1, 19 * 5)
    assert torch.equal(mask.removed, expected["mask_2d"].bool())
    assert_consistent(mask)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
def test_rectangles_remove_the_stated_share_from_every_row(ratio: float) -> None:
    mask = mel_rectangles(16, ratio, generator=torch.Generator().manual_seed(0))
    assert mask.ids_keep.shape == (16, int(512 * (1 - ratio)))
    assert_consistent(mask)


def test_a_rectangle_spans_64_to_128_mel_bins_and_the_last_is_cut_at_a_column() -> None:
    grids = mel_rectangles(50, 0.5, generator=torch.Generator().manual_seed(1)).removed.view(50, 64, 8)
    for grid in grids:
        columns = grid[grid.any(1)]
        first, last = columns.int().argmax(1), 7 - columns.flip(1).int().argmax(1)
        whole = (columns.sum(1) == last - first + 1) & (columns.sum(1) >= 4)
        assert (~whole).sum() <= 1


def test_rectangles_differ_between_rows_and_repeat_with_the_seed() -> None:
    first, again = (mel_rectangles(4, 0.5, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first.removed, again.removed)
    assert not torch.equal(first.removed[0], first.removed[1])


def test_every_patch_is_sometimes_removed_and_sometimes_kept() -> None:
    share = mel_rectangles(400, 0.5, generator=torch.Generator().manual_seed(3)).removed.float().mean(0)
    assert share.min() > 0.15
    assert share.max() < 0.85


@pytest.mark.parametrize("ratio", [0.0, 1.0, 0.999, -0.5])
def test_a_ratio_that_keeps_all_or_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="right would be some but not all"):
        random_masking(torch.rand(1, 512), ratio)


def test_a_rectangle_higher_than_the_spectrogram_is_refused() -> None:
    with pytest.raises(ValueError, match="height"):
        mel_rectangles(1, 0.5, height=(4, 9))


@pytest.mark.parametrize("ratio", [0.8, 0.75, 0.5])
def test_complementary_masks_keep_no_patch_twice_and_hide_every_patch(ratio: float) -> None:
    mask = complementary_masking(torch.rand(512), ratio)
    seen = (~mask.removed).sum(dim=0)
    assert int(seen.max()) == 1
    assert len(mask.removed) == round(1.0 / (1.0 - ratio))
    assert bool(mask.removed.any(dim=0).all())
    assert torch.equal(mask.removed.gather(1, mask.ids_keep), torch.zeros_like(mask.ids_keep, dtype=torch.bool))


def test_too_little_hidden_needs_patches_twice() -> None:
    with pytest.raises(ValueError, match="at least a half"):
        complementary_masking(torch.rand(512), 0.4)
