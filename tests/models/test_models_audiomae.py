"""The AudioMAE encoder gives the reference's numbers and takes the reference's files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asdstream.models import audiomae
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.pooling import mean_pool
from asdstream.models.positions import sine_cosine_table

TOLERANCE = 2e-5
SMALL = AudioMAEConfig(embed_dim=16, depth=1, heads=2)


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(conformance_dir / "audiomae" / "expected_audiomae.npz")
    return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


@pytest.fixture(scope="module")
def model(conformance_dir: Path) -> AudioMAE:
    return audiomae.load_checkpoint(conformance_dir / "audiomae" / "audiomae_tiny.pth", heads=4)


def test_tokens_equal_the_reference(model: AudioMAE, clips: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        ten_seconds, short = model(clips["10s"]), model(clips["3p7s"])
    assert ten_seconds.shape == (1, 513, 48)
    torch.testing.assert_close(ten_seconds[0], expected["enc_10s"], atol=TOLERANCE, rtol=0.0)
    torch.testing.assert_close(short[0, ::4], expected["enc_3p7s_every4"], atol=TOLERANCE, rtol=0.0)


def test_each_stage_equals_the_reference(
    model: AudioMAE, clips: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    with torch.inference_mode():
        patches = model.embed_patches(model.patchify(model.front_end(clips["10s"])))
        first = model.cls_token + model.pos_embed[:, :1]
        tokens = torch.cat([first, patches], dim=1)
        torch.testing.assert_close(tokens[0, ::8], expected["tokens_in_10s_every8"], atol=TOLERANCE, rtol=0.0)
        block = model.blocks[0](tokens)
        torch.testing.assert_close(block[0, ::8], expected["block0_10s_every8"], atol=TOLERANCE, rtol=0.0)


def test_the_fine_tuning_head_pools_patch_tokens_before_its_own_norm(
    model: AudioMAE, clips: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    with torch.inference_mode():
        tokens = model.encode_fbank(model.front_end(clips["10s"]), final_norm=False)
        pooled = F.layer_norm(
            mean_pool(tokens), (48,), expected["ft_fc_norm_weight"], expected["ft_fc_norm_bias"], 1e-6
        )
        logits = F.linear(pooled, expected["ft_head_weight"], expected["ft_head_bias"])
    torch.testing.assert_close(pooled[0], expected["ft_pooled_10s"], atol=TOLERANCE, rtol=0.0)
    torch.testing.assert_close(logits[0], expected["ft_logits_10s"], atol=TOLERANCE, rtol=0.0)


def test_the_base_size_has_the_published_names_shapes_and_count(conformance_dir: Path) -> None:
    published = json.loads((conformance_dir / "audiomae" / "full_size_keys_audiomae.json").read_text())
    with torch.device("meta"):
        base = AudioMAE(AudioMAEConfig.base())
    shapes = {name: list(tensor.shape) for name, tensor in base.state_dict().items()}
    assert len(shapes) == published["n_encoder_entries"] == 150
    assert shapes.items() <= published["state"].items()
    assert sum(tensor.numel() for tensor in base.parameters()) == 85_648_128


def test_a_fresh_position_table_is_made_as_the_published_one(conformance_dir: Path) -> None:
    published = np.load(conformance_dir / "audiomae" / "pos_embed_full_size.npz")
    wide, narrow = sine_cosine_table(768, 64, 8)[0], sine_cosine_table(512, 64, 8)[0]
    torch.testing.assert_close(wide[published["rows"]], torch.from_numpy(published["pos_embed_768_rows"]))
    torch.testing.assert_close(narrow[published["rows"]], torch.from_numpy(published["dec_pos_embed_512_rows"]))
    torch.testing.assert_close(wide.sum(1), torch.from_numpy(published["pos_embed_768_row_sum"]), atol=1e-3, rtol=0.0)


def test_the_saved_position_table_is_used_and_never_trained(model: AudioMAE) -> None:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["pos_embed"] += 1.0
    other = AudioMAE(model.config)
    other.load_state_dict(state)
    assert torch.equal(other.pos_embed, state["pos_embed"])
    assert not model.pos_embed.requires_grad


def test_the_tiny_size_embeds_a_batch() -> None:
    tiny = AudioMAE(AudioMAEConfig.tiny()).eval()
    with torch.inference_mode():
        tokens = tiny(0.1 * torch.randn(2, 160_000, generator=torch.Generator().manual_seed(0)))
    assert tokens.shape == (2, 513, 192)
    assert mean_pool(tokens).shape == (2, 192)


def test_bfloat16_weights_keep_the_direction_of_the_embedding(model: AudioMAE, clips: dict[str, Tensor]) -> None:
    half = AudioMAE(model.config)
    half.load_state_dict(model.state_dict())
    half.bfloat16()
    with torch.inference_mode():
        tokens = half(clips["10s"])
        similarity = F.cosine_similarity(mean_pool(tokens).float(), mean_pool(model(clips["10s"])))
    assert tokens.dtype == torch.bfloat16
    assert 1.0 - similarity.item() < 1e-3


def test_a_configuration_survives_its_dictionary() -> None:
    config = AudioMAEConfig.tiny()
    assert AudioMAEConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": "6"}, "'depth' is '6'"),
        ({"widht": 192}, "unknown AudioMAE setting 'widht'"),
        ({"heads": 0}, "heads is 0"),
        ({"frames": 1000}, "does not divide"),
        ({"mels": 64}, "makes 128"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AudioMAEConfig.from_dict(AudioMAEConfig.tiny().to_dict() | change)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ValueError, match="'heads' is missing"):
        AudioMAEConfig.from_dict({"embed_dim": 192, "depth": 6})


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        AudioMAE(AudioMAEConfig(embed_dim=48, depth=1, heads=5))


def test_a_spectrogram_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="1024, 128"):
        AudioMAE(SMALL).encode_fbank(torch.zeros(1, 998, 128))


@pytest.mark.parametrize("norm", ["norm", "fc_norm"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_timm_conversion_loads_whatever_it_calls_its_final_norm(norm: str, suffix: str, tmp_path: Path) -> None:
    source = AudioMAE(SMALL).eval()
    state = {name.replace("norm.", f"{norm}.", 1) if name.startswith("norm.") else name: tensor.clone()
             for name, tensor in source.state_dict().items()}  # fmt: skip
    state |= {"head.weight": torch.zeros(3, 16), "head.bias": torch.zeros(3)}
    path = tmp_path / f"timm{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        from safetensors.torch import save_file

        save_file(state, path)
    loaded = audiomae.load_checkpoint(path, heads=2)
    waveform = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(loaded(waveform), source(waveform))


def test_a_width_without_usual_heads_asks_for_them(conformance_dir: Path) -> None:
    with pytest.raises(audiomae.CheckpointError, match="48 wide"):
        audiomae.load_checkpoint(conformance_dir / "audiomae" / "audiomae_tiny.pth")


def test_another_networks_file_is_refused(conformance_dir: Path) -> None:
    with pytest.raises(audiomae.CheckpointError, match="not an AudioMAE checkpoint"):
        audiomae.load_checkpoint(conformance_dir / "beats" / "beats_tiny_a.pt")


def test_all_patches_in_any_order_are_the_full_pass(model: AudioMAE, clips: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        patches = model.patchify(model.front_end(clips["10s"]))
        full = model.encode_tokens(model.embed_patches(patches))
        order = torch.randperm(512, generator=torch.Generator().manual_seed(0))[None]
        some = model.encode_tokens(model.embed_patches(patches, order))
    torch.testing.assert_close(some[0, 0], full[0, 0], atol=TOLERANCE, rtol=0.0)
    torch.testing.assert_close(some[0, 1:], full[0, 1:][order[0]], atol=TOLERANCE, rtol=0.0)


def test_a_patch_may_be_given_another_place(model: AudioMAE, clips: dict[str, Tensor]) -> None:
    """The first second, put at the third, is what the third second is where it sounds the same."""
    with torch.inference_mode():
        patches = model.patchify(model.front_end(clips["10s"]))
        moved = patches.clone()
        moved[:, 160:208] = patches[:, :48]
        first, third = torch.arange(48)[None], torch.arange(160, 208)[None]
        expected = model.embed_patches(moved, third)
        assert torch.equal(model.embed_patches(patches, first, third), expected)
        assert not torch.equal(model.embed_patches(patches, first), expected)
    with pytest.raises(ValueError, match="without the patches that stand there"):
        model.embed_patches(patches, places=third)
