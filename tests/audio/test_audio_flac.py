"""Sound as FLAC and back."""

import subprocess
import sys

import numpy as np
import pytest

from asdstream.audio.flac import decode_flac, encode_flac
from asdstream.audio.source import AudioError


def test_integers_come_back_as_they_were_and_floats_to_24_bits() -> None:
    rng = np.random.default_rng(0)
    integers = rng.integers(-32_768, 32_768, 5_000).astype(np.int16)
    np.testing.assert_array_equal(decode_flac(encode_flac(integers)) * 32_768, integers)
    floats = rng.uniform(-0.99, 0.99, 5_000).astype(np.float32)
    np.testing.assert_allclose(decode_flac(encode_flac(floats)), floats, atol=2**-22)
    loud = decode_flac(encode_flac(np.float32([3.0, -3.0] * 50)))
    assert loud.max() > 0.99, "what is louder than full scale is clipped, not wrapped round"
    assert loud[0] > 0


@pytest.mark.parametrize(("at_most", "first", "last"), [(100, 450, 549), (1_000, 0, 999), (5_000, 0, 999)])
def test_of_a_longer_recording_the_middle_is_decoded(at_most: int, first: int, last: int) -> None:
    found = decode_flac(encode_flac(np.arange(1_000, dtype=np.int16)), at_most=at_most) * 32_768
    assert (found[0], found[-1]) == (first, last)


def test_what_is_damaged_is_said_in_a_sentence() -> None:
    with pytest.raises(AudioError, match="sound that was kept as FLAC is damaged"):
        decode_flac(b"fLaC, once")


def test_libsndfile_is_loaded_by_the_first_who_needs_it() -> None:
    code = "import sys, asdstream.audio.flac; sys.exit('soundfile' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
