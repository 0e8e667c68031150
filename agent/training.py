"""From demonstrations to both brains: the order in which they are made, and where things lie.

The planner learns first. Its latents of the demonstrations then teach the policy, whose eyes and
hand have meanwhile learned from words alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bridge.errors import ConfigError, MissingWeightsError
from bridge.training_run import Schedule

OnStep = Callable[[int, dict[str, float]], None]
# Told the name of what begins and how many steps it has; gives what is told each of them.
OnPhase = Callable[[str, int], OnStep]
PLANNER_STEPS, PLANNER_RATE = 8000, 1e-3
WORDS_STEPS, WORDS_RATE = 3000, 8e-4
READING_STEPS, READING_RATE = 2600, 1e-3
LATENTS_STEPS, LATENTS_RATE = 4000, 6e-4
RESIDUAL_STEPS, RESIDUAL_RATE = 1500, 1e-3
# What has learnt already goes on at this share of the rate.
FINE_TUNING = 0.5
# Pictures of scenes that nobody played, for the planner's first look; and of those that are asked
# about memory tasks, where there are demonstrations of such.
STILLS, MEMORY_STILLS = 9000, 5000
# Where there are, so many of the moments of other demonstrations are asked about: what was learnt
# before is not forgotten, and most exercises are of what is new.
SCENE_SHARE = 0.4
_HELD_OUT_SHARE = 0.08
# A policy is examined on demonstrations that it did not learn from.
_LEAST_FOR_A_POLICY = 2
_WORDS, _READING, _LATENTS = "policy_words", "policy_reading", "policy"


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Which demonstrations, which folders, how many steps.

    ``work`` keeps checkpoints, curves and everything that can be made again. ``start_from`` is a
    folder of weights to learn on from; with ``new_words`` a planner's get tokens for the words of
    these demonstrations.
    """

    datasets: list[Path]
    work: Path
    out: Path
    steps: int | None = None
    resume: bool = False
    threads: int = 1
    seed: int = 0
    start_from: Path | None = None
    new_words: bool = False

    def schedule(self, steps: int, rate: float) -> Schedule:
        """How long and how fast: as the plan says, else ``steps``; slower with a head start."""
        factor = 1.0 if self.start_from is None else FINE_TUNING
        return Schedule(steps=self.steps or steps, learning_rate=rate * factor)


def _require_demonstrations(datasets: list[Path], least: int = 1) -> int:
    count = sum(len(list(path.glob("data/chunk-*/file-*.parquet"))) for path in datasets)
    if count < least:
        where = ", ".join(map(str, datasets))
        message = (
            f"Demonstrations in {where}: {count}, and at least {least} are needed. "
            "Make them with: agent demos record"
        )
        raise ConfigError(message)
    return count


def _have_memory_tasks(datasets: list[Path]) -> bool:
    from agent.demos.dataset import read_infos

    firsts = (next(read_infos(path), None) for path in datasets)
    return any(first is not None and "memory_task" in first[1] for first in firsts)


def _prompt(datasets: list[Path]) -> str:
    """What brains that learn from these demonstrations are asked with."""
    from slow_brain.prompt import MEMORY_PROMPT, SHIPPED_PROMPT

    return MEMORY_PROMPT if _have_memory_tasks(datasets) else SHIPPED_PROMPT


def train_planner(plan: TrainingPlan, on_phase: OnPhase) -> Path:
    """Train the slow brain; returns the weights' folder.

    Raises:
        ConfigError: There are no demonstrations.
    """
    from agent.demos.planner_examples import Asking, build_examples
    from agent.worlds.scene.language import made_up_openers
    from agent.worlds.scene.memory_tasks_plan import STEP_NAMES
    from slow_brain.training.planner import PlannerTraining
    from slow_brain.training.planner import train_planner as train

    episodes = _require_demonstrations(plan.datasets)
    examples = plan.work / "planner_examples.parquet"
    if not (plan.resume and examples.is_file()):
        have_memory = _have_memory_tasks(plan.datasets)
        build_examples(
            plan.datasets,
            examples,
            plan.seed,
            asking=Asking(
                prompt=_prompt(plan.datasets), scene_share=SCENE_SHARE if have_memory else 1.0
            ),
            still_count=STILLS,
            memory_still_count=MEMORY_STILLS if have_memory else 0,
        )
    settings = PlannerTraining(
        examples=examples,
        run_folder=plan.work / "planner",
        out=plan.out,
        schedule=plan.schedule(PLANNER_STEPS, PLANNER_RATE),
        start_from=plan.start_from,
        new_words=plan.new_words,
        phrases=STEP_NAMES,
        openers=made_up_openers(plan.seed),
        held_out_from_episode=round(episodes * (1 - _HELD_OUT_SHARE)),
        seed=plan.seed,
        threads=plan.threads,
    )
    on_step = on_phase("planner", settings.schedule.steps)
    return train(settings, resume=plan.resume, on_step=on_step)


