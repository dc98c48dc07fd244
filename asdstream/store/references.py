"""Reference recordings of the place where the box stands, with their audio, their vectors and their history.

Every change makes a new revision of the machine's set and no reference is deleted, so that any earlier set can be had
back; only of what is held out for the calibration, which may be hours, the oldest goes when there is too much. The
audio is kept so that another bundle can embed it again; vectors are kept per bundle. When there is no room those of
other bundles go, and then audio that can be spared (`References.give_up`).
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asdstream.store.database import Database, StoreError
from asdstream.store.flac_length import HEADER_BYTES, flac_seconds

MAX_AUDIO_BYTES = 64 * 1024 * 1024
MB = 1_000_000

Vectors = Mapping[str, NDArray[np.float32]]
"""By branch, float32 of shape (windows, D)."""


@dataclass(frozen=True, slots=True, eq=False)
class NewReference:
    """A recording to be added: `label` is a ULID, `audio` is FLAC, `name` says where it came from.

    With a `held_out_hop_s` it is held out for the calibration, which hears its windows at that hop.
    """

    label: str
    name: str
    audio: bytes
    vectors: Vectors = field(default_factory=dict)
    held_out_hop_s: float | None = None


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """A reference in the present set; `revision` is the one it came with, `at` UTC seconds, `audio_bytes` a size.

    `held_out_hop_s` as in `NewReference`; `seconds` is how long it is, None where its audio does not say. Where its
    sound was given up for lack of room `audio_bytes` is 0.
    """

    label: str
    machine: str
    name: str
    revision: int
    at: float
    actor: str
    audio_bytes: int
    held_out_hop_s: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of a machine's set; `size` is the number of references after it."""

    machine: str
    revision: int
    at: float
    actor: str
    action: str
    size: int


