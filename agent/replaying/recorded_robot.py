"""A robot that shows what a recorded one sensed, when it sensed it; commands move nothing."""

from bisect import bisect_right
from collections.abc import Mapping
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

    Args:
        run: The run's folder, or one file of it.
        robot: Settings of the robot that was recorded; it is asked for its spec, and for no more.
    """

    def __init__(self, *, run: str, robot: Mapping[str, Any]) -> None:
        self._path = Path(run)
        self.spec = read_robot_spec(RobotConfig.model_validate(robot))
        self._run: Run | None = None
        self._seen: list[Observation] = []

    def connect(self) -> None:
        """Read the run.

        Raises:
            ConfigError: It cannot be read, or holds no observation that can be shown again.
        """
        self._run = Run(self._path)
        self._seen = observations_of(self._run)

    def observe(self, now_ns: int) -> Observation:
        """The newest observation that had been made by then; before the first, the first.

        Raises:
            RobotFault: Not connected.
        """
        if not self._seen:
            raise RobotFault("The recorded robot is not connected: call `connect` first.")
        return self._seen[max(0, bisect_right(self._seen, now_ns, key=_stamp) - 1)]

    def command(self, command: Command) -> None:
        """What was sensed does not change."""

    def stop(self, reason: str) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Let go of what was read."""
        self._seen, self._run = [], None


class RecordedSimulator(RecordedRobot):
    """The same of a simulator, which said besides what was true in its world."""

    def connect(self) -> None:
        """Read the run.

        Raises:
            ConfigError: As for any recorded robot.
        """
        super().connect()
        self._reports = [] if self._run is None else [_report(e) for e in self._run.walk("world")]

    def advance(self, now_ns: int) -> None:
        """Find what had been said about the world by then."""
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
        """The newest report that had been made by then; before the first, the first."""
        place = bisect_right(self._reports, self._now_ns, key=_stamp)
        return self._reports[max(0, place - 1)]


def observations_of(run: Run) -> list[Observation]:
    """All observations of a run, in order of time.

    Raises:
        ConfigError: There is none, or one whose pictures cannot be shown again.
    """
    seen = list(recorded_observations(run))
    if not seen:
        raise ConfigError(
            f"Run {run.id} holds no observations, so nothing can be shown to the brains again. "
            "They are recorded where recording.observation_rate_hz is above 0 (now the default)."
        )
    return sorted(seen, key=_stamp)


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
