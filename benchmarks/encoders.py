"""Windows of ten seconds per second that each network takes, against a plain float32 eager implementation of it.

python benchmarks/encoders.py [--quick] [--compile] [--device cuda] [--json FILE]

All ways to compute a network take turns in one process with the product of matrices that says what the machine can do,
so that whatever else it does meets them alike; ratios and shares are medians over the rounds. Front ends are part of
every figure. `--compile` adds torch.compile, whose warm-up takes up to a minute for each size of batch. On a GPU, CUDA
graphs are added, and batch 64.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from unittest import mock

import torch
import torch.nn.functional as F
from plain_encoders import attend_written_out, plain_audiomae, plain_beats, plain_front_end
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from asdstream.bench.machine import processor_name
from asdstream.models import gridnet_block
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig

SAMPLES = 160_000
PLAIN = "plain float32"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FURTHEST = {"beats": 1e-3, "audiomae": 1e-3, "tfgridnet": 1e-4}
"""How far a token may lie from the plain implementation's in float32; both are then the same network."""

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Figure:
    """One way to compute one network at one size of batch."""

    network: str
    way: str
    batch: int
    windows_per_second: float
    ratio: float
    gflop_per_window: float
    peak_gflops: float
    share_of_peak: float
    one_minus_cosine: float


@contextmanager
def counted_flops(model: nn.Module):
    """Counts products of matrices, convolutions and recurrent layers; yields a function that tells the sum."""
    recurrent = 0

    def count(layer: nn.LSTM, inputs: tuple[Tensor, ...], _output: object) -> None:
        nonlocal recurrent
        rows, steps, width = inputs[0].shape
        recurrent += (
            2 * rows * steps * (2 if layer.bidirectional else 1) * 4 * layer.hidden_size * (width + layer.hidden_size)
        )

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.LSTM)]
    with FlopCounterMode(display=False) as counter:
        yield lambda: counter.get_total_flops() + recurrent
    for hook in hooks:
        hook.remove()


def networks(size: str, device: torch.device) -> dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Call]]]:
    """What makes each network, and its plain implementation."""

    def plain_separator(model: nn.Module) -> Call:
        def call(waveform: Tensor) -> Tensor:
            with mock.patch.object(gridnet_block, "attend", attend_written_out):
                return model(waveform)

        return call

    separator = TFGridNetConfig.base() if device.type == "cuda" and size == "base" else TFGridNetConfig.tiny()
    return {
        "beats": (
            lambda: BEATs(getattr(BEATsConfig, size)()),
            lambda model: lambda waveform: plain_beats(model, waveform),
        ),
        "audiomae": (
            lambda: AudioMAE(getattr(AudioMAEConfig, size)()),
            lambda model: lambda waveform: plain_audiomae(model, waveform),
        ),
        "tfgridnet": (lambda: TFGridNet(separator), plain_separator),
    }


def compiled(model: nn.Module) -> Call:
    """The encoder compiled, its front end not: complex numbers gain nothing there."""
    encode = torch.compile(model.encode_fbank)
    return lambda waveform: encode(model.front_end(waveform))


def graphed(call: Call, example: Tensor) -> Call:
    """`call` recorded once as a CUDA graph for inputs of this shape, then replayed."""
    waveform = example.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call(waveform)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call(waveform)

    def replay(other: Tensor) -> Tensor:
        waveform.copy_(other)
        graph.replay()
        return result

    return replay


def seconds(call: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], Tensor], int]:
    """A large square product of matrices, and its floating-point operations: the most that a network could reach."""
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return lambda: left @ right, 2 * side**3


def measure(
    name: str,
    make: Callable[[], nn.Module],
    plain_of: Callable[[nn.Module], Call],
    batch: int,
    options: argparse.Namespace,
) -> list[Figure]:
    """Let all ways to compute one network take turns at one size of batch."""
    device = torch.device(options.device)
    generator = torch.Generator().manual_seed(1)
    waveform = (0.1 * torch.randn(batch, SAMPLES, generator=generator)).to(device)
    models: dict[str, nn.Module] = {}
    for precision, dtype in PRECISIONS.items():
        torch.manual_seed(0)
        models[precision] = make().eval().to(device, dtype)
    plain = plain_of(models["float32"])
    ways: dict[str, Call] = {PLAIN: plain, **models}
    if name != "tfgridnet":
        for precision, model in models.items():
            if options.compile:
                ways[f"{precision} compiled"] = compiled(model)
            if device.type == "cuda":
                ways[f"{precision} graph"] = graphed(model, waveform)

    # Not under inference mode, where the counter sees nothing.
    with torch.no_grad(), counted_flops(models["float32"]) as flops:
        plain(waveform[:1])
        flop = flops()
    with torch.inference_mode():
        expected = plain(waveform).clone()
        drift = {}
        for way, call in ways.items():
            found = call(waveform).float()
            if way == "float32" and (found - expected).abs().max() > FURTHEST[name]:
                raise SystemExit(f"{name}: {way} and the plain implementation are not the same network")
            apart = 1.0 - F.cosine_similarity(found.flatten(1, -2).mean(1), expected.flatten(1, -2).mean(1))
            drift[way] = max(0.0, apart.max().item())
        times: dict[str, list[float]] = {way: [] for way in ways}
        peaks: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        order = list(ways)
        for turn in range(options.rounds):
            for precision, dtype in PRECISIONS.items():
                multiply, operations = product(device, dtype)
                peaks[precision].append(operations / min(seconds(multiply, device) for _ in range(4)))
            for way in order[turn % len(order) :] + order[: turn % len(order)]:
                times[way].append(seconds(lambda call=ways[way]: call(waveform), device))
    figures = []
    for way, taken in times.items():
        speed = batch / median(taken)
        ratio = median(plain / ours for plain, ours in zip(times[PLAIN], taken, strict=True))
        peak = peaks["bfloat16" if "bfloat16" in way else "float32"]
        share = median(flop * batch / ours / top for ours, top in zip(taken, peak, strict=True))
        figures.append(
            Figure(name, way, batch, speed, ratio, flop / 1e9, median(peak) / 1e9, share, drift[way]),
        )
    return figures