class References:
    """The reference sets of all machines."""

    def __init__(self, database: Database, max_bytes: int | None = None) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._bundles: set[str] = set()
        """Whose vectors were asked for or put in since the start, whatever the sound was separated by."""

    def add(
        self,
        machine: str,
        references: Sequence[NewReference],
        *,
        bundle: str,
        actor: str,
        at: float,
        held_out_at_most_s: float | None = None,
    ) -> int:
        """Add recordings whose vectors were made by the bundle with the hash `bundle`; returns the new revision.

        Of what is held out for the calibration of the machine, the oldest goes for good where it is more than
        `held_out_at_most_s` seconds with them; what is no longer in the present set goes first.
        """
        if not references:
            raise StoreError("There is no reference to add; give at least one recording")
        for reference in references:
            _refuse_size(reference)
        self._bundles.add(_hash_of(bundle))
        self.find_room(references)
        with self._database.transaction() as connection:
            for reference in references:
                _insert(connection, machine, reference, {bundle: reference.vectors})
            labels = [reference.label for reference in references]
            return self.reveal(connection, machine, labels, actor, at, held_out_at_most_s)

    def put_unseen(self, machine: str, reference: NewReference, made: Mapping[str, Vectors]) -> None:
        """Put a recording in that belongs to no revision until it is revealed, with its vectors by bundle."""
        _refuse_size(reference)
        self._bundles |= {_hash_of(bundle) for bundle in made}
        self.find_room([reference])
        with self._database.transaction() as connection:
            _insert(connection, machine, reference, made)

    def reveal(
        self,
        connection: sqlite3.Connection,
        machine: str,
        labels: Sequence[str],
        actor: str,
        at: float,
        held_out_at_most_s: float | None = None,
    ) -> int:
        """Within a transaction: make recordings that were put in part of the present set; returns the new revision."""
        let_go = _too_much(connection, machine, set(labels), held_out_at_most_s)
        revision = self._new_revision(connection, machine, at, actor, _added(connection, labels, len(let_go)))
        connection.executemany(
            "INSERT INTO reference_span VALUES (?, ?, ?, NULL)", [(label, machine, revision) for label in labels]
        )
        _delete(connection, let_go)
        return revision

    def forget_unseen(self, machine: str) -> None:
        """Delete recordings that were put in and never revealed."""
        with self._database.transaction() as connection:
            unseen = connection.execute(
                "SELECT label FROM reference WHERE machine = ? AND label NOT IN (SELECT label FROM reference_span)",
                (machine,),
            ).fetchall()
            _delete(connection, [label for (label,) in unseen])

    def remove(self, machine: str, labels: Iterable[str], *, actor: str, at: float) -> int:
        """Take references out of the present set; returns the new revision. All must be in it."""
        wanted = set(labels)
        with self._database.transaction() as connection:
            present = _members(connection, machine)
            unknown = sorted(wanted - present)
            if unknown or not wanted:
                raise StoreError(
                    f'Machine "{machine}" has no reference {unknown[0]}; see its list'
                    if unknown
                    else "There is no reference to remove; name at least one"
                )
            revision = self._new_revision(connection, machine, at, actor, f"removed {_many(len(wanted))}")
            _end_spans(connection, wanted, revision)
        return revision

    def rollback(self, machine: str, revision: int, *, actor: str, at: float) -> int:
        """Make the set what it was at `revision` (0: none at all); returns the new revision."""
        with self._database.transaction() as connection:
            newest = _newest(connection, machine)
            if not 0 <= revision <= newest:
                raise StoreError(
                    f'Machine "{machine}" has no revision {revision} of its references; the newest is {newest}'
                )
            present, wanted = _members(connection, machine), _members(connection, machine, revision)
            made = self._new_revision(connection, machine, at, actor, f"rolled back to revision {revision}")
            _end_spans(connection, present - wanted, made)
            connection.executemany(
                "INSERT INTO reference_span VALUES (?, ?, ?, NULL)",
                [(label, machine, made) for label in sorted(wanted - present)],
            )
        return made

    def machines(self) -> list[str]:
        """Machines whose present set is not empty."""
        rows = self._database.read("SELECT DISTINCT machine FROM reference_span WHERE until IS NULL ORDER BY machine")
        return [machine for (machine,) in rows]

    def entries(self, machine: str) -> list[ReferenceEntry]:
        """The present set, oldest first."""
        rows = self._database.read(
            "SELECT label, machine, name, since, at, actor, length(audio), hop_s, substr(audio, 1, ?)"
            " FROM reference_span"
            " JOIN reference USING (label, machine) JOIN reference_revision USING (machine)"
            " LEFT JOIN reference_held_out USING (label)"
            " WHERE machine = ? AND until IS NULL AND revision = since ORDER BY since, label",
            (HEADER_BYTES, machine),
        )
        return [
            ReferenceEntry(label, of, name, revision, at, actor, size, hop_s, flac_seconds(header))
            for label, of, name, revision, at, actor, size, hop_s, header in rows
        ]

    def revisions(self, machine: str) -> list[Revision]:
        """Every change, oldest first."""
        rows = self._database.read(
            "SELECT machine, revision, at, actor, action, (SELECT count(*) FROM reference_span AS span"
            " WHERE span.machine = change.machine AND since <= revision AND (until IS NULL OR until > revision))"
            " FROM reference_revision AS change WHERE machine = ? ORDER BY revision",
            (machine,),
        )
        return [Revision(*row) for row in rows]

    def audio(self, label: str) -> bytes:
        """The recording as FLAC, also of a reference that was removed."""
        rows = self._database.read("SELECT audio FROM reference WHERE label = ?", (label,))
        if not rows:
            raise StoreError(f"There is no reference {label}")
        if not rows[0][0]:
            raise StoreError(f"The sound of reference {label} was given up when the store was full; enrol it again")
        return bytes(rows[0][0])

    def give_up(self, count: int) -> dict[str, int]:
        """Forget what can be spared until `count` bytes are free or none is left.

        The bytes freed by what they were, "vectors" and "sound", in the order in which they go.
        """
        freed: dict[str, int] = {}
        for what, give_up in (("vectors", self._give_up_vectors), ("sound", self._give_up_sound)):
            left = count - sum(freed.values())
            freed[what] = give_up(left) if left > 0 else 0
        return freed

    def _give_up_vectors(self, count: int) -> int:
        """Forget vectors of bundles that this process does not use, oldest first, as `_give_up_sound`.

        Only of references whose sound is kept, from which those bundles can make them again.
        """
        if not self._bundles:
            return 0
        rows = self._database.read(
            "SELECT reference_vectors.rowid, bundle, length(vectors) FROM reference_vectors"
            " JOIN reference USING (label) WHERE length(audio) > 0 ORDER BY reference_vectors.rowid"
        )
        unused = [(number, size) for number, bundle, size in rows if _hash_of(bundle) not in self._bundles]
        given_up, freed = _oldest(unused, count)
        if given_up:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM reference_vectors WHERE rowid = ?", given_up)
        return freed

    def _give_up_sound(self, count: int) -> int:
        """Forget sound that can be spared, oldest first, until `count` bytes are free or none is left; the bytes freed.

        First that of references that are in no present set, then that of what is held out for the calibration. Their
        vectors stay: only a bundle that has not embedded them yet misses the sound. References that are in use keep it.
        """
        rows = self._database.read(
            "SELECT label, length(audio), max(until IS NULL) AS used FROM reference JOIN reference_span USING (label)"
            " WHERE length(audio) > 0 GROUP BY label"
            " HAVING NOT used OR EXISTS (SELECT 1 FROM reference_held_out AS held WHERE held.label = reference.label)"
            " ORDER BY used, label"
        )
        # Labels are ULIDs, so their order is that of time.
        given_up, freed = _oldest([(label, size) for label, size, _ in rows], count)
        if given_up:
            with self._database.transaction() as connection:
                connection.executemany("UPDATE reference SET audio = x'' WHERE label = ?", given_up)
        return freed

    def vectors(self, machine: str, bundle: str) -> dict[str, Vectors]:
        """By label, the vectors that `bundle` made of the present set; those it has not embedded yet are absent."""
        self._bundles.add(_hash_of(bundle))
        rows = self._database.read(
            "SELECT label, branch, count, vectors FROM reference_vectors JOIN reference_span USING (label)"
            " WHERE machine = ? AND until IS NULL AND bundle = ? ORDER BY since, label, branch",
            (machine, bundle),
        )
        found: dict[str, dict[str, NDArray[np.float32]]] = {}
        for label, branch, count, blob in rows:
            values = np.frombuffer(blob, "<f4").reshape(count, -1)
            values.setflags(write=False)
            found.setdefault(label, {})[branch] = values
        return dict(found)

    def put_vectors(self, label: str, bundle: str, vectors: Vectors) -> None:
        """Keep what another bundle makes of a reference."""
        self._bundles.add(_hash_of(bundle))
        with self._database.transaction() as connection:
            _put_vectors(connection, label, bundle, vectors)

    def find_room(self, references: Sequence[NewReference]) -> None:
        """Give up what can be spared, where there is no room for these; StoreError where that is too little."""
        if self._max_bytes is None:
            return
        needed = sum(
            len(reference.audio) + sum(rows.nbytes for rows in reference.vectors.values()) for reference in references
        )
        over = self._database.used_bytes + needed - self._max_bytes
        if over > sum(self.give_up(over).values()):
            raise StoreError(
                f"{_many(len(references))} of {needed / MB:.1f} MB would make the store larger than the "
                f"{self._max_bytes / MB:.1f} MB of store.max_bytes: raise it, or remove references that are not needed"
            )

    def _new_revision(self, connection: sqlite3.Connection, machine: str, at: float, actor: str, action: str) -> int:
        revision = _newest(connection, machine) + 1
        connection.execute(
            "INSERT INTO reference_revision VALUES (?, ?, ?, ?, ?)", (machine, revision, at, actor, action)
        )
        return revision


