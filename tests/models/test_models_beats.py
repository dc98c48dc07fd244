"""BEATs gives the reference's numbers, alone, padded and fine-tuned, and takes the reference's files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor

from asdstream.models import beats
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig, coarsen_padding
from asdstream.models.checkpoint import CheckpointError
from asdstream.models.pooling import mean_pool
from asdstream.models.relative_position import relative_bias, relative_buckets

TOLERANCE = 5e-5
PROBABILITY_TOLERANCE = 1e-5
SMALL = BEATsConfig(2, 16, 32, 2, embed_dim=8, conv_pos=8, conv_pos_groups=2, num_buckets=32, max_distance=64)


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(conformance_dir / "beats" / "expected_beats.npz")
    return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


@pytest.fixture(scope="module")
def pretrained(conformance_dir: Path) -> BEATs:
    return beats.load_checkpoint(conformance_dir / "beats" / "beats_tiny_a.pt")


@pytest.fixture(scope="module")
def finetuned(conformance_dir: Path) -> BEATs:
    return beats.load_checkpoint(conformance_dir / "beats" / "beats_tiny_b_finetuned.pt")


@pytest.fixture(scope="module")
def padded_batch(clips: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Five seconds of the long clip beside the short one, padded."""
    waveform, padded = torch.zeros(2, 80_000), torch.zeros(2, 80_000, dtype=torch.bool)
    waveform[0] = clips["10s"][0, :80_000]
    waveform[1, :59_200] = clips["3p7s"][0]
    padded[1, 59_200:] = True
    return waveform, padded


