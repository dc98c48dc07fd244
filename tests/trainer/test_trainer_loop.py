"""The training loop: what it optimises, what it writes, and that a killed run ends as an unbroken one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.loop import LoopSettings, Step, TrainingLoop
from trainer.metrics_log import MetricsLog


class Regression:
    """Noisy inputs and dropout, so that every kind of randomness matters."""

    stage = "regression"

    def __init__(self, examples: int = 10, poison: bool = False) -> None:
        self.examples = examples
        self._poison = poison
        torch.manual_seed(7)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def draw(self, indices: list[int], generator: torch.Generator) -> tuple[Tensor, ...]:
        inputs = torch.tensor(indices, dtype=torch.float32)[:, None] + torch.randn(len(indices), 3, generator=generator)
        return inputs, inputs.sum(1, keepdim=True)

    def loss(self, *batch: Tensor) -> Tensor:
        inputs, wanted = batch
        loss = (self.module(inputs) - wanted).abs().mean()
        return loss * torch.nan if self._poison else loss


def settings(**changes: float) -> LoopSettings:
    values: dict[str, float] = {
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
    }
    return LoopSettings(**{**values, **changes})  # type: ignore[arg-type]


def loop(objective: Regression, folder: Path, **changes: float) -> TrainingLoop:
    folder.mkdir(exist_ok=True)
    return TrainingLoop(
        objective,
        settings(**changes),
        checkpoint=folder / "regression.pt",
        fingerprint="of this recipe",
        log=MetricsLog(folder / "metrics.jsonl"),
    )


class KilledError(Exception):
    pass


def kill_at(step: int) -> Callable[[Step], None]:
    def on_step(done: Step) -> None:
        if done.step == step:
            raise KilledError

    return on_step


@pytest.mark.parametrize("killed_at", [1, 5, 11])
def test_a_run_that_was_killed_and_resumed_ends_bit_for_bit_as_an_unbroken_one(tmp_path: Path, killed_at: int) -> None:
    unbroken = Regression()
    loop(unbroken, tmp_path / "unbroken").run()

    # A checkpoint after every second step: the steps since then are taken again.
    ticks = iter(range(10_000))
    first = TrainingLoop(
        Regression(),
        settings(checkpoint_seconds=5),
        checkpoint=tmp_path / "killed.pt",
        fingerprint="of this recipe",
        log=MetricsLog(tmp_path / "killed.jsonl"),
        clock=lambda: next(ticks),
    )
    with pytest.raises(KilledError):
        first.run(kill_at(killed_at))

    resumed = Regression()
    second = TrainingLoop(
        resumed,
        settings(),
        checkpoint=tmp_path / "killed.pt",
        fingerprint="of this recipe",
        log=MetricsLog(tmp_path / "killed.jsonl"),
    )
    assert second.resume() <= killed_at
    second.run()

    for (name, wanted), found in zip(
        unbroken.module.state_dict().items(), resumed.module.state_dict().values(), strict=True
    ):
        assert torch.equal(wanted, found), name
    losses = [line["loss"] for line in MetricsLog(tmp_path / "unbroken" / "metrics.jsonl").read()]
    assert [line["loss"] for line in MetricsLog(tmp_path / "killed.jsonl").read()] == losses
    assert len(losses) == second.steps == 12


def test_gradients_accumulated_over_micro_batches_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    def trained(name: str, micro_batch: int) -> Tensor:
        objective = Regression(examples=8)
        objective.module[1].p = 0.0  # type: ignore[index, union-attr]
        loop(objective, tmp_path / name, batch_size=8, micro_batch=micro_batch, epochs=2).run()
        return torch.cat([value.flatten() for value in objective.module.parameters()])

    assert torch.allclose(trained("whole", 8), trained("parts", 3), atol=1e-6)


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


def test_a_loss_that_is_not_a_number_ends_the_run_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="at step 1; a smaller learning_rate may help"):
        loop(Regression(poison=True), tmp_path).run()


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="nothing to train on"):
        loop(Regression(examples=0), tmp_path)
