"""16 kHz mono as FLAC and back: how sound is kept."""

import io

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.source import AudioError
from asdstream.audio.window import SAMPLE_RATE


def encode_flac(samples: NDArray[np.float32] | NDArray[np.int16]) -> bytes:
    """16 kHz mono `samples` (n,) as FLAC: integers with their 16 bits, as they are.

    Floats nominally in [-1, 1] get 24 bits, which no later embedding can tell from the original.
    """
    # libsndfile is slow to load, and who imports this may never encode anything.
    import soundfile

    buffer = io.BytesIO()
    subtype = "PCM_16" if samples.dtype == np.int16 else "PCM_24"
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype=subtype)
    return buffer.getvalue()


def decode_flac(flac: bytes, at_most: int | None = None) -> NDArray[np.float32]:
    """The samples (n,) of 16 kHz mono `flac`, in [-1, 1); those in the middle where there are more than `at_most`.

    Raises AudioError where it cannot be decoded.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(flac)) as file:
            if at_most is not None:
                file.seek(max(0, (file.frames - at_most) // 2))
            samples: NDArray[np.float32] = file.read(-1 if at_most is None else at_most, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise AudioError(f"sound that was kept as FLAC is damaged: {error.error_string}") from error
    return samples
