"""The training loop: what it optimises, what it writes, and that a killed run ends as an unbroken one."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from trainer.errors import DataError, TrainerError
from trainer.loop import LoopSettings, Step, TrainingLoop
from trainer.metrics_log import MetricsLog


class Counter(nn.Module):
    """Counts, in a buffer, what passes."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen += len(inputs)
        return inputs


class Regression:
    """Noisy inputs and dropout, so that every kind of randomness matters.

    The memory holds `room` examples, the loss is not a number where it is `poisoned` and has no slope where it is
    `steep`, and the example `broken` cannot be read.
    """

    stage = "regression"

    def __init__(
        self,
        examples: int = 10,
        *,
        poisoned: bool = False,
        steep: bool = False,
        broken: int = -1,
        room: int = 1000,
        error: RuntimeError | None = None,
        dropout: float = 0.5,
    ) -> None:
        self.examples = examples
        self._poisoned = poisoned
        self._steep = steep
        self._broken = broken
        self._room = room
        self._error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.dtypes: set[torch.dtype] = set()
        torch.manual_seed(7)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 1), Counter())

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        if index == self._broken:
            raise DataError("fan/04.wav holds no sound")
        inputs = torch.randn(3, generator=generator) + index
        return inputs, inputs.sum(0, keepdim=True)

    def loss(self, *batch: Tensor) -> Tensor:
        inputs, wanted = batch
        answer = self.module(inputs)
        self.dtypes.add(answer.dtype)
        if len(inputs) > self._room:
            raise self._error
        loss = (answer - wanted).abs().mean()
        if self._steep:
            return (loss - loss.detach()).sqrt()
        return loss * torch.nan if self._poisoned else loss


def settings(**changes: object) -> LoopSettings:
    values: dict[str, object] = {
        "seed": 3,
        "epochs": 4,
        "warmup_epochs": 1,
        "batch_size": 4,
        "micro_batch": 4,
        "learning_rate": 1e-2,
        "minimum_learning_rate": 1e-6,
        "weight_decay": 1e-5,
        "gradient_clip": 1.0,
        "checkpoint_seconds": 1e9,
        "workers": 0,
    }
    return LoopSettings(**{**values, **changes})  # type: ignore[arg-type]


def loop(
    objective: Regression, folder: Path, clock: Callable[[], float] = time.monotonic, **changes: object
) -> TrainingLoop:
    folder.mkdir(exist_ok=True)
    return TrainingLoop(
        objective,
        settings(**changes),
        checkpoint=folder / "regression.pt",
        fingerprint="of this recipe",
        log=MetricsLog(folder / "metrics.jsonl"),
        tensorboard=folder / "tensorboard",
        clock=clock,
    )


def assert_same_state(found: Regression, wanted: Regression) -> None:
    state = wanted.module.state_dict()
    for name, value in found.module.state_dict().items():
        assert torch.equal(value, state[name]), name


class KilledError(Exception):
    pass


def kill_at(step: int) -> Callable[[Step], None]:
    def on_step(done: Step) -> None:
        if done.step == step:
            raise KilledError

    return on_step


@pytest.mark.parametrize(("killed_at", "kept", "workers"), [(1, 0, 0), (5, 4, 2), (11, 10, 0)])
def test_a_run_that_was_killed_and_resumed_ends_bit_for_bit_as_an_unbroken_one(
    tmp_path: Path, killed_at: int, kept: int, workers: int
) -> None:
    unbroken = Regression()
    loop(unbroken, tmp_path / "unbroken").run()

    # A checkpoint after every second step: the steps since then are taken again.
    ticks = iter(range(10_000))
    first = loop(Regression(), tmp_path / "killed", lambda: next(ticks), checkpoint_seconds=5, workers=workers)
    with pytest.raises(KilledError):
        first.run(kill_at(killed_at))
    resumed = Regression()
    second = loop(resumed, tmp_path / "killed", workers=workers)
    assert second.resume() == kept
    second.run()

    assert_same_state(resumed, unbroken)
    losses = [line["loss"] for line in MetricsLog(tmp_path / "unbroken" / "metrics.jsonl").read()]
    assert [line["loss"] for line in MetricsLog(tmp_path / "killed" / "metrics.jsonl").read()] == losses
    assert len(losses) == second.steps == 12


