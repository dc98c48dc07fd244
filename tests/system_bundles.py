"""Contents of bundles of the method's four systems, as small as they can be, all untrained."""

import numpy as np
import torch

from asdstream.bundle import (
    Branch,
    BranchPrototypes,
    BundleContents,
    EncoderContents,
    FusedBranch,
    FusionContents,
    MachineType,
    SeparatorContents,
)
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.fusion import AttentiveFusion
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig

WIDTH = 24
ATTENTION = 6
BANDS = 8
MELS = 128
AUDIOMAE = AudioMAEConfig(embed_dim=WIDTH, depth=1, heads=2, mlp_ratio=2.0)
BEATS = BEATsConfig(1, WIDTH, 48, 2, embed_dim=16, conv_pos=8, conv_pos_groups=4, num_buckets=32, max_distance=80)
GRIDNET = TFGridNetConfig(width=4, blocks=1, hidden=4, heads=2, hop=256)

BRANCHES: dict[str, tuple[Branch | FusedBranch, ...]] = {
    "system1": (Branch("audiomae", "audiomae"),),
    "system2": (Branch("audiomae", "audiomae"), Branch("beats", "beats")),
    "system3": (FusedBranch("fused", ("beats", "audiomae"), "attentive"),),
    "system4": (FusedBranch("fused", ("beats", "audiomae"), "mean"),),
    "system3-bands": (FusedBranch("fused", ("beats", "audiomae"), "attentive", "bands"),),
    "system4-bands": (FusedBranch("fused", ("beats", "audiomae"), "mean", "bands"),),
    "system3-loudness": (FusedBranch("fused", ("beats", "audiomae"), "attentive", "bands", 2.5),),
    "system2-loudness": (Branch("audiomae", "audiomae", loudness=1.0), Branch("beats", "beats")),
    "bands": (Branch("audiomae-bands", "audiomae", "bands"), Branch("beats-bands", "beats", "bands")),
}
SIZES = {
    "system1": {"audiomae": WIDTH},
    "system2": {"audiomae": WIDTH, "beats": WIDTH},
    "system3": {"fused": WIDTH},
    "system4": {"fused": 2 * WIDTH},
    "system3-bands": {"fused": BANDS * WIDTH},
    "system4-bands": {"fused": BANDS * 2 * WIDTH},
    "system3-loudness": {"fused": BANDS * WIDTH + MELS},
    "system2-loudness": {"audiomae": WIDTH + MELS, "beats": WIDTH},
    "bands": {"audiomae-bands": BANDS * WIDTH, "beats-bands": BANDS * WIDTH},
}


def encoders() -> dict[str, EncoderContents]:
    """An AudioMAE and a BEATs, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return {
            "audiomae": EncoderContents("audiomae", AUDIOMAE.to_dict(), AudioMAE(AUDIOMAE).state_dict()),
            "beats": EncoderContents("beats", BEATS.to_dict(), BEATs(BEATS).state_dict()),
        }


def separator(seed: int = 0) -> SeparatorContents:
    """One that has learnt nothing: what it makes of a sound is another sound."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SeparatorContents("tfgridnet", GRIDNET.to_dict(), TFGridNet(GRIDNET).state_dict())


def prototypes(system: str) -> dict[str, BranchPrototypes]:
    """Sixteen and two of every branch."""
    random = np.random.default_rng(0)
    return {
        branch: BranchPrototypes(
            random.normal(size=(16, size)).astype(np.float32), random.normal(size=(2, size)).astype(np.float32)
        )
        for branch, size in SIZES[system].items()
    }


def contents_of(
    system: str, *, separators: dict[str, SeparatorContents] | None = None, separated: bool = False
) -> BundleContents:
    """A bundle of `system` that knows the machine type `fan`."""
    branches = BRANCHES[system]
    used = {name for branch in branches for name in branch.encoders}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        fusion = FusionContents(ATTENTION, AttentiveFusion(WIDTH, ATTENTION).state_dict())
    return BundleContents(
        name=system,
        trainer_version="0.1.0",
        licence_notes=(),
        encoders={name: encoder for name, encoder in encoders().items() if name in used},
        branches=branches,
        machine_types={"fan": MachineType(prototypes(system), None, separated)},
        fusions={"fused": fusion} if system.startswith("system3") else {},
        separators=separators or {},
    )
