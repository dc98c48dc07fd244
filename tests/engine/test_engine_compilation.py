"""Compiled networks give what they give uncompiled, and are kept for the next start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = """
import sys
from pathlib import Path
import numpy as np, torch
from asdstream import bundle as bundles
from asdstream.engine.device import choose
from asdstream.engine.encoders import Encoders

bundle, cache = bundles.load(Path(sys.argv[1])), Path(sys.argv[2])
plain = Encoders(bundle, choose("cpu", "float32", 1))
fast = Encoders(bundle, choose("cpu", "float32", 1), compile_cache=cache)
for size in (1, 2, 4):
    spectrograms = [torch.randn(size, end.frames or 998, 128) for end in plain.front_ends]
    for branch, rows in plain.embed(spectrograms).items():
        np.testing.assert_allclose(fast.embed(spectrograms)[branch], rows, atol=1e-4, rtol=1e-4)
from torch._dynamo.utils import counters
print("hits", counters["inductor"]["fxgraph_cache_hit"], "misses", counters["inductor"]["fxgraph_cache_miss"])
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_encoders_give_the_same_embeddings_and_a_second_process_compiles_nothing(
    small_bundle: Path, tmp_path: Path
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler on a CPU, and g++ is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    said = [
        subprocess.run(
            [sys.executable, "-c", COMPARE, str(small_bundle), str(tmp_path / "compiled")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for _ in range(2)
    ]
    assert [run.returncode for run in said] == [0, 0], said[0].stderr + said[1].stderr
    assert any((tmp_path / "compiled").iterdir())
    first, second = (run.stdout.split() for run in said)
    assert int(first[3]) > 0
    assert int(second[3]) == 0
    assert int(second[1]) > 0
