"""asdstream references: shown, removed, brought back."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from processes import asdstream_here

from asdstream.audio.flac import encode_flac
from asdstream.store.commissionings import KeptPiece
from asdstream.store.references import NewReference
from asdstream.store.store import Store

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, small_bundle: Path) -> Run:
    """Runs `asdstream references` for a machine that has the references A and B since revision 1."""
    config = tmp_path / "asdstream.toml"
    config.write_text(
        f"""bundle = "{small_bundle}"
[store]
path = "state.db"
[[channels]]
id = "a"
machine = "fan-1"
machine_type = "fan"
source = {{ kind = "mqtt" }}
"""
    )
    vectors = {"audiomae": np.ones((1, 32), np.float32)}
    with closing(Store(tmp_path / "state.db")) as store:
        new = [NewReference(label, f"{label}.wav", b"flac", vectors) for label in "AB"]
        store.references.add("fan-1", new, bundle="hash", actor="ann", at=1.5)

    def invoke(*arguments: str, fails: bool = False) -> str:
        done = asdstream_here("references", *arguments, "-c", config)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return invoke


def test_the_list_names_every_reference_and_every_change(run: Run) -> None:
    facts = json.loads(run("list", "fan-1", "--json"))
    assert facts["revision"] == 1
    assert [(one["label"], one["name"], one["actor"]) for one in facts["references"]] == [
        ("A", "A.wav", "ann"),
        ("B", "B.wav", "ann"),
    ]
    (change,) = facts["revisions"]
    assert (change["at"], change["action"], change["size"]) == ("1970-01-01T00:00:01.500Z", "added 2 references", 2)
    shown = run("list", "fan-1")
    assert "A.wav" in shown
    assert "added 2 references" in shown


def test_the_list_tells_what_is_held_out_and_how_far_a_new_machine_has_learnt(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("list", "fan-1", "--json"))["commissioning"] is None
    vectors = {"audiomae": np.ones((21, 32), np.float32)}
    with closing(Store(tmp_path / "state.db")) as store:
        held_out = NewReference("C", "C.wav", encode_flac(np.zeros(30 * 16_000, np.float32)), vectors, 1.0)
        store.references.add("fan-1", [held_out], bundle="hash", actor="ann", at=2.0)
    facts = json.loads(run("list", "fan-1", "--json"))
    assert facts["held_out"] == {"recordings": 1, "seconds": 30.0}
    assert (facts["references"][-1]["held_out_hop_s"], facts["references"][-1]["seconds"]) == (1.0, 30.0)
    assert "0.5 minutes are held out for the calibration." in run("list", "fan-1")

    config = tmp_path / "asdstream.toml"
    config.write_text(config.read_text() + "commissioning = { listen_s = 600 }\n")
    assert json.loads(run("list", "fan-1", "--json"))["commissioning"] is None, "it has references"
    run("rollback", "fan-1", "0")
    with closing(Store(tmp_path / "state.db")) as store:
        piece = KeptPiece(0, "a", "stretch", 0, 1000.0, 1.0, 51, 0)
        store.commissionings.keep("fan-1", piece, "hash", b"flac", {"audiomae": np.ones((51, 32), np.float32)})
    learning = json.loads(run("list", "fan-1", "--json"))["commissioning"]
    assert (learning["learning"], learning["heard_s"], learning["done"]) == (True, 60.0, 0.1)
    assert "fan-1 is learning: 1 of 10 minutes" in " ".join(run("list", "fan-1").split())
    with closing(Store(tmp_path / "state.db")) as store:
        piece = KeptPiece(0, "a", "stretch", 51, 1051.0, 1.0, 600, 0)
        store.commissionings.keep("fan-1", piece, "hash", b"flac", {"audiomae": np.ones((600, 32), np.float32)})
    longer = "fan-1 is learning: 11 minutes were listened to; what has been heard gives no threshold, so it is"
    assert longer in " ".join(run("list", "fan-1").split())


def test_what_was_removed_comes_back_with_a_rollback_and_both_are_revisions_with_an_actor(run: Run) -> None:
    assert run("remove", "fan-1", "reference/A", "--actor", "bob") == "fan-1 now has 1 references, revision 2.\n"
    back = json.loads(run("rollback", "fan-1", "1", "--actor", "cleo", "--json"))
    assert back == {"machine": "fan-1", "revision": 3, "references": 2}
    changes = json.loads(run("list", "fan-1", "--json"))["revisions"]
    assert [(change["actor"], change["action"]) for change in changes] == [
        ("ann", "added 2 references"),
        ("bob", "removed 1 reference"),
        ("cleo", "rolled back to revision 1"),
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("remove", "fan-1", "A", "C"), 'Machine "fan-1" has no reference C'),
        (("rollback", "fan-1", "7"), "no revision 7 of its references; the newest is 1"),
        (("list", "fan-9"), "the configuration has no such machine; it has fan-1"),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_changes(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in run(*arguments, fails=True)
    assert json.loads(run("list", "fan-1", "--json"))["revision"] == 1


def test_the_sentence_for_a_machine_without_references(run: Run) -> None:
    run("remove", "fan-1", "A", "B")
    assert "fan-1 has no references." in run("list", "fan-1")


def test_what_is_shown_is_neither_cut_nor_taken_for_markup(run: Run, tmp_path: Path) -> None:
    label = "01JD5Z8QK3W4X5Y6Z7A8B9C0D2"
    name = "normal sound of the fan beside the door [red], second shift.wav"
    with closing(Store(tmp_path / "state.db")) as store:
        new = [NewReference(label, name, b"flac", {"audiomae": np.ones((1, 32), np.float32)})]
        store.references.add("fan-1", new, bundle="hash", actor="a foreman with a long name", at=2.0)
    shown = run("list", "fan-1")
    assert label in shown
    assert name in shown


def test_who_only_looks_leaves_no_store_behind(run: Run, tmp_path: Path) -> None:
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    assert json.loads(run("list", "fan-1", "--json"))["revision"] == 0
    assert not list(tmp_path.glob("state.db*")), "it would belong to whoever looked, and not to the daemon"
