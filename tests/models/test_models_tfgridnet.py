"""TF-GridNet gives the reference's numbers, follows the gain, and takes clips of any length."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from asdstream.models import tfgridnet
from asdstream.models.checkpoint import CheckpointError
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig

TOLERANCE = 2e-6
SMALL = TFGridNetConfig(width=8, blocks=1, hidden=8, heads=2, n_fft=128, hop=64)


@pytest.fixture(scope="module")
def reference(conformance_dir: Path) -> dict[str, dict[str, Any]]:
    """By name: constructor arguments under "cfg" and the state dict under "model"."""
    path = conformance_dir / "tfgridnet" / "tfgridnet_tiny.pt"
    content: dict[str, dict[str, Any]] = torch.load(path, weights_only=True)
    return content


@pytest.fixture(scope="module")
def expected(conformance_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(conformance_dir / "tfgridnet" / "expected_tfgridnet.npz")
    return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


@pytest.fixture(scope="module")
def mixture(clips: dict[str, Tensor], expected: dict[str, Tensor]) -> Tensor:
    start, length = int(expected["input_slice_start"]), int(expected["input_len"])
    return torch.cat([clip[:, start : start + length] for clip in clips.values()])


def built(reference: Mapping[str, Mapping[str, Any]], name: str, **more: int) -> TFGridNet:
    return tfgridnet.from_reference({**reference[name]["cfg"], **more}, reference[name]["model"])


@pytest.mark.parametrize(("name", "version"), [("v1_overlap", 1), ("v2_overlap", 2), ("v2_linear", 2)])
def test_waveforms_equal_the_reference(
    reference: dict[str, dict[str, Any]], expected: dict[str, Tensor], mixture: Tensor, name: str, version: int
) -> None:
    model = built(reference, name)
    with torch.inference_mode():
        estimate = model(mixture)
    assert model.config.version == version
    torch.testing.assert_close(estimate, expected[name], atol=TOLERANCE, rtol=0.0)


def test_spectra_of_version_3_equal_the_reference(
    reference: dict[str, dict[str, Any]], expected: dict[str, Tensor], mixture: Tensor
) -> None:
    model = built(reference, "v3_spec", n_fft=64, stride=32)
    level = mixture.std(dim=1, keepdim=True)
    reference_out = torch.complex(expected["v3_spec_out_re"], expected["v3_spec_out_im"])[:, None]
    with torch.inference_mode():
        spectrum = model.analyse(mixture / level)
        estimate = model.separate_spectrum(spectrum)
        waveform = model(mixture)[:1]
        reference_waveform = model.synthesise(reference_out, mixture.shape[1]) * level[:1, None]
    reference_in = torch.complex(expected["v3_spec_in_re"], expected["v3_spec_in_im"])
    torch.testing.assert_close(spectrum[:1, ::8], reference_in, atol=TOLERANCE, rtol=0.0)
    # Spectra of unit-deviation clips are larger than the waveforms by two orders of magnitude, and so is rounding.
    torch.testing.assert_close(estimate[:1], reference_out, atol=1e-5 * reference_out.abs().max().item(), rtol=0.0)
    torch.testing.assert_close(waveform, reference_waveform, atol=TOLERANCE, rtol=0.0)


def test_each_stage_equals_the_reference(
    reference: dict[str, dict[str, Any]], expected: dict[str, Tensor], mixture: Tensor
) -> None:
    model = built(reference, "v2_overlap")
    seen: dict[str, Tensor] = {}
    for name, module in (("conv", model.conv), ("block0", model.blocks[0]), ("deconv", model.deconv)):
        module.register_forward_hook(lambda *call, name=name: seen.__setitem__(name, call[2]))
    with torch.inference_mode():
        model(mixture)
    close = {"atol": 5e-5, "rtol": 1e-5}
    torch.testing.assert_close(seen["conv"][0, :2, ::8], expected["v2_overlap_conv_out_ch0_2"], **close)
    torch.testing.assert_close(
        seen["block0"][0, ::8, :, :2].permute(2, 0, 1), expected["v2_overlap_block0_out_ch0_2"], **close
    )
    torch.testing.assert_close(seen["deconv"][0, :, ::4], expected["v2_overlap_deconv_out"], **close)


@pytest.mark.parametrize("name", ["v1_overlap", "v2_overlap", "v2_linear", "v3_spec"])
@pytest.mark.parametrize("gain", [1e-3, 0.37, 25.0])
def test_a_gain_on_the_input_is_the_same_gain_on_the_output(
    reference: dict[str, dict[str, Any]], mixture: Tensor, name: str, gain: float
) -> None:
    model = built(reference, name)
    with torch.inference_mode():
        plain, louder = model(mixture), model(gain * mixture)
    relative = (louder / gain - plain).norm() / plain.norm()
    assert relative.item() < 1e-6


def test_a_clip_is_separated_alike_whatever_shares_its_batch(
    reference: dict[str, dict[str, Any]], mixture: Tensor
) -> None:
    model = built(reference, "v2_linear")
    with torch.inference_mode():
        torch.testing.assert_close(model(mixture)[1:], model(mixture[1:]), atol=TOLERANCE, rtol=0.0)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_clips_of_any_length_come_back_at_their_length(version: int, stride: int) -> None:
    torch.manual_seed(0)
    config = TFGridNetConfig(
        width=4, blocks=1, hidden=4, heads=2, n_fft=32, hop=16, stride=stride, sources=2, version=version
    )
    model = TFGridNet(config).eval()
    with torch.inference_mode():
        for samples in (1, 2, 3, 15, 16, 17, 31, 32, 100, 127, 128, 333):
            estimate = model(torch.randn(2, samples))
            assert estimate.shape == (2, 2, samples)
            assert estimate.isfinite().all()


def test_a_part_is_treated_as_within_the_whole() -> None:
    """All but the blocks: the clip begins loud, so that its end alone would be taken for another sound."""
    torch.manual_seed(0)
    model = TFGridNet(TFGridNetConfig(width=8, blocks=1, hidden=8, heads=2, hop=256)).eval()
    clip = torch.randn(1, 32_000) * torch.where(torch.arange(32_000) < 16_000, 1.0, 0.03)
    with torch.inference_mode():
        heard = model(clip, 16_000)
        torch.testing.assert_close(model(8.0 * clip, 16_000) / 8.0, heard, atol=1e-6, rtol=1e-4)
        model.blocks = torch.nn.ModuleList()
        whole, alone, part = model(clip)[..., 16_000:], model(clip[:, 16_000:]), model(clip, 16_000)
    # The deconvolution's neighbour and the overlapping frame that lie before the part are missing at its very begin.
    inside = slice(1_024, None)
    torch.testing.assert_close(part[..., inside], whole[..., inside], atol=1e-6, rtol=1e-4)
    assert (alone - whole)[..., inside].norm() > 0.1 * whole[..., inside].norm()


def test_a_part_may_begin_at_any_sample() -> None:
    torch.manual_seed(0)
    model = TFGridNet(TFGridNetConfig(width=4, blocks=1, hidden=4, heads=2, n_fft=32, hop=16)).eval()
    clip = torch.randn(2, 333)
    with torch.inference_mode():
        torch.testing.assert_close(model(clip, 0), model(clip))
        for begin in (1, 15, 16, 17, 200, 331, 332):
            estimate = model(clip, begin)
            assert estimate.shape == (2, 1, 333 - begin)
            assert estimate.isfinite().all()
        for begin in (-1, 333):
            with pytest.raises(ValueError, match="right would be 0 to 332"):
                model(clip, begin)


def test_analysis_and_synthesis_are_inverse_to_the_last_sample() -> None:
    model = TFGridNet(TFGridNetConfig(width=4, blocks=1, hidden=4, n_fft=512, hop=256))
    for samples in (200, 256, 1024 + 191, 1024 + 192, 1024 + 193, 1024 + 255):
        waveform = torch.randn(1, samples)
        again = model.synthesise(model.analyse(waveform)[:, None], samples)
        torch.testing.assert_close(again[:, 0], waveform, atol=1e-5, rtol=0.0)


def test_the_last_samples_of_an_odd_length_are_not_blown_up() -> None:
    """With a hop of half a window, the window's far end alone would cover them."""
    torch.manual_seed(0)
    model = TFGridNet(TFGridNetConfig(width=4, blocks=1, hidden=4, n_fft=512, hop=256)).eval()
    with torch.inference_mode():
        estimate = model(torch.randn(1, 4 * 256 + 255))[0, 0]
    assert estimate[-8:].abs().max() < 5.0 * estimate.abs()[:-64].max()


