import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.scoring.prototypes import PrototypeSet
from trainer.backends.back_end import NormalSound, one_per_clip
from trainer.backends.branch_mean import BranchMean
from trainer.backends.choices import BACK_ENDS, back_end
from trainer.backends.generalised_mean import GeneralisedMean
from trainer.backends.local_density import LocalDensity, neighbour_distances
from trainer.backends.minimum_cosine import MinimumCosine
from trainer.backends.relative_deviation import RelativeDeviation
from trainer.errors import DataError, TrainerError
from trainer.prototypes import fit_prototypes, window_scores


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def cloud(centre: int, spread: float, clips: int, seed: int, windows: int = 3) -> tuple[NDArray[np.float32], ...]:
    """Clips around a corner of an eight-dimensional space."""
    rng = np.random.default_rng(seed)
    corner = np.eye(8)[centre]
    return tuple(unit(corner + spread * rng.standard_normal((windows, 8))) for _ in range(clips))


def angle(degrees: float) -> NDArray[np.float32]:
    """A clip of one window in the plane."""
    return np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]], dtype=np.float32)


SOUND = NormalSound(cloud(0, 0.1, 40, seed=1), cloud(1, 0.1, 10, seed=2))


@pytest.mark.parametrize("name", BACK_ENDS)
def test_every_back_end_finds_strange_sound_stranger_than_new_normal_sound_of_either_domain(name: str) -> None:
    fitted = back_end(name).fit(SOUND, seed=0)
    strange = fitted.score(np.concatenate(cloud(5, 0.1, 10, seed=3))).min()
    for centre in (0, 1):
        normal = fitted.score(np.concatenate(cloud(centre, 0.1, 10, seed=4)))
        assert normal.shape == (30,)
        assert normal.max() < strange


@pytest.mark.parametrize("name", BACK_ENDS)
def test_every_back_end_does_without_a_target_domain(name: str) -> None:
    fitted = back_end(name).fit(NormalSound(SOUND.source, ()), seed=0)
    assert fitted.score(SOUND.target[0]).min() > fitted.score(SOUND.source[0]).max()


@pytest.mark.parametrize("name", BACK_ENDS)
def test_a_single_target_clip_is_enough(name: str) -> None:
    fitted = back_end(name).fit(NormalSound(SOUND.source, SOUND.target[:1]), seed=0)
    strange = np.concatenate(cloud(5, 0.1, 10, seed=3))
    scores = fitted.score(SOUND.target[0])
    assert np.isfinite(scores).all()
    assert scores.max() < fitted.score(strange).min()


@pytest.mark.parametrize("name", BACK_ENDS)
def test_the_same_clip_recorded_twice_divides_by_nothing(name: str) -> None:
    sound = NormalSound((SOUND.source[0],) * 5, (SOUND.target[0],) * 3)
    assert np.isfinite(back_end(name).fit(sound, seed=0).score(SOUND.source[5])).all()


def test_an_unknown_back_end_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TrainerError, match="there is no back end 'lof'; there are minimum-cosine, nearest-reference, "):
        back_end("lof")


def test_after_enrolment_every_training_clip_is_held_against() -> None:
    bank = back_end("nearest-reference").fit(SOUND, seed=0).bank
    firsts = [rows[:1] for rows in (*SOUND.source, *SOUND.target)]
    assert np.array_equal(bank, np.concatenate(firsts))


def test_the_default_scores_as_the_daemon_does() -> None:
    fitted = MinimumCosine().fit(SOUND, seed=3)
    prototypes = fit_prototypes(
        [{"b": rows} for rows in SOUND.source], [{"b": rows[::10]} for rows in SOUND.target], 16, seed=3
    )
    query = np.concatenate(cloud(2, 0.3, 5, seed=9))
    assert np.allclose(fitted.score(query), window_scores(prototypes, {"b": query}), atol=1e-6)
    assert fitted.bank.shape == (26, 8)
    bank = PrototypeSet("b", fitted.bank, [str(place) for place in range(26)])
    assert np.allclose(fitted.score(query), bank.search(query)[0][:, 0], atol=1e-6)


