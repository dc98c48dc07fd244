"""What the front end of a window costs in a stream, where its frames are shared, against that of whole windows.

python benchmarks/front_end.py [--quick] [--device cuda] [--threads 1] [--json FILE]

Both take the same windows in turn in one process, so that whatever else the machine does meets them alike; the ratio is
the median over the rounds. In each round every channel has gone on by one hop. The stream's figure holds everything
that the sharing itself costs; the first window of each channel, which nothing is known of, is left out. On a CPU it is
the processor's time that counts, on a GPU the clock's.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from asdstream.bench.machine import processor_name
from asdstream.engine.stream_front_end import StreamFrontEnd
from asdstream.engine.stream_window import StreamWindow
from asdstream.models.fbank import FbankFrontEnd, audiomae_front_end, beats_front_end, shared_front_ends

SAMPLES = 160_000
FURTHEST = 1e-5
"""How far a value of the shared spectrogram may lie from that of the whole window's."""
NETWORKS: dict[str, list[FbankFrontEnd]] = {
    "audiomae": [audiomae_front_end()],
    "beats and audiomae": [beats_front_end(), audiomae_front_end()],
}


@dataclass(frozen=True)
class Figure:
    """Milliseconds a window, medians over the rounds; `ratio` is that of whole to shared within a round."""

    networks: str
    channels: int
    hop_s: float
    whole_ms: float
    shared_ms: float
    ratio: float


def seconds(call: Callable[[], list[Tensor]], device: torch.device) -> tuple[float, list[Tensor]]:
    if device.type == "cpu":
        begun = time.process_time()
        made = call()
        return time.process_time() - begun, made
    torch.cuda.synchronize()
    begun = time.perf_counter()
    made = call()
    torch.cuda.synchronize()
    return time.perf_counter() - begun, made


def measure(networks: str, channels: int, hop_s: float, rounds: int, device: torch.device) -> Figure:
    front_ends, hop = NETWORKS[networks], round(hop_s * 16_000)
    random = np.random.default_rng(0)
    sound = 0.1 * random.normal(size=(channels, SAMPLES + rounds * hop)).astype(np.float32)
    shared = StreamFrontEnd(front_ends, device)
    whole_s: list[float] = []
    shared_s: list[float] = []
    for number in range(rounds + 1):
        start = number * hop
        windows = np.ascontiguousarray(sound[:, start : start + SAMPLES])
        stream = [StreamWindow(channel, 0, start, 0.0, row) for channel, row in enumerate(windows)]
        with torch.inference_mode():
            took, expected = seconds(
                lambda windows=windows: shared_front_ends(torch.from_numpy(windows).to(device), front_ends), device
            )
        whole_s.append(took)
        took, made = seconds(lambda stream=stream: shared.spectrograms(stream), device)
        shared_s.append(took)
        for one, other in zip(made, expected, strict=True):
            assert float((one - other).abs().max()) <= FURTHEST
    ratio = median(whole / part for whole, part in zip(whole_s[1:], shared_s[1:], strict=True))
    return Figure(
        networks,
        channels,
        hop_s,
        round(1000 * median(whole_s[1:]) / channels, 3),
        round(1000 * median(shared_s[1:]) / channels, 3),
        round(ratio, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hop of 1 s and few rounds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    hops = (1.0,) if arguments.quick else (0.1, 0.5, 1.0, 2.0)
    rounds = 9 if arguments.quick else 25
    figures = [
        measure(networks, channels, hop_s, rounds, device)
        for networks in NETWORKS
        for channels in (1, 8, 64 if device.type == "cuda" else 16)
        for hop_s in hops
    ]
    print(f"{'networks':20} {'channels':>8} {'hop s':>6} {'whole ms':>9} {'shared ms':>9} {'ratio':>6}")
    for f in figures:
        print(f"{f.networks:20} {f.channels:8d} {f.hop_s:6.1f} {f.whole_ms:9.3f} {f.shared_ms:9.3f} {f.ratio:6.2f}")
    if arguments.json:
        facts = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "machine": processor_name(),
            "cores": len(os.sched_getaffinity(0)),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": arguments.threads,
        }
        arguments.json.write_text(json.dumps({**facts, "figures": [asdict(f) for f in figures]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
