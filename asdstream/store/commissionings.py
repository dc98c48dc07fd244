"""What is kept of machines that are being listened to, and what was reported of those that have been.

Pieces of sound are kept as they come, so that a restart goes on from there. References made of them are put in one by
one and stay unseen until all are there; then they appear, the report with them, and the pieces go, in one transaction.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.store.database import Database, StoreError
from asdstream.store.references import NewReference, References, Vectors


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """A piece of sound of `windows` windows; `first`, `at`, `hop_s` and `unusable` as in `scoring.listening.Piece`."""

    id: int
    channel: str
    stretch: str
    first: int
    at: float
    hop_s: float
    windows: int
    unusable: int

    @property
    def seconds(self) -> float:
        """Of its sound."""
        return self.windows * self.hop_s + (WINDOW_SECONDS - self.hop_s if self.first == 0 else 0.0)


class Commissionings:
    """The listening of all machines."""

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references

    def keep(self, machine: str, piece: KeptPiece, maker: str, audio: bytes, vectors: Vectors) -> None:
        """Keep `piece`, whose id is given here, with its sound as FLAC and the vectors that `maker` made of it."""
        self._references.find_room([NewReference(piece.stretch, piece.channel, audio, vectors)])
        with self._database.transaction() as connection:
            made = connection.execute(
                "INSERT INTO commissioning_piece"
                " (machine, channel, stretch, first, at, hop_s, windows, unusable, maker, audio)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(machine, piece.channel, piece.stretch, piece.first, piece.at, piece.hop_s),
                    *(piece.windows, piece.unusable, maker, audio),
                ),
            ).lastrowid
            connection.executemany(
                "INSERT INTO commissioning_vectors VALUES (?, ?, ?)",
                [(made, branch, np.ascontiguousarray(rows, "<f4").tobytes()) for branch, rows in vectors.items()],
            )

    def pieces(self, machine: str) -> list[KeptPiece]:
        """All that are kept, in the order in which they came."""
        rows = self._database.read(
            "SELECT id, channel, stretch, first, at, hop_s, windows, unusable FROM commissioning_piece"
            " WHERE machine = ? ORDER BY id",
            (machine,),
        )
        return [KeptPiece(*row) for row in rows]

    def vectors(self, piece: KeptPiece) -> dict[str, NDArray[np.float32]]:
        """By branch, float32 (windows, D)."""
        rows = self._database.read("SELECT branch, vectors FROM commissioning_vectors WHERE piece = ?", (piece.id,))
        return {branch: np.frombuffer(blob, "<f4").reshape(piece.windows, -1) for branch, blob in rows}

    def audio(self, piece: KeptPiece) -> bytes:
        """The sound as FLAC."""
        rows = self._database.read("SELECT audio FROM commissioning_piece WHERE id = ?", (piece.id,))
        if not rows:
            raise StoreError(f"The sound of channel {piece.channel} that was kept is gone; it is listened to again")
        return bytes(rows[0][0])

    def forget(self, machine: str) -> None:
        """Let go of all pieces, and of references that were put in and never appeared."""
        with self._database.transaction() as connection:
            _let_go(connection, _all(connection, machine))
        self._references.forget_unseen(machine)

    def machines(self) -> list[str]:
        """Machines of which pieces are kept."""
        rows = self._database.read("SELECT DISTINCT machine FROM commissioning_piece ORDER BY machine")
        return [machine for (machine,) in rows]

    def unlike(self, machine: str, maker: str, hops: Mapping[str, float]) -> set[int]:
        """The ids of pieces of other channels or hops than `hops` has, or made by another than `maker`."""
        rows = self._database.read(
            "SELECT id, channel, hop_s, maker FROM commissioning_piece WHERE machine = ?", (machine,)
        )
        return {number for number, channel, hop_s, made_by in rows if made_by != maker or hops.get(channel) != hop_s}

    def let_go(self, pieces: Collection[int]) -> None:
        """Of some pieces, by their ids."""
        with self._database.transaction() as connection:
            _let_go(connection, sorted(pieces))

    def conclude(
        self,
        machine: str,
        labels: Sequence[str],
        report: str,
        *,
        actor: str,
        at: float,
        held_out_at_most_s: float,
    ) -> int:
        """Let the references `labels` appear, keep the report, let go of the pieces; the new revision.

        Raises StoreError where the machine has references by now: it has been taught otherwise.
        """
        with self._database.transaction() as connection:
            if self._references.entries(machine):
                raise StoreError(f'Machine "{machine}" has been given references while it was listened to')
            revision = self._references.reveal(connection, machine, labels, actor, at, held_out_at_most_s)
            connection.execute("INSERT OR REPLACE INTO commissioning_report VALUES (?, ?)", (machine, report))
            _let_go(connection, _all(connection, machine))
        return revision

    def report(self, machine: str) -> str | None:
        """What was reported last, as it was given."""
        rows = self._database.read("SELECT report FROM commissioning_report WHERE machine = ?", (machine,))
        return str(rows[0][0]) if rows else None


def _all(connection: sqlite3.Connection, machine: str) -> list[int]:
    rows = connection.execute("SELECT id FROM commissioning_piece WHERE machine = ?", (machine,))
    return [number for (number,) in rows]


def _let_go(connection: sqlite3.Connection, pieces: Sequence[int]) -> None:
    numbers = [(number,) for number in pieces]
    connection.executemany("DELETE FROM commissioning_vectors WHERE piece = ?", numbers)
    connection.executemany("DELETE FROM commissioning_piece WHERE id = ?", numbers)