def front_end_ms(batch: int, rounds: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds per window of each front end in a batch, ours and clip by clip."""
    waveform = 0.1 * torch.randn(batch, SAMPLES, generator=torch.Generator().manual_seed(1)).to(device)
    found: dict[str, dict[str, float]] = {}
    for name, make in (
        ("beats", lambda: BEATs(BEATsConfig.tiny())),
        ("audiomae", lambda: AudioMAE(AudioMAEConfig.tiny())),
    ):
        front_end = make().front_end
        ours: list[float] = []
        plain: list[float] = []
        with torch.inference_mode():
            for turn in range(rounds + 1):
                first = seconds(lambda f=front_end: f(waveform), device)
                second = seconds(lambda f=front_end: plain_front_end(f, waveform), device)
                if turn:
                    ours.append(first)
                    plain.append(second)
        found[name] = {"ours": 1e3 * median(ours) / batch, "plain": 1e3 * median(plain) / batch}
    return found


def instructions() -> list[str]:
    """What the processor has of the instructions that matter here."""
    known = {
        "avx2": torch.cpu._is_avx2_supported,
        "avx512": torch.cpu._is_avx512_supported,
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported,
        "amx_tile": torch.cpu._is_amx_tile_supported,
    }
    return [name for name, supported in known.items() if supported()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="the tiny size, batches of 1 and 4, three rounds")
    parser.add_argument("--size", choices=("tiny", "base"), default=None, help="of BEATs and AudioMAE (default base)")
    parser.add_argument("--networks", nargs="+", choices=("beats", "audiomae", "tfgridnet"), default=None)
    parser.add_argument("--batches", nargs="+", type=int, default=None, help="default 1 4 16, and 64 on a GPU")
    parser.add_argument("--rounds", type=int, default=None, help="default 5")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: all that the process may use)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device; right would be --device cpu")
    device = torch.device(options.device)
    options.size = options.size or ("tiny" if options.quick else "base")
    options.rounds = options.rounds or (3 if options.quick else 5)
    batches = options.batches or ([1, 4] if options.quick else [1, 4, 16] + [64] * (device.type == "cuda"))
    torch.set_num_threads(options.threads or len(os.sched_getaffinity(0)))

    load_before = os.getloadavg()[0]
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "instructions": instructions(),
        "gpu": torch.cuda.get_device_name() if device.type == "cuda" else None,
        "size": options.size,
        "load_before": load_before,
    }
    print(json.dumps(facts))
    front_ends = front_end_ms(8, 2 * options.rounds, device)
    for name, taken in front_ends.items():
        print(
            f"front end of {name}: {taken['ours']:.2f} ms a window in a batch of 8, clip by clip {taken['plain']:.2f}"
        )
    print("\n| network | batch | computed in | windows/s | ratio | GFLOP/window | peak GFLOPS | share | 1 - cos |")
    print("|---|---|---|---|---|---|---|---|---|")
    figures: list[Figure] = []
    for name, (make, plain_of) in networks(options.size, device).items():
        if options.networks and name not in options.networks:
            continue
        for batch in batches:
            for figure in measure(name, make, plain_of, batch, options):
                figures.append(figure)
                print(
                    f"| {figure.network} | {figure.batch} | {figure.way} | {figure.windows_per_second:.2f} | "
                    f"{figure.ratio:.2f} | {figure.gflop_per_window:.1f} | {figure.peak_gflops:.0f} | "
                    f"{figure.share_of_peak:.0%} | {figure.one_minus_cosine:.1e} |",
                    flush=True,
                )
    if options.json:
        facts |= {"load_after": os.getloadavg()[0], "front_end_ms": front_ends, "rounds": options.rounds}
        record = facts | {"figures": [asdict(figure) for figure in figures]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
