"""LoRA moves the queries and keys of an encoder, nothing else, and leaves no trace once merged."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.checkpoint import load_weights
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from trainer.lora import adapt, is_adapted, merge

WIDTH, LAYERS = 128, 2
TOLERANCE = 1e-5


def audiomae() -> AudioMAE:
    torch.manual_seed(0)
    return AudioMAE(AudioMAEConfig(WIDTH, LAYERS, 2)).eval()


def beats() -> BEATs:
    torch.manual_seed(0)
    return BEATs(BEATsConfig(LAYERS, WIDTH, 2 * WIDTH, 2, embed_dim=WIDTH)).eval()


def clip() -> Tensor:
    return 0.1 * torch.randn(2, 40_000, generator=torch.Generator().manual_seed(1))


def train_a_little(encoder: AudioMAE | BEATs) -> None:
    """A few steps of an optimiser that is given every parameter."""
    optimiser = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        encoder(clip())[:, 1:].mean(dim=1).square().sum().backward()
        optimiser.step()


def parts(encoder: AudioMAE | BEATs) -> dict[str, Tensor]:
    """The state dict with AudioMAE's joint projection cut into the query's, the key's and the value's rows."""
    cut: dict[str, Tensor] = {}
    for name, tensor in encoder.state_dict().items():
        if ".qkv." in name:
            for letter, rows in zip("qkv", tensor.chunk(3), strict=True):
                cut[name.replace(".qkv.", f".{letter}_proj.")] = rows.clone()
        else:
            cut[name] = tensor.clone()
    return cut


both = pytest.mark.parametrize("make", [audiomae, beats])
Make = Callable[[], AudioMAE | BEATs]


@both
def test_an_encoder_just_adapted_gives_what_it_gave(make: Make) -> None:
    encoder = make()
    with torch.inference_mode():
        before = encoder(clip())
        assert (adapt(encoder, 8)(clip()) - before).abs().max() <= TOLERANCE


@both
@pytest.mark.parametrize("rank", [8, 64])
def test_merged_and_unmerged_agree(make: Make, rank: int) -> None:
    encoder = make()
    with torch.inference_mode():
        untrained = encoder(clip())
    adapt(encoder, rank)
    train_a_little(encoder)
    with torch.inference_mode():
        unmerged = encoder(clip())
        merged = merge(encoder)(clip())
    assert (unmerged - untrained).abs().max() > 0.01
    assert (merged - unmerged).abs().max() <= TOLERANCE


@both
def test_only_queries_and_keys_move(make: Make) -> None:
    encoder = make()
    before = parts(encoder)
    adapt(encoder, 8)
    train_a_little(encoder)
    after = parts(merge(encoder))
    assert after.keys() == before.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.endswith(("q_proj.weight", "k_proj.weight"))}
    assert len(moved) == 2 * LAYERS


@both
@pytest.mark.parametrize("rank", [8, 64])
def test_only_the_two_factors_of_each_step_are_trained(make: Make, rank: int) -> None:
    encoder = adapt(make(), rank)
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    assert all(".lora_" in name for name in trained)
    assert sum(p.numel() for p in trained.values()) == LAYERS * 2 * 2 * rank * WIDTH


@both
def test_the_step_is_of_the_stated_rank(make: Make) -> None:
    encoder = make()
    before = parts(encoder)
    adapt(encoder, 3)
    train_a_little(encoder)
    after = parts(merge(encoder))
    for name in before:
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            strengths = torch.linalg.svdvals((after[name] - before[name]).double())
            assert strengths[2] > 1e-4 > 100 * strengths[3]


@both
def test_a_merged_encoder_is_an_ordinary_one(make: Make) -> None:
    encoder, fresh = make(), make()
    adapt(encoder, 8)
    train_a_little(encoder)
    merge(encoder)
    assert list(encoder.state_dict()) == list(fresh.state_dict())
    assert [type(module) for module in encoder.modules()] == [type(module) for module in fresh.modules()]
    assert vars(encoder).keys() == vars(fresh).keys()
    assert not any(p.requires_grad for p in encoder.parameters())
    load_weights(fresh, encoder.state_dict(), "the merged encoder")
    with torch.inference_mode():
        assert torch.equal(fresh(clip()), encoder(clip()))


@both
def test_a_copy_can_be_merged_while_the_training_goes_on(make: Make) -> None:
    encoder = adapt(make(), 8)
    train_a_little(encoder)
    merged = merge(copy.deepcopy(encoder))
    assert is_adapted(encoder)
    assert not is_adapted(merged)
    with torch.inference_mode():
        assert (merged(clip()) - encoder(clip())).abs().max() <= TOLERANCE
    train_a_little(encoder)


@both
def test_an_adapted_encoder_resumes_from_its_state_dict(make: Make) -> None:
    encoder, resumed = adapt(make(), 8), adapt(make(), 8)
    train_a_little(encoder)
    resumed.load_state_dict(encoder.state_dict())
    with torch.inference_mode():
        assert torch.equal(resumed(clip()), encoder(clip()))


def test_a_decoder_is_left_alone() -> None:
    torch.manual_seed(0)
    model = MaskedAudioMAE(AudioMAEConfig(WIDTH, LAYERS, 2), DecoderConfig(32, 2, 2))
    names = list(model.state_dict())
    adapt(model, 8)
    assert not any(".lora_" in name for name in model.state_dict() if name.startswith("decoder"))
    assert list(merge(model).state_dict()) == names


def test_alpha_scales_the_step() -> None:
    plain, doubled = audiomae(), audiomae()
    before = parts(plain)["blocks.0.attn.q_proj.weight"]
    for encoder, alpha in ((plain, None), (doubled, 16)):
        adapt(encoder, 8, alpha=alpha)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for name, parameter in encoder.named_parameters():
                if ".lora_" in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator))
        merge(encoder)
    once, twice = (parts(encoder)["blocks.0.attn.q_proj.weight"] - before for encoder in (plain, doubled))
    torch.testing.assert_close(twice, 2 * once, atol=1e-4, rtol=1e-4)


def test_what_makes_no_sense_is_refused() -> None:
    encoder = audiomae()
    with pytest.raises(ValueError, match="nothing to merge"):
        merge(encoder)
    with pytest.raises(ValueError, match="rank is 0"):
        adapt(encoder, 0)
    with pytest.raises(ValueError, match="dropout is 1"):
        adapt(encoder, 8, dropout=1.0)
    adapt(encoder, 8)
    with pytest.raises(ValueError, match="adapted already"):
        adapt(encoder, 8)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [8, 64])
@pytest.mark.parametrize("kind", [AudioMAE, BEATs])
def test_merged_and_unmerged_agree_at_the_published_size(kind: type[AudioMAE] | type[BEATs], rank: int) -> None:
    torch.manual_seed(0)
    encoder = AudioMAE(AudioMAEConfig.base()) if kind is AudioMAE else BEATs(BEATsConfig.base())
    adapt(encoder.eval(), rank)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.01)
    with torch.inference_mode():
        unmerged = encoder(clip())
        merged = merge(encoder)(clip())
    assert (merged - unmerged).abs().max() <= TOLERANCE
