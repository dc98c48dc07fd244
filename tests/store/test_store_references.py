import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdstream.store.database import StoreError
from asdstream.store.references import NewReference, References
from asdstream.store.store import Store


@pytest.fixture
def references(tmp_path: Path) -> Iterator[References]:
    store = Store(tmp_path / "a.db")
    yield store.references
    store.close()


def recording(label: str, windows: int = 1) -> NewReference:
    values = np.arange(windows * 4, dtype=np.float32).reshape(windows, 4)
    return NewReference(label, f"{label}.wav", b"fLaC" + label.encode(), {"audiomae": values})


def add(references: References, *labels: str, machine: str = "pump") -> int:
    return references.add(machine, [recording(label) for label in labels], bundle="b1", actor="anna", at=100.5)


def labels(references: References, machine: str = "pump") -> list[str]:
    return [entry.label for entry in references.entries(machine)]


def test_references_are_kept_with_audio_actor_and_time(references: References) -> None:
    assert add(references, "A") == 1
    (entry,) = references.entries("pump")
    assert (entry.label, entry.machine, entry.name, entry.revision) == ("A", "pump", "A.wav", 1)
    assert (entry.actor, entry.at, entry.audio_bytes) == ("anna", 100.5, 5)
    assert references.audio("A") == b"fLaCA"
    assert references.machines() == ["pump"]


def test_vectors_come_back_as_they_were(references: References) -> None:
    references.add("pump", [recording("A", 3)], bundle="b1", actor="anna", at=1.0)
    found = references.vectors("pump", "b1")["A"]["audiomae"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, recording("A", 3).vectors["audiomae"])
    assert not found.flags.writeable


def test_another_bundle_has_its_own_vectors(references: References) -> None:
    add(references, "A", "B")
    assert references.vectors("pump", "b2") == {}
    references.put_vectors("A", "b2", {"beats": np.ones((1, 2), np.float32)})
    assert list(references.vectors("pump", "b2")) == ["A"]
    assert list(references.vectors("pump", "b1")) == ["A", "B"]


def test_machines_do_not_share_references(references: References) -> None:
    add(references, "A")
    assert add(references, "B", machine="fan") == 1
    assert (labels(references), labels(references, "fan")) == (["A"], ["B"])


def test_every_change_is_a_revision_and_any_can_be_had_back(references: References) -> None:
    add(references, "A", "B")
    add(references, "C")
    assert references.remove("pump", ["A"], actor="ben", at=200.0) == 3
    assert labels(references) == ["B", "C"]
    assert list(references.vectors("pump", "b1")) == ["B", "C"]
    assert references.rollback("pump", 1, actor="anna", at=300.0) == 4
    assert sorted(labels(references)) == ["A", "B"]
    assert references.rollback("pump", 3, actor="anna", at=400.0) == 5
    assert sorted(labels(references)) == ["B", "C"]
    assert references.rollback("pump", 0, actor="anna", at=500.0) == 6
    assert labels(references) == []
    assert [(change.revision, change.actor, change.action, change.size) for change in references.revisions("pump")] == [
        (1, "anna", "added 2 references", 2),
        (2, "anna", "added 1 reference", 3),
        (3, "ben", "removed 1 reference", 2),
        (4, "anna", "rolled back to revision 1", 2),
        (5, "anna", "rolled back to revision 3", 2),
        (6, "anna", "rolled back to revision 0", 0),
    ]
    assert references.audio("A") == b"fLaCA"


def test_what_cannot_be_removed_or_rolled_back_changes_nothing(references: References) -> None:
    add(references, "A")
    with pytest.raises(StoreError, match='Machine "pump" has no reference Z'):
        references.remove("pump", ["A", "Z"], actor="ben", at=1.0)
    with pytest.raises(StoreError, match="There is no reference to remove"):
        references.remove("pump", [], actor="ben", at=1.0)
    with pytest.raises(StoreError, match='Machine "pump" has no revision 7 of its references; the newest is 1'):
        references.rollback("pump", 7, actor="ben", at=1.0)
    assert labels(references) == ["A"]
    assert len(references.revisions("pump")) == 1


@pytest.mark.parametrize(
    "spoiled", [np.full((1, 4), np.nan, np.float32), np.zeros(4, np.float32), np.zeros((0, 4), np.float32)]
)
def test_a_spoiled_vector_spoils_nothing_else(references: References, spoiled: np.ndarray) -> None:
    bad = NewReference("B", "b.wav", b"fLaC", {"audiomae": spoiled})
    with pytest.raises(StoreError, match="should be finite and of shape"):
        references.add("pump", [recording("A"), bad], bundle="b1", actor="anna", at=1.0)
    assert labels(references) == []
    assert references.revisions("pump") == []


def test_a_reference_without_audio_or_none_at_all_is_refused(references: References) -> None:
    with pytest.raises(StoreError, match="should be between 1 and"):
        references.add("pump", [NewReference("A", "a", b"")], bundle="b1", actor="anna", at=1.0)
    with pytest.raises(StoreError, match="give at least one recording"):
        references.add("pump", [], bundle="b1", actor="anna", at=1.0)
    with pytest.raises(StoreError, match="There is no reference Q"):
        references.audio("Q")


def test_a_label_is_used_once(references: References) -> None:
    add(references, "A")
    with pytest.raises(StoreError, match="cannot be written"):
        add(references, "A", machine="fan")


def test_of_what_is_held_out_the_oldest_goes_where_it_is_too_much_and_what_is_no_longer_used_before_that(
    tmp_path: Path,
) -> None:
    vectors = {"audiomae": np.ones((1, 4), np.float32)}
    minute = io.BytesIO()
    soundfile.write(minute, np.zeros(60 * 16_000, np.float32), 16_000, format="FLAC", subtype="PCM_24")
    with closing(Store(tmp_path / "state.db")) as store:

        def hold_out(label: str, at_most_s: float | None) -> list[str]:
            new = NewReference(label, label, minute.getvalue(), vectors, 1.0)
            store.references.add("fan", [new], bundle="b", actor="ann", at=1.0, held_out_at_most_s=at_most_s)
            return [entry.label for entry in store.references.entries("fan")]

        store.references.add("fan", [NewReference("0", "enrolled", b"flac", vectors)], bundle="b", actor="ann", at=1.0)
        for label in "123":
            hold_out(label, None)
        store.references.remove("fan", ["2"], actor="ann", at=2.0)
        assert hold_out("4", 180.0) == ["0", "1", "3", "4"], "2 went, which was not in use"
        assert hold_out("5", 120.0) == ["0", "4", "5"]
        assert hold_out("6", 1.0) == ["0", "6"], "what comes in stays"
        assert store.references.revisions("fan")[-1].action == (
            "added 1 reference, 1 held out for the calibration; 2 held out before are gone, the oldest"
        )
        store.references.rollback("fan", 4, actor="ann", at=3.0)
        assert [entry.label for entry in store.references.entries("fan")] == ["0"], "the earlier sets lack them, too"
        with pytest.raises(StoreError, match="no reference 2"):
            store.references.audio("2")
