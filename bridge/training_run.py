"""The part of training that both brains share: checkpoints, resuming, curves, the learning rate.

A run lives in one folder and can be interrupted at any moment; at most ``checkpoint_every`` steps
are lost.
"""
# pyright: standard
# torch and matplotlib are typed only in part.

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

_WARM_UP_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to learn: linear warm-up, then a cosine to a tenth of a percent."""

    steps: int
    learning_rate: float
    checkpoint_every: int = 200

    def rate_at(self, step: int) -> float:
        """Return the learning rate at ``step``."""
        if step < _WARM_UP_STEPS:
            return self.learning_rate * (step + 1) / _WARM_UP_STEPS
        share = min((step - _WARM_UP_STEPS) / max(self.steps - _WARM_UP_STEPS, 1), 1.0)
        return self.learning_rate * max(0.001, 0.5 * (1 + math.cos(math.pi * share)))


class TrainingRun:
    """Counts steps, keeps checkpoints and figures in ``folder``."""

    def __init__(
        self,
        folder: Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._model = model
        self._optimizer = optimizer
        self.schedule = schedule
        self.step = 0

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.pt"

    def resume(self) -> bool:
        """Continue from the newest checkpoint, if there is one; say whether there was."""
        if not self._checkpoint.is_file():
            return False
        # weights_only: a checkpoint may come from anywhere, so nothing in it may run.
        state = torch.load(self._checkpoint, weights_only=True)
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        return True

    def steps(self) -> Iterator[int]:
        """Yield step numbers until the schedule ends; set the learning rate, save on the way."""
        while self.step < self.schedule.steps:
            for group in self._optimizer.param_groups:
                group["lr"] = self.schedule.rate_at(self.step)
            yield self.step
            self.step += 1
            if self.step % self.schedule.checkpoint_every == 0 or self.step == self.schedule.steps:
                self.save()

    def learn(self, loss: torch.Tensor) -> None:
        """Do one optimizer step on ``loss``."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        aside = self._checkpoint.with_suffix(".partial")
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, aside)
        aside.replace(self._checkpoint)

    def note(self, figures: Mapping[str, float]) -> None:
        """Append ``figures`` of this step to ``curves.csv``."""
        path = self._folder / "curves.csv"
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", "figure", "value"])
            writer.writerows([self.step, name, f"{value:.6g}"] for name, value in figures.items())


def draw_curves(folder: Path, title: str) -> Path:
    """Draw every figure of ``curves.csv`` over the steps and return the picture's path."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    curves: dict[str, list[tuple[int, float]]] = {}
    with (folder / "curves.csv").open() as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["figure"], []).append((int(row["step"]), float(row["value"])))
    columns = min(3, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False)
    for axis, (name, points) in zip(axes.flat, sorted(curves.items()), strict=False):
        axis.plot(*zip(*points, strict=True))
        axis.set_title(name)
        axis.set_xlabel("step")
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    figure.suptitle(title)
    figure.tight_layout()
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
