"""Several processes on one training: real ones, started by torchrun, on the CPU."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from joined_training import joined_loop
from processes import ENVIRONMENT

from trainer.metrics_log import MetricsLog
from trainer.processes import Processes, joined_processes

SCRIPT = Path(__file__).parents[1] / "joined_training.py"
TIMEOUT_S = 200.0
"""A few seconds of work, most of it imports, but test machines are busy."""


def torchrun(folder: Path, killed_at: int) -> subprocess.CompletedProcess[str]:
    """Two processes of `joined_training`; all are ended if they take too long."""
    arguments = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"),
        *(str(SCRIPT), str(folder), str(killed_at)),
    ]
    environment = {**ENVIRONMENT, "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as agent:
        try:
            output, errors = agent.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGTERM)
            raise
    return subprocess.CompletedProcess(arguments, agent.returncode, output, errors)


def compare_with_one_process(joined: Path, alone: Path) -> None:
    """Both processes have the same state at the end, and that of a single unbroken one but for rounding."""
    alone.mkdir()
    objective, loop = joined_loop(Processes(), alone, micro_batch=1)
    loop.run()
    first, second = (torch.load(joined / f"weights{index}.pt", weights_only=True) for index in (0, 1))
    for name, value in objective.module.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        if name != "seen":
            assert torch.allclose(first[name], value, atol=1e-5), name
    # The first process takes two of four examples, twice, and the one that is left, in each of two epochs.
    assert (first["seen"], objective.module.seen) == (10, 18)
    lines = MetricsLog(joined / "metrics.jsonl").read()
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    losses = [line["loss"] for line in MetricsLog(alone / "metrics.jsonl").read()]
    assert [line["loss"] for line in lines] == pytest.approx(losses, rel=1e-5)


@pytest.mark.timeout(TIMEOUT_S + 20)
def test_two_processes_train_as_one_even_where_only_one_runs_out_of_memory(tmp_path: Path) -> None:
    folder = tmp_path / "joined"
    folder.mkdir()
    ended = torchrun(folder, killed_at=0)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "joined: out of memory at step 1 with a micro-batch of 2; going on with 1",
    ]
    compare_with_one_process(folder, tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.timeout(2 * TIMEOUT_S + 20)
def test_two_processes_killed_and_resumed_end_as_a_single_unbroken_one(tmp_path: Path) -> None:
    folder = tmp_path / "joined"
    folder.mkdir()
    assert torchrun(folder, killed_at=4).returncode != 0
    resumed = torchrun(folder, killed_at=0)
    assert resumed.returncode == 0, resumed.stderr
    # How much fits is remembered.
    assert resumed.stdout == ""
    compare_with_one_process(folder, tmp_path / "alone")


@pytest.mark.parametrize(("batch", "shares"), [(4, [2, 1, 1]), (1, [1, 0, 0]), (6, [2, 2, 2]), (512, [171, 171, 170])])
def test_shares_of_a_batch_are_as_even_as_can_be_and_leave_nothing_out(batch: int, shares: list[int]) -> None:
    ranges = [Processes(index, 3).share(batch) for index in range(3)]
    assert [place for share in ranges for place in share] == list(range(batch))
    assert [len(share) for share in ranges] == shares


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes() as processes:
        assert (processes.index, processes.count, processes.is_first) == (0, 1, True)
        assert processes.sum([1.5, 2.0]) == [1.5, 2.0]
