"""The masked autoencoder draws, restores and loses exactly as the reference does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from asdstream.models import masked_audiomae
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.checkpoint import CheckpointError
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE, Reconstruction, reconstruction_loss
from asdstream.models.masking import Mask, mel_rectangles, random_masking, time_frequency_masking

ENCODER_TOLERANCE = 2e-5
TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(conformance_dir / "audiomae" / "expected_audiomae.npz")
    return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


@pytest.fixture(scope="module")
def model(conformance_dir: Path) -> MaskedAudioMAE:
    return masked_audiomae.load_checkpoint(conformance_dir / "audiomae" / "audiomae_tiny.pth", heads=4)


@pytest.fixture(scope="module")
def fbank(model: MaskedAudioMAE, clips: dict[str, Tensor]) -> Tensor:
    return model.front_end(clips["10s"])


@pytest.fixture(scope="module")
def mask(expected: dict[str, Tensor]) -> Mask:
    return random_masking(expected["noise"], 0.8)


def test_every_stage_equals_the_reference(
    model: MaskedAudioMAE, fbank: Tensor, mask: Mask, expected: dict[str, Tensor]
) -> None:
    with torch.inference_mode():
        latent = model.encode_masked(model.patchify(fbank), mask)
        torch.testing.assert_close(latent[0], expected["latent_masked"], atol=ENCODER_TOLERANCE, rtol=0.0)
        x = model.decoder_input(latent, mask)
        torch.testing.assert_close(x[0, ::8], expected["dec_in_every8"], atol=ENCODER_TOLERANCE, rtol=0.0)
        for index, block in enumerate(model.decoder_blocks):
            x = block(x)
            difference = (x[0, ::8] - expected[f"dec_block{index}_every8"]).abs()
            assert difference.max() < TOLERANCE
            assert difference.mean() < 3e-6
        drawn = model(fbank, mask)
    torch.testing.assert_close(drawn.pred[0, ::8], expected["pred_every8"], atol=TOLERANCE, rtol=0.0)
    torch.testing.assert_close(drawn.pred[0].sum(1), expected["pred_row_sum"], atol=1e-3, rtol=0.0)
    torch.testing.assert_close(drawn.target[0, 9], expected["target_patch_row9"], atol=ENCODER_TOLERANCE, rtol=0.0)


def test_the_position_bias_of_a_window_equals_the_reference(model: MaskedAudioMAE, expected: dict[str, Tensor]) -> None:
    bias = model.decoder_blocks[0].attn.position_bias()
    torch.testing.assert_close(bias[:2], expected["dec_rel_bias_head0_1"], atol=1e-6, rtol=0.0)


@pytest.mark.parametrize(
    ("kind", "normalise_patches", "name"),
    [("mse", True, "loss_normpix_mse"), ("mse", False, "loss_raw_mse"), ("l1", False, "loss_raw_l1")],
)
def test_losses_equal_the_reference(
    model: MaskedAudioMAE,
    fbank: Tensor,
    mask: Mask,
    expected: dict[str, Tensor],
    kind: str,
    normalise_patches: bool,
    name: str,
) -> None:
    with torch.inference_mode():
        loss = reconstruction_loss(model(fbank, mask), kind, normalise_patches)  # type: ignore[arg-type]
    torch.testing.assert_close(loss, expected[name], atol=0.0, rtol=1e-5)


def test_time_frequency_masking_gives_the_references_latent_and_drawing(
    model: MaskedAudioMAE, fbank: Tensor, expected: dict[str, Tensor]
) -> None:
    mask = time_frequency_masking(expected["noise_t"], expected["noise_f"], 0.7, 0.3)
    with torch.inference_mode():
        latent = model.encode_masked(model.patchify(fbank), mask)
        drawn = model(fbank, mask)
    torch.testing.assert_close(latent[0, ::4], expected["latent_2d_every4"], atol=ENCODER_TOLERANCE, rtol=0.0)
    torch.testing.assert_close(drawn.pred[0].sum(1), expected["pred_2d_row_sum"], atol=1e-3, rtol=0.0)


def test_the_base_size_has_the_published_names_shapes_and_count(conformance_dir: Path) -> None:
    published = json.loads((conformance_dir / "audiomae" / "full_size_keys_audiomae.json").read_text())
    with torch.device("meta"):
        base = MaskedAudioMAE(AudioMAEConfig.base(), DecoderConfig.base())
    assert {name: list(tensor.shape) for name, tensor in base.state_dict().items()} == published["state"]
    assert len(published["state"]) == 430
    assert sum(tensor.numel() for tensor in base.parameters()) == published["n_params_total"] == 136_992_768


def test_the_encoder_alone_shares_the_parameters_and_gives_the_encoders_tokens(
    model: MaskedAudioMAE, clips: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    encoder = model.encoder()
    assert encoder.norm.weight is model.norm.weight
    assert not any("decoder" in name for name in encoder.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(encoder(clips["10s"])[0], expected["enc_10s"], atol=ENCODER_TOLERANCE, rtol=0.0)


def test_a_batch_gives_what_its_clips_give_alone(model: MaskedAudioMAE) -> None:
    generator = torch.Generator().manual_seed(0)
    fbank = torch.randn(3, 1024, 128, generator=generator)
    mask = random_masking(torch.rand(3, 512, generator=generator), 0.8)
    with torch.inference_mode():
        together = model(fbank, mask)
        for row in range(3):
            part = slice(row, row + 1)
            alone = model(fbank[part], Mask(mask.ids_keep[part], mask.ids_restore[part], mask.removed[part]))
            torch.testing.assert_close(together.pred[part], alone.pred, atol=1e-4, rtol=0.0)


def test_removed_patches_are_not_seen(model: MaskedAudioMAE, mask: Mask) -> None:
    fbank = torch.randn(1, 1024, 128, generator=torch.Generator().manual_seed(1))
    removed = mask.removed.view(1, 64, 8).repeat_interleave(16, 1).repeat_interleave(16, 2)
    with torch.inference_mode():
        assert torch.equal(model(fbank, mask).pred, model(torch.where(removed, 9.0, fbank), mask).pred)


def test_only_removed_patches_count_in_the_loss() -> None:
    target = torch.zeros(1, 4, 256)
    pred = torch.tensor([5.0, 1.0, 3.0, 7.0])[None, :, None].expand(1, 4, 256)
    removed = torch.tensor([[False, True, True, False]])
    assert reconstruction_loss(Reconstruction(pred, target, removed), "l1").item() == pytest.approx(2.0)
    assert reconstruction_loss(Reconstruction(pred, target, removed), "mse").item() == pytest.approx(5.0)


def test_an_unknown_loss_is_named() -> None:
    empty = Reconstruction(torch.zeros(1, 4, 256), torch.zeros(1, 4, 256), torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="'huber'"):
        reconstruction_loss(empty, "huber")  # type: ignore[arg-type]


def test_a_few_steps_of_training_lower_the_loss_and_leave_the_positions_alone() -> None:
    torch.manual_seed(0)
    model = MaskedAudioMAE(
        AudioMAEConfig(embed_dim=32, depth=1, heads=2), DecoderConfig(embed_dim=32, depth=2, heads=2)
    )
    positions = model.pos_embed.clone(), model.decoder_pos_embed.clone()
    fbank = torch.linspace(-1, 1, 128).expand(2, 1024, 128)
    mask = mel_rectangles(2, 0.8, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=3e-3)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = reconstruction_loss(model(fbank, mask))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert torch.equal(model.pos_embed, positions[0])
    assert torch.equal(model.decoder_pos_embed, positions[1])


def test_the_dropout_of_the_position_bias_acts_in_training_only(model: MaskedAudioMAE) -> None:
    attention = model.decoder_blocks[0].attn
    quiet = attention.position_bias()
    attention.train()
    try:
        assert not torch.equal(attention.position_bias(), quiet)
    finally:
        attention.eval()
    assert torch.equal(attention.position_bias(), quiet)


def test_a_mask_for_another_batch_is_refused(model: MaskedAudioMAE, mask: Mask) -> None:
    with pytest.raises(ValueError, match="the mask is for"):
        model(torch.zeros(2, 1024, 128), mask)


def test_an_encoder_only_checkpoint_is_refused_in_one_sentence(model: MaskedAudioMAE, tmp_path: Path) -> None:
    path = tmp_path / "encoder.pth"
    torch.save({"model": model.encoder().state_dict()}, path)
    with pytest.raises(CheckpointError, match="has no AudioMAE decoder"):
        masked_audiomae.load_checkpoint(path, heads=4)
