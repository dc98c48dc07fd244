"""What learns from attributes gives the daemon's embeddings, and in each stage moves what that stage may move."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from system_bundles import ATTENTION, AUDIOMAE, BANDS, BEATS, WIDTH
from torch import Tensor, nn

from asdstream import bundle as bundles
from asdstream.bundle import Branch, BundleContents, EncoderContents, FusedBranch, FusionContents
from asdstream.engine.embedder import Embedder
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from trainer.networks import BranchNetwork, EmbeddingNetwork, FusedNetwork, fusion, phase_one, phase_two

TOLERANCE = 1e-5


def encoders() -> tuple[BEATs, AudioMAE]:
    """A BEATs and an AudioMAE, always the same."""
    torch.manual_seed(0)
    return BEATs(BEATS), AudioMAE(AUDIOMAE)


def sound(samples: int = 40_000, batch: int = 2) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(1))


NETWORKS: dict[str, tuple[Callable[[], EmbeddingNetwork], Branch | FusedBranch, int]] = {
    "audiomae": (lambda: BranchNetwork(encoders()[1]), Branch("b", "audiomae"), WIDTH),
    "beats": (lambda: BranchNetwork(encoders()[0]), Branch("b", "beats"), WIDTH),
    "audiomae bands": (
        lambda: BranchNetwork(encoders()[1], "bands"),
        Branch("b", "audiomae", "bands"),
        BANDS * WIDTH,
    ),
    "beats bands": (lambda: BranchNetwork(encoders()[0], "bands"), Branch("b", "beats", "bands"), BANDS * WIDTH),
    "attentive": (
        lambda: FusedNetwork(*encoders(), "attentive", ATTENTION),
        FusedBranch("b", ("beats", "audiomae"), "attentive"),
        WIDTH,
    ),
    "attentive statistics": (
        lambda: FusedNetwork(*encoders(), "attentive-statistics", ATTENTION),
        FusedBranch("b", ("beats", "audiomae"), "attentive-statistics"),
        2 * WIDTH,
    ),
    "attentive bands": (
        lambda: FusedNetwork(*encoders(), "attentive", ATTENTION, "bands"),
        FusedBranch("b", ("beats", "audiomae"), "attentive", "bands"),
        BANDS * WIDTH,
    ),
    "mean fusion of bands": (
        lambda: FusedNetwork(*encoders(), "mean", pooling="bands"),
        FusedBranch("b", ("beats", "audiomae"), "mean", "bands"),
        BANDS * 2 * WIDTH,
    ),
    "mean fusion": (
        lambda: FusedNetwork(*encoders(), "mean"),
        FusedBranch("b", ("beats", "audiomae"), "mean"),
        2 * WIDTH,
    ),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_the_daemon_computes_the_same_embedding(name: str, tmp_path: Path) -> None:
    make, branch, size = NETWORKS[name]
    network = make().eval()
    beats, audiomae = encoders()
    fusions = {}
    if isinstance(network, FusedNetwork) and network.fusion.state_dict():
        fusions = {"b": FusionContents(ATTENTION, network.fusion.state_dict())}
    known = {
        "audiomae": EncoderContents("audiomae", AUDIOMAE.to_dict(), audiomae.state_dict()),
        "beats": EncoderContents("beats", BEATS.to_dict(), beats.state_dict()),
    }
    contents = BundleContents(
        "same", "0", ("none",), {key: known[key] for key in branch.encoders}, (branch,), {}, fusions=fusions
    )
    windows = sound(160_000)
    heard = Embedder(bundles.save(tmp_path / "bundle", contents), device="cpu", threads=1).embed_samples(
        windows.numpy()
    )
    with torch.inference_mode():
        own = network(windows)
    assert own.shape == (2, size)
    assert network.embedding_size == size
    torch.testing.assert_close(
        nn.functional.normalize(own), torch.from_numpy(heard["b"].copy()), atol=TOLERANCE, rtol=0.0
    )


@every_network
def test_front_ends_and_pooling_keep_to_float32_under_autocast(name: str) -> None:
    network = NETWORKS[name][0]().eval()
    seen: dict[str, list[Tensor]] = {"front": [], "pooled": []}
    for module_name, module in network.named_modules():
        if module_name.endswith(("patch_embedding", "pooling", "fusion")):
            kind = "front" if module_name.endswith("patch_embedding") else "pooled"
            module.register_forward_pre_hook(lambda _, inputs, kind=kind: seen[kind].extend(inputs))
    with torch.inference_mode():
        plain = network(sound())
        fronts = list(seen["front"])
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network(sound())
    assert mixed.dtype == torch.float32
    assert all(tokens.dtype == torch.float32 for tokens in seen["pooled"])
    assert all(torch.equal(a, b) for a, b in zip(fronts, seen["front"][len(fronts) :], strict=True))
    assert not torch.equal(mixed, plain)
    assert nn.functional.cosine_similarity(mixed, plain).min() > 0.999


def test_all_patches_kept_in_their_places_are_the_full_pass() -> None:
    network = BranchNetwork(encoders()[1]).eval()
    every = torch.arange(512).expand(2, -1)
    with torch.inference_mode():
        full = network(sound(160_000))
        torch.testing.assert_close(network(sound(160_000), every, every), full, atol=TOLERANCE, rtol=0.0)
        shuffled = torch.stack([torch.randperm(512), torch.randperm(512)])
        torch.testing.assert_close(network(sound(160_000), shuffled), full, atol=TOLERANCE, rtol=0.0)
        part = network(sound(160_000), every[:, :100])
    assert (part - full).abs().max() > 1e-3


def test_in_a_fusion_patches_are_left_out_of_audiomae_alone() -> None:
    network = FusedNetwork(*encoders(), "mean").eval()
    with torch.inference_mode():
        full, part = network(sound()), network(sound(), torch.arange(40).expand(2, -1))
    torch.testing.assert_close(part[:, :WIDTH], full[:, :WIDTH])
    assert (part[:, WIDTH:] - full[:, WIDTH:]).abs().max() > 1e-3


def test_beats_is_not_given_a_part_of_its_patches() -> None:
    with pytest.raises(ValueError, match="BEATs cannot see a part of its patches"):
        BranchNetwork(encoders()[0])(sound(), torch.zeros(2, 8, dtype=torch.long))


def moved_by(network: EmbeddingNetwork) -> set[str]:
    """Names of the parameters that an optimiser which is given all of them moves."""
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if learning:
        optimiser = torch.optim.AdamW(learning, lr=0.01, weight_decay=0.0)
        # LoRA's first factor has no gradient until the second has left zero.
        for _ in range(2):
            optimiser.zero_grad()
            embedding = network(sound())
            (embedding * torch.linspace(-1.0, 1.0, embedding.shape[1])).sum().backward()
            optimiser.step()
    return {name for name, parameter in network.named_parameters() if not torch.equal(parameter, before[name])}


def names(network: EmbeddingNetwork) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def without_effect(parameters: set[str]) -> set[str]:
    """A key's offset adds the same to every score, and softmax takes it out again."""
    return {name for name in parameters if name.endswith("k_proj.bias")}