def _hash_of(bundle: str) -> str:
    """Without the separator, which follows the bundle's hash and a + where the sound was separated."""
    return bundle.partition("+")[0]


def _oldest(rows: Iterable[tuple[int | str, int]], count: int) -> tuple[list[tuple[int | str]], int]:
    """As many of the rows, each with its size, as it takes to free `count` bytes; and the bytes that they free."""
    taken: list[tuple[int | str]] = []
    freed = 0
    for one, size in rows:
        if freed >= count:
            break
        taken.append((one,))
        freed += size
    return taken, freed


def _newest(connection: sqlite3.Connection, machine: str) -> int:
    query = "SELECT coalesce(max(revision), 0) FROM reference_revision WHERE machine = ?"
    return int(connection.execute(query, (machine,)).fetchone()[0])


def _members(connection: sqlite3.Connection, machine: str, revision: int | None = None) -> set[str]:
    """Labels of the set at `revision`, by default the present one."""
    rows = connection.execute("SELECT label, since, until FROM reference_span WHERE machine = ?", (machine,))
    return {
        label
        for label, since, until in rows
        if (until is None if revision is None else since <= revision and (until is None or until > revision))
    }


def _end_spans(connection: sqlite3.Connection, labels: Iterable[str], revision: int) -> None:
    connection.executemany(
        "UPDATE reference_span SET until = ? WHERE label = ? AND until IS NULL",
        [(revision, label) for label in sorted(labels)],
    )