def test_the_number_of_workers_changes_nothing_and_none_is_left(tmp_path: Path) -> None:
    alone, helped = Regression(), Regression()
    loop(alone, tmp_path / "alone").run()
    loop(helped, tmp_path / "helped", workers=2).run()
    assert_same_state(helped, alone)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_sound_that_cannot_be_read_ends_the_run_with_its_own_sentence(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match=r"^fan/04.wav holds no sound$"):
        loop(Regression(broken=4), tmp_path, workers=workers).run()
    assert multiprocessing.active_children() == []


def test_gradients_accumulated_over_micro_batches_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    def trained(name: str, micro_batch: int) -> Tensor:
        objective = Regression(examples=8, dropout=0.0)
        loop(objective, tmp_path / name, batch_size=8, micro_batch=micro_batch, epochs=2).run()
        return torch.cat([value.flatten() for value in objective.module.parameters()])

    assert torch.allclose(trained("whole", 8), trained("parts", 3), atol=1e-6)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to ..."
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory: you tried to ..."),
    ],
)
def test_out_of_memory_halves_the_micro_batch_and_ends_as_if_it_had_been_small_all_along(
    tmp_path: Path, error: RuntimeError
) -> None:
    small, halved = Regression(), Regression(room=2, error=error)
    loop(small, tmp_path / "small", batch_size=8, micro_batch=2).run()
    notes: list[str] = []
    loop(halved, tmp_path / "halved", batch_size=8, micro_batch=8).run(on_note=notes.append)
    assert_same_state(halved, small)
    assert notes == [
        "regression: out of memory at step 1 with a micro-batch of 8; going on with 4",
        "regression: out of memory at step 1 with a micro-batch of 4; going on with 2",
    ]
    lines = MetricsLog(tmp_path / "halved" / "metrics.jsonl").read()
    assert {line["micro_batch"] for line in lines} == {2}
    losses = [line["loss"] for line in MetricsLog(tmp_path / "small" / "metrics.jsonl").read()]
    assert [line["loss"] for line in lines] == losses


def test_a_resumed_run_remembers_how_much_the_memory_holds_until_it_is_asked_for_something_else(
    tmp_path: Path,
) -> None:
    notes: list[str] = []
    with pytest.raises(KilledError):
        loop(Regression(room=2), tmp_path, checkpoint_seconds=0).run(kill_at(3), notes.append)
    assert len(notes) == 1
    again = loop(Regression(room=2), tmp_path, checkpoint_seconds=0)
    again.resume()
    with pytest.raises(KilledError):
        again.run(kill_at(5), notes.append)
    assert len(notes) == 1
    larger = loop(Regression(), tmp_path, micro_batch=8)
    larger.resume()
    larger.run(on_note=notes.append)
    assert len(notes) == 1
    lines = MetricsLog(tmp_path / "metrics.jsonl").read()
    assert [line["micro_batch"] for line in lines] == [2] * 5 + [8] * 7


def test_memory_too_small_for_a_single_example_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="memory of cpu does not hold one example of the stage regression; choose"):
        loop(Regression(room=0), tmp_path).run()


