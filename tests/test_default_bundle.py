"""The bundle that ships for machines nobody has trained on: what it is, and that enrolment alone makes it useful."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asdstream import bundle as bundles
from asdstream.audio.simulator.fault import Fault
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator
from asdstream.bundle import ANY_TYPE, Bundle, FusedBranch
from asdstream.engine.embedder import Embedder
from asdstream.scoring.prototypes import PrototypeSet

SECONDS = 10


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundles.load(bundles.resolve("builtin:default"))


def test_it_is_a_small_system_3_with_a_separator_for_all_machines_and_no_machine_of_its_own(bundle: Bundle) -> None:
    (branch,) = bundle.branches
    assert isinstance(branch, FusedBranch)
    assert (branch.fusion, branch.pooling, branch.loudness) == ("attentive", "bands", 2.5)
    assert list(bundle.separators) == [ANY_TYPE]
    assert not bundle.machine_types
    assert sum(path.stat().st_size for path in bundle.path.rglob("*")) < 25e6


def test_nothing_but_the_simulator_went_into_it(bundle: Bundle) -> None:
    assert bundle.licence_notes
    assert all("simulated machine sound only" in note for note in bundle.licence_notes)


@pytest.mark.parametrize(("machine_type", "fault"), [("gearbox", "cracked_tooth"), ("fan", "looseness")])
def test_a_machine_that_it_never_heard_is_told_from_its_faulty_self_by_enrolment_alone(
    bundle: Bundle, machine_type: str, fault: str
) -> None:
    spec = MachineSpec(machine_type, identity=70, snr_db=10.0)
    normal = np.stack([Simulator(spec, seed).render(SECONDS) for seed in range(12)])
    faulty = np.stack([Simulator(spec, seed).render(SECONDS, Fault(fault, 1.0)) for seed in range(12, 18)])
    vectors = Embedder(bundle, device="cpu", threads=1).embed_samples(np.concatenate([normal, faulty]))["fused"]
    enrolled = PrototypeSet("fused", vectors[:6], [str(number) for number in range(6)])
    distances, _ = enrolled.search(vectors[6:])
    assert roc_auc_score([False] * 6 + [True] * 6, distances[:, 0]) > 0.9