def train_policy(plan: TrainingPlan, planner: Path, on_phase: OnPhase) -> Path:
    """Train the fast brain: words first, then the planner's latents; returns the weights' folder.

    With a head start the words are left out. Where demonstrations are of memory tasks, it learns to
    look things up before it learns to act on them.

    Raises:
        ConfigError: There are fewer than two demonstrations.
        MissingWeightsError: The planner has not been trained.
    """
    from agent.demos.latents import build_latents, look_count
    from fast_brain.training.policy import train_policy as train_chunks
    from fast_brain.training.policy_settings import PolicyTraining
    from fast_brain.training.reading import train_reading

    _require_demonstrations(plan.datasets, _LEAST_FOR_A_POLICY)
    latents = plan.work / "latents.npz"
    if not (plan.resume and latents.is_file()):
        on_look = on_phase("the planner's latents", look_count(plan.datasets))
        build_latents(
            plan.datasets,
            planner,
            latents,
            lambda count: on_look(count, {}),
            prompt=_prompt(plan.datasets),
        )
    for phase in _policy_phases(plan, latents):
        train = train_reading if phase.name == _READING else train_chunks
        settings = PolicyTraining(
            sources=plan.datasets,
            cache=plan.work / "frames",
            latents=phase.latents,
            start_from=phase.start_from,
            run_folder=plan.work / phase.name,
            out=phase.out,
            schedule=phase.schedule,
            seed=plan.seed,
            threads=plan.threads,
        )
        on_step = on_phase(phase.teaches, phase.schedule.steps)
        train(settings, resume=plan.resume, on_step=on_step)
    return plan.out


class _Phase(NamedTuple):
    """One part of the policy's training; `name` is its folder, `teaches` is for people."""

    name: str
    teaches: str
    latents: Path | None
    start_from: Path | None
    out: Path
    schedule: Schedule


def _policy_phases(plan: TrainingPlan, latents: Path) -> list[_Phase]:
    phases: list[_Phase] = []
    start = plan.start_from
    if start is None:
        start = plan.work / _WORDS / "weights"
        schedule = plan.schedule(WORDS_STEPS, WORDS_RATE)
        phases.append(_Phase(_WORDS, "words and chunks", None, None, start, schedule))
    if _have_memory_tasks(plan.datasets):
        out = plan.work / _READING / "weights"
        schedule = Schedule(
            steps=min(plan.steps or READING_STEPS, READING_STEPS), learning_rate=READING_RATE
        )
        phases.append(_Phase(_READING, "reading memory", latents, start, out, schedule))
        start = out
    last = plan.schedule(LATENTS_STEPS, LATENTS_RATE)
    return [*phases, _Phase(_LATENTS, "latents and chunks", latents, start, plan.out, last)]


def train_residual(plan: TrainingPlan, policy: Path, on_phase: OnPhase) -> Path:
    """Train the head that corrects the policy's actions (A2C2); returns the weights' folder.

    The demonstrations' latents are used where training the policy has left them.

    Raises:
        ConfigError: There are fewer than two demonstrations.
        MissingWeightsError: The policy has not been trained.
    """
    from fast_brain.training.residual import ResidualTraining
    from fast_brain.training.residual import train_residual as train

    _require_demonstrations(plan.datasets, _LEAST_FOR_A_POLICY)
    if not (policy / "policy.safetensors").is_file():
        raise MissingWeightsError(path=str(policy), how_to_make="agent train policy")
    latents = plan.work / "latents.npz"
    settings = ResidualTraining(
        sources=plan.datasets,
        cache=plan.work / "frames",
        latents=latents if latents.is_file() else None,
        base=policy,
        run_folder=plan.work / "residual",
        out=plan.out,
        schedule=Schedule(steps=plan.steps or RESIDUAL_STEPS, learning_rate=RESIDUAL_RATE),
        seed=plan.seed,
        threads=plan.threads,
    )
    on_step = on_phase("residual head", settings.schedule.steps)
    return train(settings, resume=plan.resume, on_step=on_step)
