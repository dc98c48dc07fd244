"""What a measurement makes ready."""

from dataclasses import replace
from pathlib import Path

import pytest
from system_bundles import contents_of, separator

from asdstream import bundle as bundles
from asdstream.bench.bench import run_bench
from asdstream.bench.plan import Plan
from asdstream.bench.subject import REFERENCES, subject_of
from asdstream.bundle import ANY_TYPE, Bundle
from asdstream.config import ConfigError, EngineSection
from asdstream.engine.separate_as import BothWays
from asdstream.scoring.scorer import Scorer

ENGINE = EngineSection(device="cpu", threads=1, max_batch=2)


@pytest.fixture(scope="module")
def separating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    contents = contents_of("system1", separators={ANY_TYPE: separator()}, separated=True)
    return bundles.save(tmp_path_factory.mktemp("bundles") / "separating", contents)


def test_a_bundle_is_heard_as_its_prototypes_were_made(separating: Bundle) -> None:
    subject = subject_of(separating, ENGINE, "fan", 1.0)
    assert subject.separate_as == "fan"
    assert subject.max_batch == 2
    assert isinstance(subject.scorer, Scorer)
    assert subject.scorer.bank.references == (), "the bundle has prototypes of its own"


def test_where_the_bundle_has_nothing_to_compare_with_references_are_enrolled(separating: Bundle) -> None:
    subject = subject_of(separating, ENGINE, "fan", 1.0, "off")
    assert subject.separate_as is None
    assert isinstance(subject.scorer, Scorer)
    assert len(subject.scorer.bank.references) == REFERENCES


def test_sound_is_measured_both_ways_from_one_plan_to_one_report(separating: Bundle) -> None:
    assert isinstance(subject_of(separating, ENGINE, "fan", 1.0, "both").separate_as, BothWays)
    plan = Plan(str(separating.path), ENGINE, separate="both", hop_s=0.5, channels=1, seconds=1.0)
    report = run_bench(plan, lambda _run: None)
    assert (report.setting.separate, report.setting.machine_type) == ("both", "fan")
    assert report.findings.latency is not None
    assert report.findings.latency.windows == 2
    assert report.gpu_bytes is None


def test_a_machine_type_that_the_bundle_does_not_know_is_refused_with_those_it_does(separating: Bundle) -> None:
    with pytest.raises(ConfigError, match="one of fan"):
        run_bench(Plan(str(separating.path), ENGINE, "toaster"), lambda _run: None)


def test_a_bundle_that_knows_no_machine_is_measured_all_the_same(tmp_path: Path) -> None:
    bundle = bundles.save(tmp_path / "nameless", replace(contents_of("system1"), machine_types={}))
    report = run_bench(Plan(str(bundle.path), ENGINE, channels=1, seconds=2.0), lambda _run: None)
    assert report.setting.machine_type == "machine"
    assert report.findings.latency is not None
    assert report.findings.latency.windows == 2