def assert_near(ours: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(ours, expected, atol=tolerance, rtol=0.0)


def test_tokens_equal_the_reference(pretrained: BEATs, clips: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        assert_near(pretrained(clips["10s"])[0], expected["a_feat_10s"])
        assert_near(pretrained(clips["3p7s"])[0], expected["a_feat_3p7s"])


def test_each_stage_equals_the_reference(
    pretrained: BEATs, clips: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    encoder = pretrained.encoder
    with torch.inference_mode():
        fbank = pretrained.front_end(clips["3p7s"])
        patches = pretrained.layer_norm(pretrained.patch_embedding(fbank))
        projected = pretrained.embed_patches(fbank)
        first = encoder.position(projected)
        bias = encoder.bias(first.shape[1])
        stages = {
            "patch_ln": patches,
            "proj": projected,
            "pos_conv_out": encoder.pos_conv(projected),
            "encoder_in": first,
            "attn0_out": encoder.layers[0].self_attn(first, bias),
            "layer0_out": encoder.layers[0](first, bias),
        }
    for name, ours in stages.items():
        assert_near(ours[0, ::2], expected[f"a_3p7s_{name}_every2"])


def test_a_padded_batch_equals_the_reference(
    pretrained: BEATs, padded_batch: tuple[Tensor, Tensor], expected: dict[str, Tensor]
) -> None:
    with torch.inference_mode():
        tokens, token_padded = pretrained.encode_padded(*padded_batch)
    assert torch.equal(token_padded, expected["a_pad_mask_out"])
    assert_near(tokens[:, ::4], expected["a_pad_feat_every4"])


def test_a_fine_tuned_file_gives_the_references_tokens_and_probabilities(
    finetuned: BEATs,
    clips: dict[str, Tensor],
    padded_batch: tuple[Tensor, Tensor],
    expected: dict[str, Tensor],
) -> None:
    with torch.inference_mode():
        assert_near(finetuned(clips["10s"])[0, ::4], expected["b_feat_10s_every4"])
        assert_near(finetuned(clips["3p7s"])[0], expected["b_feat_3p7s"])
        assert_near(finetuned.predict(clips["10s"])[0], expected["b_probs_10s"], PROBABILITY_TOLERANCE)
        assert_near(finetuned.predict(clips["3p7s"])[0], expected["b_probs_3p7s"], PROBABILITY_TOLERANCE)
        assert_near(finetuned.predict(*padded_batch), expected["b_pad_probs"], PROBABILITY_TOLERANCE)


@pytest.mark.parametrize(("name", "buckets", "max_distance"), [("a_320_800", 320, 800), ("b_64_100", 64, 100)])
def test_buckets_equal_the_reference(name: str, buckets: int, max_distance: int, expected: dict[str, Tensor]) -> None:
    ours = relative_buckets(expected["rel_pos"].long(), buckets, max_distance)
    assert torch.equal(ours, expected[f"bucket_{name}"].long())


def test_the_bias_is_looked_up_by_key_minus_query() -> None:
    table = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    bias = relative_bias(table, 150, 100)
    place = torch.arange(150)
    written_out = table[relative_buckets(place[None] - place[:, None], 64, 100)].permute(2, 0, 1)
    assert torch.equal(bias, written_out)


def test_the_base_size_has_the_published_names_shapes_and_counts(conformance_dir: Path) -> None:
    published = json.loads((conformance_dir / "beats" / "full_size_keys_beats.json").read_text())
    with torch.device("meta"):
        pretrained = BEATs(BEATsConfig.from_reference(published["cfg_pretrained"]))
        finetuned = BEATs(BEATsConfig.from_reference(published["cfg_finetuned"]))
        base = BEATs(BEATsConfig.base())

    def shapes(model: BEATs) -> dict[str, list[int]]:
        return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}

    assert shapes(base) == shapes(pretrained) == published["state_pretrained"]
    assert shapes(finetuned) == published["state_pretrained"] | published["extra_in_finetuned"]
    assert len(published["state_pretrained"]) == 250
    assert sum(tensor.numel() for tensor in pretrained.parameters()) == 90_311_792
    assert sum(tensor.numel() for tensor in finetuned.parameters()) == published["n_params_finetuned"]


def test_all_layers_share_one_table_of_biases_after_loading(pretrained: BEATs) -> None:
    tables = {id(layer.self_attn.relative_attention_bias.weight) for layer in pretrained.encoder.layers}
    assert len(tables) == 1


def test_what_is_behind_the_padding_is_not_heard(pretrained: BEATs, padded_batch: tuple[Tensor, Tensor]) -> None:
    waveform, padded = padded_batch
    noisy = waveform.clone()
    # Clear of the last token that still holds some of the sound.
    noisy[1, 64_000:] = 1.0
    with torch.inference_mode():
        quiet, token_padded = pretrained.encode_padded(waveform, padded)
        loud, _ = pretrained.encode_padded(noisy, padded)
    heard = ~token_padded[1]
    assert_near(loud[1, heard], quiet[1, heard], 1e-6)


def test_a_batch_gives_what_its_clips_give_alone(pretrained: BEATs) -> None:
    clips = 0.1 * torch.randn(3, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone = torch.cat([pretrained(clip[None]) for clip in clips])
        assert_near(pretrained(clips), alone)


def test_inference_and_training_compute_the_same(pretrained: BEATs, padded_batch: tuple[Tensor, Tensor]) -> None:
    with torch.inference_mode():
        inferred, _ = pretrained.encode_padded(*padded_batch)
    learnt, _ = pretrained.encode_padded(*padded_batch)
    assert learnt.requires_grad
    assert_near(inferred, learnt.detach(), 1e-5)


def test_padding_is_coarsened_to_places_that_are_padded_throughout() -> None:
    padded = torch.tensor([[False, False, False, True, True, True, True]])
    assert coarsen_padding(padded, 3).tolist() == [[False, False, True]]


def test_bfloat16_weights_keep_the_direction_of_the_embedding(pretrained: BEATs, clips: dict[str, Tensor]) -> None:
    half = BEATs(pretrained.config).eval()
    half.load_state_dict(pretrained.state_dict())
    half.bfloat16()
    with torch.inference_mode():
        ours, full = (mean_pool(model(clips["10s"]).float(), class_token=False) for model in (half, pretrained))
    assert 1.0 - F.cosine_similarity(ours, full).item() < 1e-3


@pytest.mark.parametrize(
    "network",
    [
        lambda: BEATs(BEATsConfig.tiny()),
        lambda: AudioMAE(AudioMAEConfig.tiny()),
        pytest.param(lambda: BEATs(BEATsConfig.base()), marks=pytest.mark.slow),
        pytest.param(lambda: AudioMAE(AudioMAEConfig.base()), marks=pytest.mark.slow),
    ],
    ids=["BEATs tiny", "AudioMAE tiny", "BEATs base", "AudioMAE base"],
)
def test_bfloat16_keeps_the_embedding_of_real_recordings(
    network: Callable[[], BEATs | AudioMAE], data_dir: Path
) -> None:
    torch.manual_seed(0)
    model = network().eval()
    recordings = (
        sorted((data_dir / "mimii").rglob("*.flac"))[::10] + sorted((data_dir / "dcase2023t2").rglob("*.flac"))[::250]
    )
    waveform = torch.stack([torch.from_numpy(soundfile.read(path, 160_000, dtype="float32")[0]) for path in recordings])
    with torch.inference_mode():
        full = mean_pool(model(waveform), class_token=isinstance(model, AudioMAE))
        half = mean_pool(model.bfloat16()(waveform).float(), class_token=isinstance(model, AudioMAE))
    assert len(recordings) >= 6
    assert (1.0 - F.cosine_similarity(half, full)).max() < 1e-3


def test_a_fresh_model_starts_finite_and_gives_every_parameter_a_gradient() -> None:
    torch.manual_seed(0)
    model = BEATs(SMALL)
    tokens = model(0.1 * torch.randn(2, 8_000, generator=torch.Generator().manual_seed(1)))
    (tokens * torch.randn_like(tokens)).mean().backward()
    assert tokens.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_configuration_survives_its_dictionary() -> None:
    config = BEATsConfig.tiny()
    assert BEATsConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoder_layers": "2"}, "'encoder_layers' is '2'"),
        ({"layers": 2}, "unknown BEATs setting 'layers'"),
        ({"encoder_attention_heads": 0}, "encoder_attention_heads is 0"),
        ({"encoder_attention_heads": 7}, "must be a multiple"),
        ({"num_buckets": 30}, "do not divide"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BEATsConfig.from_dict(BEATsConfig.tiny().to_dict() | change)


def test_a_checkpoint_of_another_architecture_is_refused(conformance_dir: Path, tmp_path: Path) -> None:
    content = torch.load(conformance_dir / "beats" / "beats_tiny_a.pt", weights_only=True)
    path = tmp_path / "other.pt"
    torch.save(content | {"cfg": content["cfg"] | {"deep_norm": False}}, path)
    with pytest.raises(CheckpointError, match="'deep_norm' is False"):
        beats.load_checkpoint(path)


def test_a_checkpoint_without_its_configuration_is_refused(conformance_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="has no 'cfg'"):
        beats.load_checkpoint(conformance_dir / "audiomae" / "audiomae_tiny.pth")


def test_probabilities_need_a_fine_tuned_model(pretrained: BEATs) -> None:
    with pytest.raises(ValueError, match="no predictor"):
        pretrained.predict(torch.zeros(1, 8_000))


def test_a_clip_of_padding_alone_is_refused(pretrained: BEATs) -> None:
    with pytest.raises(ValueError, match="padding throughout"):
        pretrained.encode_padded(torch.zeros(1, 8_000), torch.ones(1, 8_000, dtype=torch.bool))


def test_a_mask_of_another_shape_is_refused(pretrained: BEATs) -> None:
    with pytest.raises(ValueError, match="the padding mask is"):
        pretrained.encode_padded(torch.zeros(2, 8_000), torch.zeros(1, 8_000, dtype=torch.bool))


def test_a_clip_shorter_than_one_patch_is_refused(pretrained: BEATs) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        pretrained(torch.zeros(1, 2_000))