def test_another_error_is_not_taken_for_want_of_memory(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        loop(Regression(room=0, error=RuntimeError("shapes cannot be multiplied")), tmp_path).run()


def test_bfloat16_is_for_products_alone(tmp_path: Path) -> None:
    exact, coarse = Regression(), Regression()
    loop(exact, tmp_path / "exact").run()
    loop(coarse, tmp_path / "coarse", precision="bfloat16").run()
    assert (exact.dtypes, coarse.dtypes) == ({torch.float32}, {torch.bfloat16})
    checkpoint = torch.load(tmp_path / "coarse" / "regression.pt", weights_only=True)
    kept = [*checkpoint["model"].values()]
    kept += [value for state in checkpoint["optimiser"]["state"].values() for value in state.values()]
    assert {value.dtype for value in kept} == {torch.float32}
    for found, wanted in zip(coarse.module.parameters(), exact.module.parameters(), strict=True):
        assert not torch.equal(found, wanted)
        assert torch.allclose(found, wanted, atol=0.02)


def test_a_frozen_part_stays_as_it_is_and_out_of_the_checkpoint(tmp_path: Path) -> None:
    unbroken, killed, resumed = Regression(), Regression(), Regression()
    for objective in (unbroken, killed, resumed):
        objective.module[0].requires_grad_(False)  # type: ignore[index]
    first = Regression().module.state_dict()["0.weight"]
    loop(unbroken, tmp_path / "unbroken").run()
    with pytest.raises(KilledError):
        loop(killed, tmp_path / "killed", checkpoint_seconds=0).run(kill_at(6))
    second = loop(resumed, tmp_path / "killed")
    assert second.resume() == 6
    second.run()
    assert_same_state(resumed, unbroken)
    assert torch.equal(resumed.module.state_dict()["0.weight"], first)
    saved = torch.load(tmp_path / "killed" / "regression.pt", weights_only=True)
    assert set(saved["model"]) == {"2.weight", "2.bias", "3.seen"}


def test_tensorboard_draws_every_step_once_even_after_a_resume(tmp_path: Path) -> None:
    ticks = iter(range(10_000))
    with pytest.raises(KilledError):
        loop(Regression(), tmp_path, lambda: next(ticks), checkpoint_seconds=5).run(kill_at(7))
    second = loop(Regression(), tmp_path)
    assert second.resume() == 6
    second.run()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    lines = MetricsLog(tmp_path / "metrics.jsonl").read()
    for curve in ("loss", "learning_rate", "gradient_norm", "examples_per_second"):
        points = events.Scalars(curve)
        assert [point.step for point in points] == list(range(1, 13)), curve
        assert [point.value for point in points] == pytest.approx([line[curve] for line in lines]), curve


def test_the_log_holds_the_schedule_and_the_loss_falls(tmp_path: Path) -> None:
    loop(Regression(), tmp_path, epochs=60, warmup_epochs=2).run()
    lines = MetricsLog(tmp_path / "metrics.jsonl").read("regression")
    rates = [float(line["learning_rate"]) for line in lines]  # type: ignore[arg-type]
    losses = [float(line["loss"]) for line in lines]  # type: ignore[arg-type]
    assert rates[0] == pytest.approx(1e-2 / 6)
    assert max(rates) == pytest.approx(1e-2)
    assert rates[-1] == pytest.approx(1e-6)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    loop(Regression(), tmp_path).run()
    other = TrainingLoop(
        Regression(),
        settings(),
        checkpoint=tmp_path / "regression.pt",
        fingerprint="of another recipe",
        log=MetricsLog(tmp_path / "metrics.jsonl"),
    )
    with pytest.raises(TrainerError, match="another recipe or other data"):
        other.resume()


def test_a_broken_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "regression.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainerError, match=r"cannot be read.*delete it to start afresh"):
        loop(Regression(), tmp_path).resume()


def test_the_checkpoint_of_another_network_is_one_sentence(tmp_path: Path) -> None:
    loop(Regression(), tmp_path).run()
    other = Regression()
    other.module = nn.Linear(3, 1)
    with pytest.raises(TrainerError, match="is of another version's network; delete it"):
        loop(other, tmp_path).resume()


def test_a_loss_that_is_not_a_number_ends_the_run_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="at step 1; a smaller learning_rate may help"):
        loop(Regression(poisoned=True), tmp_path).run()


def test_a_gradient_that_is_not_finite_ends_the_run_before_it_reaches_the_weights(tmp_path: Path) -> None:
    objective = Regression(steep=True)
    before = [value.detach().clone() for value in objective.module.parameters()]
    with pytest.raises(TrainerError, match=r"the gradient of the stage regression is \w+ at step 1; a smaller"):
        loop(objective, tmp_path).run()
    assert all(torch.equal(*pair) for pair in zip(before, objective.module.parameters(), strict=True))


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="nothing to train on"):
        loop(Regression(examples=0), tmp_path)
