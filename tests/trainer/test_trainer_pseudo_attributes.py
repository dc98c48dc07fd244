"""Clips whose attributes are hidden are told apart by how they sound."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.scoring.errors import ScoringError
from trainer.pseudo_attributes import pseudo_attributes


def clips(ways: list[int], spread: float = 0.1) -> NDArray[np.float32]:
    """Embeddings (N, 16) of any length around one direction for each way of sounding."""
    generator = np.random.default_rng(0)
    directions = np.eye(16)[ways] + spread * generator.standard_normal((len(ways), 16))
    return (directions * generator.uniform(0.5, 20.0, (len(ways), 1))).astype(np.float32)


WAYS = [0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 2, 1]
LABELS = tuple(f"fan_pseudo_{way}" for way in WAYS)


def test_ways_of_sounding_are_found_whatever_the_length_of_the_embeddings() -> None:
    assert pseudo_attributes(clips(WAYS), ["fan"] * 12, clusters=3) == LABELS


def test_the_number_of_clusters_is_found_where_it_is_not_given() -> None:
    assert pseudo_attributes(clips(WAYS), ["fan"] * 12) == LABELS


def test_machines_are_clustered_each_by_itself() -> None:
    embeddings = clips([*WAYS, *WAYS])
    labels = pseudo_attributes(embeddings, ["fan", "pump"] * 12, clusters=2)
    assert set(labels[::2]) == {"fan_pseudo_0", "fan_pseudo_1"}
    assert set(labels[1::2]) == {"pump_pseudo_0", "pump_pseudo_1"}
    assert labels[::2] == pseudo_attributes(embeddings[::2], ["fan"] * 12, clusters=2)


def test_the_same_embeddings_give_the_same_labels() -> None:
    embeddings = np.random.default_rng(1).standard_normal((60, 16)).astype(np.float32)
    machines = ["fan", "pump", "valve"] * 20
    assert pseudo_attributes(embeddings, machines) == pseudo_attributes(embeddings.copy(), machines)


def test_clips_in_another_order_fall_into_the_same_clusters() -> None:
    order = np.random.default_rng(2).permutation(12)
    labels = pseudo_attributes(clips(WAYS)[order], ["fan"] * 12)
    together = {(i, j) for i in range(12) for j in range(12) if labels[i] == labels[j]}
    assert together == {(i, j) for i in range(12) for j in range(12) if WAYS[order[i]] == WAYS[order[j]]}


def test_wards_criterion_joins_the_smaller_clusters_first() -> None:
    """Of two equally distant pairs of clusters the one with fewer clips is joined: Ward weighs by size."""
    ways = [0] * 9 + [1] * 9 + [2] + [3]
    labels = pseudo_attributes(clips(ways, spread=0.0) + np.float32(1e-3), ["fan"] * 20, clusters=3)
    assert labels[18] == labels[19]
    assert len({labels[0], labels[9], labels[18]}) == 3


def test_fewer_clips_than_clusters_are_each_their_own() -> None:
    assert pseudo_attributes(clips([0, 1]), ["fan"] * 2, clusters=16) == ("fan_pseudo_0", "fan_pseudo_1")


def test_one_cluster_may_be_asked_for() -> None:
    assert pseudo_attributes(clips(WAYS), ["fan"] * 12, clusters=1) == ("fan_pseudo_0",) * 12


@pytest.mark.parametrize("count", [1, 2, 5])
def test_clips_that_are_alike_or_too_few_stay_together(count: int) -> None:
    alike = np.ones((count, 4), dtype=np.float32)
    assert pseudo_attributes(alike, ["fan"] * count) == ("fan_pseudo_0",) * count


def test_no_clips_have_no_labels() -> None:
    assert pseudo_attributes(np.zeros((0, 4), dtype=np.float32), []) == ()


def test_the_number_is_found_among_more_clips_than_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.pseudo_attributes.SILHOUETTE_CLIPS", 11)
    ways = WAYS * 4
    assert pseudo_attributes(clips(ways), ["fan"] * 48) == LABELS * 4


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="2 machines of 12 clips"):
        pseudo_attributes(clips(WAYS), ["fan", "fan"])
    with pytest.raises(ValueError, match="0 clusters"):
        pseudo_attributes(clips(WAYS), ["fan"] * 12, clusters=0)
    with pytest.raises(ScoringError, match="clips without attributes"):
        pseudo_attributes(np.zeros((2, 4), dtype=np.float32), ["fan"] * 2)
