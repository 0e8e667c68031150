"""A robot that shows what a recorded one sensed, when it sensed it; commands move nothing."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from agent.recording.reading import RecordedEvent
from agent.tracing.observations import recorded_observations
from agent.tracing.runs import Run
from bridge.errors import ConfigError, RobotFault
from bridge.messages import Command, Observation, WorldReport
from fast_brain.config import RobotConfig
from fast_brain.robot_choice import read_robot_spec

_stamp = attrgetter("stamp_ns")


class RecordedRobot:
    """Plays the observations of a run at their own stamps, so time must be virtual.

    They are read as time goes on: of a long run only what is needed is in memory.

    Args:
        run: The run's folder, or one file of it.
        robot: Settings of the robot that was recorded; it is asked for its spec, and for no more.
    """

    def __init__(self, *, run: str, robot: Mapping[str, Any]) -> None:
        self._path = Path(run)
        self.spec = read_robot_spec(RobotConfig.model_validate(robot))
        self._coming: Iterator[Observation] = iter(())
        self._next: Observation | None = None
        self._newest: Observation | None = None

    def connect(self) -> None:
        """Open the run.

        Raises:
            ConfigError: It cannot be read, or holds no observation that can be shown again.
        """
        self._open(Run(self._path))

    def observe(self, now_ns: int) -> Observation:
        """The newest observation that had been made by then; before the first, the first.

        Raises:
            RobotFault: Not connected.
            ConfigError: One of them cannot be shown again.
        """
        if self._newest is None:
            raise RobotFault("The recorded robot is not connected: call `connect` first.")
        while self._next is not None and self._next.stamp_ns <= now_ns:
            self._newest, self._next = self._next, next(self._coming, None)
        return self._newest

    def command(self, command: Command) -> None:
        """What was sensed does not change."""

    def stop(self, reason: str) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Let go of the run."""
        self._coming, self._next, self._newest = iter(()), None, None

    def _open(self, run: Run) -> None:
        self._newest = first_observation(run)
        self._coming = recorded_observations(run)
        self._next = next(self._coming, None)


class RecordedSimulator(RecordedRobot):
    """The same of a simulator, which said besides what was true in its world."""

    def __init__(self, *, run: str, robot: Mapping[str, Any]) -> None:
        super().__init__(run=run, robot=robot)
        self._reports: list[WorldReport] = []
        self._now_ns = 0

    def advance(self, now_ns: int) -> None:
        """Go to what had been said about the world by then."""
        self._now_ns = now_ns

    def reset(self, seed: int, options: Mapping[str, object]) -> None:
        """There is one episode, the recorded one.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"A recorded robot begins no episode: neither by seed {seed} nor by {dict(options)}."
        )

    def report(self) -> WorldReport:
        """The newest report that had been made by then; before the first, the first.

        Raises:
            RobotFault: Not connected.
        """
        if not self._reports:
            raise RobotFault("The recorded simulator is not connected: call `connect` first.")
        place = bisect_right(self._reports, self._now_ns, key=_stamp)
        return self._reports[max(0, place - 1)]

    def _open(self, run: Run) -> None:
        super()._open(run)
        self._reports = [_report(event) for event in run.walk("world")]


def first_observation(run: Run) -> Observation:
    """The first observation of a run that can be shown to a brain again.

    Raises:
        ConfigError: There is none, or its pictures are not there.
    """
    first = next(recorded_observations(run), None)
    if first is None:
        raise ConfigError(
            f"Run {run.id} holds no observations, so nothing can be shown to the brains again. "
            "They are recorded where recording.observation_rate_hz is above 0, as it is by default."
        )
    return first


def recorded_robot_config(run: Run, robot: RobotConfig) -> RobotConfig:
    """Settings of a robot that plays what this one sensed in a run."""
    kind = RecordedSimulator if any(True for _ in run.walk("world")) else RecordedRobot
    original = robot.model_dump(mode="json", include={"kind", "options"})
    return RobotConfig(
        kind=f"{__name__}:{kind.__name__}",
        options={"run": str(run.path.resolve()), "robot": original},
        report_rate_hz=robot.report_rate_hz,
    )


def _report(event: RecordedEvent) -> WorldReport:
    facts = event.facts | {"stamp_ns": event.stamp_ns, "type": WorldReport.__name__}
    return msgspec.convert(facts, WorldReport)
