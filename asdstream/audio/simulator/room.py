"""The room between machine and microphone: direct sound, early reflections, a decaying tail."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.resonance import unit_energy

ROOM_SECONDS = 0.5
SPEED_OF_SOUND = 343.0


@dataclass(frozen=True, slots=True)
class RoomKind:
    """Shortest and longest edge in metres, reverberation time in seconds, distance to the microphone in metres."""

    edges_m: tuple[float, float]
    reverberation_s: tuple[float, float]
    distance_m: tuple[float, float]


ROOMS: Final[dict[str, RoomKind]] = {
    "free": RoomKind((1e4, 1e4), (0.01, 0.01), (0.3, 1.0)),
    "cabin": RoomKind((2.0, 4.0), (0.15, 0.35), (0.3, 0.8)),
    "workshop": RoomKind((4.0, 12.0), (0.4, 0.9), (0.4, 1.2)),
    "hall": RoomKind((12.0, 60.0), (0.9, 1.8), (0.4, 1.5)),
}


def rooms() -> tuple[str, ...]:
    return tuple(ROOMS)


def room_response(name: str, identity: int, sample_rate: int) -> NDArray[np.float64]:
    """Impulse response of the room called `name` at the place of machine `identity`, (0.5 sample_rate,), unit energy.

    Reflections up to the third order come from the image sources of a box (Allen and Berkley, 1979); after them
    stands Gaussian noise that decays with the reverberation time, faster at high frequencies, where air and walls
    take more.
    """
    size = round(ROOM_SECONDS * sample_rate)
    response = np.zeros(size)
    response[0] = 1.0
    kind = ROOMS[name]
    if name == "free":
        return response
    rng = generator("room", name, identity)
    edges = np.sort(rng.uniform(*kind.edges_m, 3))[::-1]
    edges[2] = min(edges[2], 0.4 * edges[0] + 1.5)
    reverberation = rng.uniform(*kind.reverberation_s)
    distance = rng.uniform(*kind.distance_m)
    surface = 2.0 * (edges[0] * edges[1] + edges[0] * edges[2] + edges[1] * edges[2])
    # Sabine: the mean absorption that gives this reverberation time.
    absorption = min(0.161 * edges.prod() / (surface * reverberation), 0.9)
    source = edges * rng.uniform(0.25, 0.75, 3)
    direction = rng.normal(size=3)
    microphone = np.clip(source + distance * direction / np.linalg.norm(direction), 0.05 * edges, 0.95 * edges)
    distance = max(float(np.linalg.norm(microphone - source)), 0.1)

    order = np.arange(-3, 4)
    cells = np.stack(np.meshgrid(order, order, order, indexing="ij"), axis=-1).reshape(-1, 3)
    bounces = np.abs(cells).sum(axis=1)
    cells, bounces = cells[(bounces > 0) & (bounces <= 3)], bounces[(bounces > 0) & (bounces <= 3)]
    images = np.where(cells % 2 == 0, cells * edges + source, (cells + 1) * edges - source)
    paths = np.linalg.norm(images - microphone, axis=1)
    strength = (1.0 - absorption) ** (bounces / 2.0) * distance / paths
    delay = (paths - distance) / SPEED_OF_SOUND * sample_rate
    kept = delay < size - 1
    np.add.at(response, np.maximum(delay[kept], 0.0).astype(np.int64), strength[kept])

    t = np.arange(size) / sample_rate
    begin = int(np.median(delay[kept])) if kept.any() else 0
    dull = rng.standard_normal(size)
    dull = np.convolve(dull, np.ones(4) / 2.0, mode="same") * np.exp(-6.91 * t / reverberation)
    bright = rng.standard_normal(size) * np.exp(-6.91 * t / (0.5 * reverberation))
    tail = dull + 0.6 * bright
    tail[:begin] *= np.linspace(0.0, 1.0, begin) ** 2 if begin else 1.0
    # Reverberant over direct energy of a point source: 16 pi r^2 (1 - a) / (a S), Kuttruff, Room acoustics, eq. 5.44.
    reverberant = 16.0 * np.pi * distance**2 * (1.0 - absorption) / (absorption * surface)
    response += unit_energy(tail) * np.sqrt(reverberant)
    fade = size // 3
    response[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
    return unit_energy(response)
