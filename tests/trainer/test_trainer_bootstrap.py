from pathlib import Path

import numpy as np
import pytest

from trainer.bootstrap import Interval, resampled_means, weighted_figures
from trainer.catalogue import Clip, Domain
from trainer.errors import MetricError
from trainer.metrics import section_figures
from trainer.results import SectionResult, SystemResult


def section(
    seed: int, clips: int = 25, shift: float = 1.0, domains: tuple[Domain, ...] = tuple(Domain)
) -> SectionResult:
    """Scores drawn from `seed`, rounded so that there are ties; anomalies lie higher by `shift`."""
    rng = np.random.default_rng(seed)
    found = [
        Clip(Path(f"{domain}_{condition}_{number}.wav"), "fan", "00", "test", domain, condition, ())
        for domain in domains
        for condition in (False, True)
        for number in range(clips)
    ]
    scores = np.round(rng.standard_normal(len(found)) + [shift * bool(clip.anomalous) for clip in found], 1)
    return SectionResult("fan", "00", 100, tuple(found), scores, 0.0)


def system(*sections: SectionResult) -> SystemResult:
    return SystemResult("a system", {}, sections)


@pytest.mark.parametrize("domains", [tuple(Domain), (Domain.SOURCE,)])
@pytest.mark.parametrize("seed", range(5))
def test_clips_drawn_several_times_count_several_times(seed: int, domains: tuple[Domain, ...]) -> None:
    """Against the figures of a set in which the clips really stand that often."""
    found = section(seed, domains=domains)
    weights = np.random.default_rng(seed).integers(0, 3, size=(1, len(found.clips)))
    weights[0, ::25] = 1
    repeated = np.repeat(np.arange(len(found.clips)), weights[0])
    expected = section_figures(found.anomalous[repeated], found.scores[repeated], found.domains[repeated])
    assert weighted_figures(found, weights.astype(float))[0] == pytest.approx(expected.known)


def test_the_interval_holds_the_figure_and_narrows_with_more_clips() -> None:
    widths = []
    for clips in (25, 400):
        result = system(section(0, clips))
        means = resampled_means([result], resamples=400)
        assert means is not None
        interval = Interval.of(means[:, 0])
        assert result.harmonic_mean is not None
        assert interval.low < result.harmonic_mean < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < 0.4 * widths[0]


def test_a_hundred_clips_leave_about_seven_points_either_way() -> None:
    means = resampled_means([system(section(0, 25))])
    assert means is not None
    interval = Interval.of(means[:, 0])
    assert 0.04 < (interval.high - interval.low) / 2 < 0.10


def test_the_same_seed_draws_the_same_clips() -> None:
    found = [system(section(1))]
    first, again, other = (resampled_means(found, seed, 50) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_systems_meet_the_same_draws_so_that_equal_ones_never_differ() -> None:
    better = section(1, shift=1.0)
    same = section(1, shift=1.0)
    means = resampled_means([system(better), system(same)], resamples=50)
    assert means is not None
    assert np.array_equal(means[:, 0], means[:, 1])


def test_systems_that_scored_other_clips_are_not_compared() -> None:
    with pytest.raises(MetricError, match="scored different clips"):
        resampled_means([system(section(1)), system(section(1, clips=24))])


def test_without_the_truth_there_is_no_interval() -> None:
    hidden = Clip(Path("a.wav"), "fan", "00", "test", Domain.SOURCE, None, ())
    assert resampled_means([system(SectionResult("fan", "00", 1, (hidden,), np.zeros(1), 0.0))]) is None