def test_silence_gives_silence_and_leaves_its_neighbours_alone(mixture: Tensor) -> None:
    model = TFGridNet(SMALL).eval()
    with torch.inference_mode():
        estimate = model(torch.cat([torch.zeros(1, mixture.shape[1]), mixture]))
        alone = model(mixture)
    assert (estimate[0] == 0.0).all()
    torch.testing.assert_close(estimate[1:], alone, atol=TOLERANCE, rtol=0.0)


def test_a_constant_or_barely_audible_clip_gives_finite_numbers() -> None:
    model = TFGridNet(SMALL).eval()
    with torch.inference_mode():
        assert model(torch.full((1, 1000), 0.013)).abs().max() < 1e-3
        assert model(1e-30 * torch.randn(1, 1000)).isfinite().all()


def test_gradients_reach_every_parameter(mixture: Tensor) -> None:
    model = TFGridNet(SMALL)
    model(mixture).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_bfloat16_weights_give_about_the_same_float32_waveforms(mixture: Tensor) -> None:
    torch.manual_seed(0)
    model = TFGridNet(SMALL).eval()
    with torch.inference_mode():
        exact = model(mixture)
        rough = model.to(torch.bfloat16)(mixture)
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(rough.flatten(), exact.flatten(), dim=0) > 0.99


