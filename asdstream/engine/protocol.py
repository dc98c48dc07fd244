"""The boundary behind which the networks run: here in this process, or elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window
from asdstream.bundle import Branch, FusedBranch
from asdstream.engine.embedding import Embedding
from asdstream.engine.patch_grid import PatchGrid
from asdstream.engine.separate_as import SeparateAs


class SampleEmbedder(Protocol):
    """What is needed to embed recordings."""

    def embed_samples(
        self, samples: NDArray[np.float32], separate_as: SeparateAs | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Windows (B, 160000) at 16 kHz, nominally in [-1, 1], to unit-length embeddings (B, D) by branch.

        They are separated first where `separate_as` tells so, as by `Engine.embed`. Raises EmbeddingError and
        EngineError as that does, and EngineError for another shape.
        """


class Reconstructor(Protocol):
    """What is needed to see where a sound is not as the networks expect it."""

    @property
    def patches(self) -> PatchGrid | None:
        """In what `reconstruction_errors` divides a window; None where the bundle has no decoder. From any thread."""

    def reconstruction_errors(self, samples: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
        """Windows (B, 160000) to errors (B, times, bands): by how many dB each patch is louder than it was drawn.

        NaN where the patch was shown to the network in this `turn`, of those that `patches` tells. There must be
        `patches`.
        """


class Engine(SampleEmbedder, Reconstructor, Protocol):
    """Separates and embeds sound. Used by one thread at a time.

    All else in the house knows only this, so that it need not know where the networks are; `Embedder` is the one that
    runs them in this process. What an implementation remembers of earlier windows makes later ones cheaper; it may be
    lost at any time, as by a restart.
    """

    @property
    def branches(self) -> Sequence[Branch | FusedBranch]:
        """What each embedding consists of, in order."""

    def device_memory(self) -> int | None:
        """Bytes that the networks take of a device that has memory of its own; None where they run beside all else."""

    def warm_up(self, batches: Sequence[int] = (1,), separate_as: Iterable[SeparateAs] = ()) -> float:
        """Run each of these batch sizes, and the separators that these need, once; returns the seconds taken.

        No window pays for the first run then.
        """

    def lanes(self, within_s: float) -> int:
        """How many batches `begin` takes side by side, a window alone in one taking less than `within_s`.

        1 where there is only one after the other, or where all together are needed for a window to be done by then. As
        the latest warm-up found.
        """

    def begin(
        self, windows: Sequence[Window], separate_as: Mapping[str, SeparateAs] | None = None
    ) -> Future[list[Embedding]]:
        """As `embed`, on a lane of its own while others are under way; what that raises is in the future.

        No more are to be under way than there are lanes, of which there must be several, and no channel in two of them.
        """

    def separate(self, chunks: NDArray[np.float32], machine_type: str) -> NDArray[np.float32]:
        """What of chunks (B, N) at 16 kHz is a machine of this type, (B, N), as loud as it is in them.

        Raises EngineError where the bundle has no separator for the type.
        """

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, SeparateAs] | None = None) -> list[Embedding]:
        """One embedding per window, in order.

        `separate_as` tells, for channels whose sound is separated first, the machine type to separate it as. Where that
        is to be done both ways, the embedding has each branch twice, the separated one's name followed by `SEPARATED`.

        Raises EmbeddingError, naming the windows, where samples or an embedding are not finite, and EngineError where
        the bundle has no separator for a type.
        """