def test_phase_one_moves_the_whole_audiomae_but_its_positions() -> None:
    network = phase_one(encoders()[1])
    assert moved_by(network) == names(network) - {"encoder.pos_embed"}


def test_phase_one_moves_the_whole_beats() -> None:
    network = phase_one(encoders()[0])
    assert names(network) - moved_by(network) <= without_effect(names(network))


def test_phase_one_thaws_an_encoder_that_came_frozen() -> None:
    encoder = encoders()[1].requires_grad_(False)
    assert all(p.requires_grad for name, p in phase_one(encoder).named_parameters() if not name.endswith("pos_embed"))


@pytest.mark.parametrize("which", [0, 1])
def test_phase_one_of_the_classes_alone_moves_nothing_here(which: int) -> None:
    network = phase_one(encoders()[which], whole_encoder=False)
    assert moved_by(network) == set()
    assert not network(sound()).requires_grad


@pytest.mark.parametrize("which", [0, 1])
def test_phase_two_moves_only_steps_of_its_rank(which: int) -> None:
    network = phase_two(encoders()[which])
    assert moved_by(network) == {name for name in names(network) if ".lora_" in name}
    first = [parameter for name, parameter in network.named_parameters() if ".lora_A." in name]
    assert {parameter.shape[0] for parameter in first} == {8}


@pytest.mark.parametrize("kind", ["attentive", "attentive-statistics", "mean"])
def test_fusion_moves_the_attention_and_the_steps_of_both_encoders(kind: str) -> None:
    network = fusion(*encoders(), kind, attention_dim=ATTENTION)  # type: ignore[arg-type]
    moved = moved_by(network)
    assert moved == {name for name in names(network) if ".lora_" in name or name.startswith("fusion.")}
    assert {name.split(".")[0] for name in moved} == {"beats", "audiomae"} | (set() if kind == "mean" else {"fusion"})
    first = [parameter for name, parameter in network.named_parameters() if ".lora_A." in name]
    assert {parameter.shape[0] for parameter in first} == {64}


@pytest.mark.parametrize(
    "make",
    [
        lambda: phase_two(encoders()[0]),
        lambda: phase_two(encoders()[1], "bands"),
        lambda: fusion(*encoders(), attention_dim=ATTENTION),
        lambda: fusion(*encoders(), "mean"),
    ],
)
def test_merged_steps_leave_the_embedding_as_it_is(make: Callable[[], EmbeddingNetwork]) -> None:
    network = make()
    with torch.inference_mode():
        untrained = network(sound())
    assert moved_by(network)
    with torch.inference_mode():
        trained = network(sound())
        merged = network.merge()(sound())
    assert (trained - untrained).abs().max() > 1e-3
    assert (merged - trained).abs().max() <= 1e-4 * trained.abs().max()
    assert not any(".lora_" in name for name in names(network))


def test_merging_a_network_without_steps_changes_nothing() -> None:
    network = phase_one(encoders()[1])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert network.merge() is network
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_encoders_of_different_width_are_not_fused_attentively() -> None:
    beats, _ = encoders()
    wider = AudioMAE(type(AUDIOMAE)(embed_dim=32, depth=1, heads=2))
    with pytest.raises(ValueError, match="tokens 24 and 32 wide; one width is needed"):
        FusedNetwork(beats, wider)
    assert FusedNetwork(beats, wider, "mean").embedding_size == 56