def test_parameter_counts_equal_the_reference_at_every_size(conformance_dir: Path) -> None:
    published = json.loads((conformance_dir / "tfgridnet" / "full_size_keys_tfgridnet.json").read_text())
    versions = {"TFGridNet": 1, "TFGridNetV2": 2, "TFGridNetV3": 3}
    for size in published["sizes"]:
        config = tfgridnet._config_from_reference(size["kw"], versions[size["cls"]])
        with torch.device("meta"):
            model = TFGridNet(config)
        assert sum(parameter.numel() for parameter in model.parameters()) == size["n_params"], size["name"]


def test_names_and_shapes_equal_the_reference(conformance_dir: Path) -> None:
    published = json.loads((conformance_dir / "tfgridnet" / "full_size_keys_tfgridnet.json").read_text())
    with torch.device("meta"):
        model = TFGridNet(tfgridnet._config_from_reference({}, 2))
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    first_block = {name: shape for name, shape in shapes.items() if not name.startswith("blocks.") or ".0." in name[:9]}
    assert first_block == published["state_espnet_default_v2"]


def test_the_two_sizes_have_the_published_counts() -> None:
    with torch.device("meta"):
        tiny, base = TFGridNet(TFGridNetConfig.tiny()), TFGridNet(TFGridNetConfig.base())
    assert sum(parameter.numel() for parameter in tiny.parameters()) == 351_020
    assert sum(parameter.numel() for parameter in base.parameters()) == 5_588_294


@pytest.mark.slow
def test_the_tiny_size_takes_less_than_a_tenth_of_real_time_on_one_core() -> None:
    model = TFGridNet(TFGridNetConfig.tiny()).eval()
    window = torch.randn(1, 160_000)
    taken = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.thread_time()
            model(window)
            taken.append(time.thread_time() - start)
    assert min(taken) < 1.0


def test_a_configuration_survives_json() -> None:
    for config in (TFGridNetConfig.tiny(), TFGridNetConfig.base(), SMALL):
        assert TFGridNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 16, "blocks": 2}, "'hidden' is missing"),
        ({"width": 16, "blocks": 2, "hidden": 8, "depth": 3}, "unknown TF-GridNet setting 'depth'"),
        ({"width": 16, "blocks": 2, "hidden": "8"}, "hidden is '8'; right would be a positive number"),
        ({"width": 16, "blocks": 0, "hidden": 8}, "blocks is 0; right would be a positive number"),
        ({"width": 16, "blocks": 2, "hidden": 8, "version": 4}, "right would be 1, 2 or 3"),
        ({"width": 16, "blocks": 2, "hidden": 8, "hop": 257}, "a hop of at most half of it"),
    ],
)
def test_settings_without_sense_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TFGridNetConfig.from_dict(values)


def test_sizes_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="a width of 10 cannot be split into 4 heads"):
        TFGridNet(TFGridNetConfig(width=10, blocks=1, hidden=8))
    with pytest.raises(ValueError, match="the stride is 5; right would be 1 to 4"):
        TFGridNet(TFGridNetConfig(width=16, blocks=1, hidden=8, stride=5))


@pytest.mark.parametrize(
    "waveform", [torch.zeros(100), torch.zeros(1, 1, 100), torch.zeros(1, 0), torch.zeros(1, 100, dtype=torch.int16)]
)
def test_unfit_waveforms_are_refused(waveform: Tensor) -> None:
    with pytest.raises(ValueError, match=r"right would be floating point of shape \(batch, samples\)"):
        TFGridNet(SMALL)(waveform)


def test_unfit_spectra_are_refused() -> None:
    with pytest.raises(ValueError, match=r"complex of shape \(batch, frames, frequencies\)"):
        TFGridNet(SMALL).separate_spectrum(torch.zeros(1, 10, 65))
    with pytest.raises(ValueError, match="spectrum has 64 frequencies; right would be 65"):
        TFGridNet(SMALL).separate_spectrum(torch.zeros(1, 10, 64, dtype=torch.complex64))


@pytest.mark.parametrize(
    "option", [{"n_imics": 2}, {"window": "hamming"}, {"activation": "relu"}, {"emb_dim": 0}, {"eps": 0}]
)
def test_options_of_the_reference_that_are_not_supported_are_named(
    reference: dict[str, dict[str, Any]], option: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=f"TF-GridNet's {next(iter(option))} is"):
        tfgridnet.from_reference({**reference["v2_linear"]["cfg"], **option}, reference["v2_linear"]["model"])


@pytest.mark.parametrize("name", ["v1_overlap", "v2_linear"])
def test_weights_that_do_not_fit_are_listed(reference: dict[str, dict[str, Any]], name: str) -> None:
    state = dict(reference[name]["model"])
    del state["deconv.bias"]
    with pytest.raises(CheckpointError, match=r"1 missing: deconv\.bias"):
        tfgridnet.from_reference(reference[name]["cfg"], state)
    with pytest.raises(CheckpointError, match="misshapen"):
        tfgridnet.from_reference({**reference[name]["cfg"], "attn_n_head": 4}, reference[name]["model"])
