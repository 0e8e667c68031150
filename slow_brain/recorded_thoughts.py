"""What a planner thought in a recorded run: the file that the planner `replay` thinks again.

Lines of JSON, as `agent trace export ID --to thoughts` writes them: one about the run, then each
goal, followed by what the planner was asked for it and what it answered.
"""

import base64
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from bridge.arrays import FloatArray
from bridge.errors import ConfigError
from bridge.specs import LatentSpec

FORMAT = 1


class _Line(BaseModel):
    # A later version may say more.
    model_config = ConfigDict(extra="ignore", frozen=True)


class RecordedRun(_Line):
    """The first line: the run's id, and the version of what follows."""

    type: Literal["run"]
    format: int
    run: str


class RecordedGoal(_Line):
    """A goal; `at_s` since the beginning of the run [s]."""

    type: Literal["goal"]
    goal_id: str
    text: str


class RecordedThought(_Line):
    """A thought, `at_s` after the planner was asked [s]; None where only the plan told it."""

    field: str
    text: str
    at_s: float | None = None


class RecordedStep(_Line):
    """One step of a plan."""

    text: str
    done_condition: str = ""
    timeout_s: float = Field(default=30.0, gt=0)


class RecordedStream(_Line):
    """Tokens [shape] as base64 of float32, little-endian, row by row."""

    shape: tuple[int, int]
    data: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.tokens()
        return self

    def tokens(self) -> FloatArray:
        """The tokens, float32 [tokens, width]."""
        return np.frombuffer(base64.b64decode(self.data), "<f4").reshape(self.shape)


class RecordedLatent(_Line):
    """A latent, `at_s` after the planner was asked [s]."""

    at_s: float
    subtask: str
    perceptual: RecordedStream
    cognitive: RecordedStream


class RecordedAnswer(_Line):
    """What came of one request, asked `asked_s` after the goal and answered `took_s` later [s].

    `ended` is empty for a plan; else why there was none, and `why` says so in words.
    """

    type: Literal["plan"]
    goal_id: str
    trigger: str = ""
    asked_s: float = 0.0
    took_s: float = Field(default=0.0, ge=0)
    thoughts: tuple[RecordedThought, ...] = ()
    subtasks: tuple[RecordedStep, ...] = ()
    current_subtask_done: bool = False
    goal_done: bool = False
    latents: tuple[RecordedLatent, ...] = ()
    ended: Literal["", "failed", "waits", "cut short"] = ""
    why: str = ""


class GoalThoughts:
    """A goal of the recording, and its answers in order."""

    def __init__(self, goal: RecordedGoal) -> None:
        self.goal = goal
        self.answers: list[RecordedAnswer] = []


_AnyLine = Annotated[RecordedRun | RecordedGoal | RecordedAnswer, Field(discriminator="type")]
_LINE: TypeAdapter[RecordedRun | RecordedGoal | RecordedAnswer] = TypeAdapter(_AnyLine)


def read_thoughts(path: Path) -> tuple[GoalThoughts, ...]:
    """Read a file of thoughts.

    Raises:
        ConfigError: It cannot be read, is of another version, or a line is not what it should be.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The thoughts in {path} cannot be read: {error}.") from error
    goals: list[GoalThoughts] = []
    for number, text in enumerate(lines, 1):
        line = _read_line(text, f"{path}, line {number}")
        if (number == 1) != isinstance(line, RecordedRun):
            raise ConfigError(f"{path}, line {number}: the run stands in the first line, and only.")
        match line:
            case RecordedRun():
                _check_format(line, path)
            case RecordedGoal():
                goals.append(GoalThoughts(line))
            case RecordedAnswer():
                _goal_of(line, goals, f"{path}, line {number}").answers.append(line)
    if not any(goal.answers for goal in goals):
        raise ConfigError(
            f"There are no thoughts in {path}. Make it with: agent trace export ID --to thoughts"
        )
    return tuple(goals)


def latent_spec(goals: tuple[GoalThoughts, ...]) -> LatentSpec | None:
    """What the recorded latents look like; None if there are none."""
    latents = (each for goal in goals for answer in goal.answers for each in answer.latents)
    first = next(latents, None)
    if first is None:
        return None
    (perceptual, width), (cognitive, _) = first.perceptual.shape, first.cognitive.shape
    return LatentSpec(
        perceptual_tokens=perceptual, cognitive_tokens=cognitive, width=width, origin="a recording"
    )


def _read_line(text: str, where: str) -> RecordedRun | RecordedGoal | RecordedAnswer:
    try:
        return _LINE.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        leaf = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where} is no line of thoughts: {leaf} {first['msg']}.") from error


def _check_format(line: RecordedRun, path: Path) -> None:
    if line.format != FORMAT:
        raise ConfigError(
            f"{path} is written in version {line.format} of the thoughts' format; "
            f"this planner reads version {FORMAT}. Export the run again."
        )


def _goal_of(answer: RecordedAnswer, goals: list[GoalThoughts], where: str) -> GoalThoughts:
    for goal in reversed(goals):
        if goal.goal.goal_id == answer.goal_id:
            return goal
    raise ConfigError(f"{where}: it answers goal {answer.goal_id!r}, which is not above it.")
