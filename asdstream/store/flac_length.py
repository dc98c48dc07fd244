"""How long a FLAC recording is, from its first bytes."""

HEADER_BYTES = 42
"""The marker, the head of the first block, and the block, which is the one that tells (RFC 9639, 8.2)."""


def flac_seconds(head: bytes | None) -> float | None:
    """Seconds of the recording that begins with `head`; None where that is no FLAC, does not say, or is not there."""
    if head is None or len(head) < HEADER_BYTES or head[:4] != b"fLaC":
        return None
    packed = int.from_bytes(head[18:26], "big")
    sample_rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / sample_rate if sample_rate and samples else None
