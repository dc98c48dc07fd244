"""Embeddings of whole recordings, through the very engine that the daemon uses."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.windower import windows_of
from asdstream.bundle import Bundle
from asdstream.engine.embedder import Embedder
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs
from trainer.sound import Recording

BATCH = 16
"""Windows at once."""

Vectors = Mapping[str, NDArray[np.float32]]
"""Unit-length embeddings (windows, D) of one recording, by branch."""


class RecordingEmbedder:
    """Embeds recordings with the encoders of a bundle as the daemon would, from the weights as they are stored.

    Always in float32, so that a bundle does not depend on the machine that made it.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None) -> None:
        self._engine: Engine = Embedder(bundle, device=device, precision="float32", threads=threads, max_batch=BATCH)

    def embed(
        self,
        recordings: Iterable[Recording],
        hop_seconds: float,
        on_recording: Callable[[], None] | None = None,
        separate_as: SeparateAs | None = None,
    ) -> list[Vectors]:
        """Embeddings of every window of every recording, separated first where `separate_as` tells so.

        Raises AudioError for a recording that cannot be used, and EngineError where the bundle has no separator for
        the type.
        """
        found: list[Vectors] = []
        for recording in recordings:
            found.append(self._engine.embed_samples(windows_of(recording.read(), hop_seconds), separate_as))
            if on_recording is not None:
                on_recording()
        return found