def test_there_are_no_prototypes_of_nothing() -> None:
    with pytest.raises(DataError, match="there is no source-domain clip"):
        MinimumCosine().fit(NormalSound((), SOUND.target), seed=0)


def test_the_spread_of_a_clip_is_its_mean_distance_to_its_neighbours() -> None:
    bank = np.concatenate([angle(0), angle(60), angle(90)])
    found = neighbour_distances(bank, 1)
    assert found is not None
    assert np.allclose(found, [0.5, 1 - np.cos(np.radians(30)), 1 - np.cos(np.radians(30))])
    both = neighbour_distances(bank, 9)
    assert both is not None
    assert both[0] == pytest.approx((0.5 + 1.0) / 2)


def test_local_density_makes_a_loose_domain_as_normal_as_a_tight_one() -> None:
    tight, loose = cloud(0, 0.02, 60, seed=1, windows=1), cloud(1, 0.3, 10, seed=2, windows=1)
    density = LocalDensity().fit(NormalSound(tight, loose), seed=0)
    plain = MinimumCosine().fit(NormalSound(tight, loose), seed=0)
    new_tight = np.concatenate(cloud(0, 0.02, 200, seed=5, windows=1))
    new_loose = np.concatenate(cloud(1, 0.3, 200, seed=6, windows=1))
    assert np.median(plain.score(new_loose)) / np.median(plain.score(new_tight)) > 20
    assert np.median(density.score(new_loose)) / np.median(density.score(new_tight)) < 2


def test_the_neighbours_are_those_of_the_clips_own_domain() -> None:
    """Between the domains' clips lie 10 degrees; the target's own neighbours are 60 degrees apart."""
    density = LocalDensity(1, 1).fit(NormalSound((angle(0), angle(1)), (angle(10), angle(70))), seed=0)
    assert np.allclose(density.spread[2:], 0.5)
    assert density.score(angle(130))[0] == pytest.approx(1.0)


def test_the_generalised_mean_runs_from_the_plain_mean_to_the_smallest_distance() -> None:
    query = np.concatenate(cloud(2, 0.3, 5, seed=9))
    smallest = MinimumCosine().fit(SOUND, seed=0).score(query)
    mean = GeneralisedMean(1.0).fit(SOUND, seed=0).score(query)
    between = GeneralisedMean(-3.0).fit(SOUND, seed=0).score(query)
    assert np.allclose(mean, 1 - (query @ GeneralisedMean().fit(SOUND, 0).bank.T).mean(axis=1), atol=1e-5)
    assert np.allclose(GeneralisedMean(-400.0).fit(SOUND, seed=0).score(query), smallest, rtol=0.02)
    assert (smallest < between).all()
    assert (between < mean).all()
    with pytest.raises(ValueError, match="exponent is 0"):
        GeneralisedMean(0.0)


def test_a_distance_is_relative_to_what_is_usual_around_its_prototype() -> None:
    tight, loose = cloud(0, 0.05, 30, seed=1), cloud(1, 0.3, 30, seed=2)
    fitted = RelativeDeviation(MinimumCosine(source_prototypes=2)).fit(NormalSound(tight + loose, ()), seed=0)
    for clips in (tight, loose):
        assert 0.5 < np.median(fitted.score(np.concatenate(clips))) < 1.5


def test_one_embedding_stands_for_a_clip() -> None:
    clip = np.concatenate([angle(0), angle(90)])
    assert np.allclose(one_per_clip((clip,)), angle(45))


def test_normalised_branches_weigh_the_same_whatever_their_spread() -> None:
    rng = np.random.default_rng(0)
    held_out = rng.standard_normal((200, 2)) * [0.001, 1.0] + [0.1, 5.0]
    strange_in_the_first = np.array([[0.11, 5.0]])
    assert BranchMean.normalised(held_out)(strange_in_the_first)[0] == pytest.approx(5.0, rel=0.2)
    assert BranchMean.plain(2)(strange_in_the_first)[0] == pytest.approx(2.555)


def test_a_branch_without_spread_divides_by_nothing() -> None:
    assert BranchMean.normalised(np.full((4, 1), 0.5))(np.array([[0.75]]))[0] == 0.25
