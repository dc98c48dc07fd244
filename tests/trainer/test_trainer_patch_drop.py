"""Which patches of a crop are kept, and where in the window they stand."""

import pytest
import torch
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from trainer.patch_drop import PatchDrop

CONFIG = AudioMAEConfig.tiny()
TWO_SECONDS = 32_000


def drawn(drop: PatchDrop, draws: int = 200) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [drop.draw(generator) for _ in range(draws)]


def test_a_whole_window_of_which_nothing_is_dropped_keeps_all_in_place() -> None:
    drop = PatchDrop(CONFIG, WINDOW_SAMPLES, 0.0)
    assert drop.keeps_all
    kept, places = drop.draw(torch.Generator())
    assert torch.equal(kept, torch.arange(512))
    assert torch.equal(places, kept)


def test_a_share_of_the_window_is_left_out_alike_in_every_band() -> None:
    drop = PatchDrop(CONFIG, WINDOW_SAMPLES, 0.25)
    assert not drop.keeps_all
    assert drop.count == 48 * 8
    for kept, places in drawn(drop):
        assert len(kept.unique()) == len(kept) == drop.count
        assert torch.equal(kept % 8, torch.arange(8).repeat(48))
        assert torch.equal(places, kept)


def test_every_patch_has_the_same_chance() -> None:
    share = torch.zeros(512)
    for kept, _ in drawn(PatchDrop(CONFIG, WINDOW_SAMPLES, 0.75), 2000):
        share[kept] += 1 / 2000
    assert share.min() > 0.2
    assert share.max() < 0.3


def test_bands_are_drawn_apart_from_each_other() -> None:
    kept, _ = PatchDrop(CONFIG, WINDOW_SAMPLES, 0.5).draw(torch.Generator().manual_seed(0))
    times = (kept // 8).unflatten(0, (-1, 8))
    assert (times != times[:, :1]).any()


def test_of_a_short_crop_whole_patches_of_sound_are_kept_and_now_and_then_the_end_of_a_window() -> None:
    drop = PatchDrop(CONFIG, TWO_SECONDS, 0.0)
    assert not drop.keeps_all
    assert drop.count == 12 * 8
    ends = 0
    for kept, places in drawn(drop):
        assert len(places.unique()) == drop.count
        assert torch.equal(kept % 8, torch.arange(8).repeat(12))
        # 198 frames hold 12 patches of 16; the thirteenth is half sound, the next one padding, as 998 frames end.
        end = kept >= 12 * 8
        assert torch.equal(places[end] - 62 * 8, kept[end] - 12 * 8)
        assert (places[~end] < 62 * 8).all()
        ends += int(end.sum())
    # As often as in a whole window: two columns of 64.
    assert ends / (200 * drop.count) == pytest.approx(2 / 64, rel=0.1)


def test_without_the_end_of_a_window_nothing_but_sound_is_kept() -> None:
    for kept, places in drawn(PatchDrop(CONFIG, TWO_SECONDS, 0.0, window_end=False), 20):
        assert torch.equal(kept, torch.arange(12 * 8))
        assert (places < 62 * 8).all()


def test_the_padding_of_a_short_crop_is_that_of_a_window() -> None:
    front_end, patchify = AudioMAE(CONFIG).front_end, AudioMAE(CONFIG).patchify
    window, crop = (patchify(front_end(torch.randn(1, samples)))[0] for samples in (WINDOW_SAMPLES, TWO_SECONDS))
    assert torch.equal(crop[13 * 8 : 14 * 8], window[63 * 8 :])
    padding = crop[13 * 8][0]
    for patch in (crop[12 * 8 : 13 * 8], window[62 * 8 : 63 * 8]):
        assert (patch.unflatten(1, (16, 16))[:, 6:] == padding).all()
        assert (patch.unflatten(1, (16, 16))[:, :6] != padding).any()


def test_a_short_crop_stands_anywhere_in_the_sound_of_a_window() -> None:
    shifts = set()
    for kept, places in drawn(PatchDrop(CONFIG, TWO_SECONDS, 0.5), 2000):
        (shift,) = (places - kept)[kept < 12 * 8].unique().tolist()
        assert shift % 8 == 0
        shifts.add(shift // 8)
    # A window's 998 frames hold 62 whole patches along time, so the crop's 12 fit at 51 places.
    assert shifts == set(range(51))


def test_at_least_one_patch_of_every_band_stays() -> None:
    assert PatchDrop(CONFIG, TWO_SECONDS, 0.99).count == 8


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share of patches to drop"):
        PatchDrop(CONFIG, WINDOW_SAMPLES, share)


def test_a_crop_without_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="2799 samples holds no patch"):
        PatchDrop(CONFIG, 2_799, 0.0)
    assert PatchDrop(CONFIG, 2_800, 0.0).count == 8
