"""When within a hop the windows of a channel end: pure, the time is passed in.

Sources that were opened together, as by a start, complete their windows in the same moment, so that the last of them
waits for all the others. Windows that end at moments spread over the hop find the engine free.
"""

from asdstream.audio.window import SAMPLE_RATE

FRAME_SHIFT = 160
"""Windows that lie a multiple of so many samples apart share the frames of their spectrograms."""


def spread_phases(hop_s: float, channels: int) -> list[float]:
    """Seconds after a multiple of the hop at which the windows of each of so many channels end.

    Example:
        >>> spread_phases(1.0, 4)
        [0.0, 0.25, 0.5, 0.75]
    """
    return [hop_s * place / channels for place in range(channels)]


def samples_to_phase(heard: float, phase_s: float, hop: int, block: int) -> int:
    """Samples from a window that ended at the monotonic second `heard` to the next one, at most `hop`.

    That ends `phase_s` after a multiple of the hop, or as near to it as whole blocks of `block` samples come: a window
    that ended within a block would wait for the rest of it.
    """
    unit = max(1, round(block / FRAME_SHIFT)) * FRAME_SHIFT
    samples = round(((phase_s - heard) * SAMPLE_RATE) % hop / unit) * unit
    return samples if 0 < samples < hop else hop