def _put_vectors(connection: sqlite3.Connection, label: str, bundle: str, vectors: Vectors) -> None:
    for branch, values in vectors.items():
        if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
            raise StoreError(
                f"The vectors of reference {label}, branch {branch}, should be finite and of shape (windows, D), "
                f"not of shape {values.shape}"
            )
        connection.execute(
            "INSERT OR REPLACE INTO reference_vectors VALUES (?, ?, ?, ?, ?)",
            (label, bundle, branch, len(values), np.ascontiguousarray(values, "<f4").tobytes()),
        )


def _many(count: int) -> str:
    return "1 reference" if count == 1 else f"{count} references"


def _added(connection: sqlite3.Connection, labels: Sequence[str], let_go: int) -> str:
    held_out = {label for (label,) in connection.execute("SELECT label FROM reference_held_out")} & set(labels)
    said = f"added {_many(len(labels))}"
    if held_out:
        said += f", {len(held_out)} held out for the calibration"
    if let_go:
        said += f"; {let_go} held out before are gone, the oldest"
    return said


def _refuse_size(reference: NewReference) -> None:
    if not 0 < len(reference.audio) <= MAX_AUDIO_BYTES:
        raise StoreError(
            f"The audio of reference {reference.name} is {len(reference.audio)} bytes long; "
            f"it should be between 1 and {MAX_AUDIO_BYTES}"
        )


def _insert(connection: sqlite3.Connection, machine: str, reference: NewReference, made: Mapping[str, Vectors]) -> None:
    connection.execute(
        "INSERT INTO reference VALUES (?, ?, ?, ?)", (reference.label, machine, reference.name, reference.audio)
    )
    if reference.held_out_hop_s is not None:
        connection.execute("INSERT INTO reference_held_out VALUES (?, ?)", (reference.label, reference.held_out_hop_s))
    for bundle, vectors in made.items():
        _put_vectors(connection, reference.label, bundle, vectors)


def _too_much(connection: sqlite3.Connection, machine: str, new: set[str], at_most_s: float | None) -> list[str]:
    """What must go of the sound held out before, so that all together is at most so many seconds; `new` stays."""
    if at_most_s is None:
        return []
    rows = connection.execute(
        "SELECT label, substr(audio, 1, ?) FROM reference JOIN reference_held_out USING (label) WHERE machine = ?",
        (HEADER_BYTES, machine),
    )
    seconds = {label: flac_seconds(head) or 0.0 for label, head in rows}
    present, total, gone = _members(connection, machine), sum(seconds.values()), []
    # Labels are ULIDs, so their order is that of time.
    for label in sorted(seconds.keys() - new, key=lambda one: (one in present, one)):
        if total <= at_most_s:
            break
        total -= seconds[label]
        gone.append(label)
    return gone


def _delete(connection: sqlite3.Connection, labels: Sequence[str]) -> None:
    for statement in (
        "DELETE FROM reference_vectors WHERE label = ?",
        "DELETE FROM reference_held_out WHERE label = ?",
        "DELETE FROM reference_span WHERE label = ?",
        "DELETE FROM reference WHERE label = ?",
    ):
        connection.executemany(statement, [(label,) for label in labels])
