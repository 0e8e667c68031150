"""A policy that hands out the chunks of a recorded run: no network, the same actions each time.

What then goes wrong is not the model's fault: the best way to test a robot, a wire or a stitcher.
"""

from bisect import bisect_right
from pathlib import Path

from msgspec.structs import replace

from agent.replaying.chunks import chunks_of
from agent.tracing.runs import Run, find_run
from bridge.errors import ConfigError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec, RobotSpec


class RecordedPolicy:
    """Plays the chunks that followed one goal of a run, by the time since it was asked to begin.

    Each time it is reset, so with each new goal, it begins anew with the first chunk. A moment for
    which there was none is answered with the chunk before, whose rows then are over: the robot is
    held, as it was then, and after the last chunk it stays so.

    Args:
        robot: What the robot declares; whoever runs the policy fills it in.
        run: The run's folder or file, or its name in `runs`.
        runs: The folder of the runs' folders.
        goal: Which goal of the run, counted from 1.
    """

    def __init__(
        self, *, robot: RobotSpec, run: str = "", runs: str = "runs", goal: int = 1
    ) -> None:
        if not run:
            raise ConfigError(
                "The policy `recorded` needs a run: policy_options.run=runs/20260101-120000; "
                "`agent trace ls` shows them."
            )
        found = find_run(run, Path(runs))
        self._chunks = chunks_of_goal(found, goal)
        first = self._chunks[0]
        horizon, width = first.actions.shape
        if width != robot.action.width:
            raise ConfigError(
                f"Run {found.id} has actions of {width} numbers, and this robot takes "
                f"{robot.action.width} ({', '.join(robot.action.names)}): it is of another robot."
            )
        self._starts_ns = [chunk.start_stamp_ns - first.start_stamp_ns for chunk in self._chunks]
        self._began_ns: int | None = None
        self._sequence = 0
        self.spec = PolicySpec(action=robot.action, horizon=horizon, step_s=first.step_s)

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """The chunk that was newest as long after the first as this is."""
        if self._began_ns is None:
            self._began_ns = now_ns
        place = max(0, bisect_right(self._starts_ns, now_ns - self._began_ns) - 1)
        self._sequence += 1
        return replace(
            self._chunks[place],
            start_stamp_ns=self._began_ns + self._starts_ns[place],
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            latent_sequence=-1,
            subtask_id=memory.subtask_id,
        )

    def reset(self) -> None:
        """Begin anew."""
        self._began_ns = None


def chunks_of_goal(run: Run, number: int) -> list[ActionChunk]:
    """What the policy made of one goal of a run, in order of time.

    Args:
        run: The run.
        number: Which goal, counted from 1.

    Raises:
        ConfigError: It has no such goal, or no chunks followed from it.
    """
    goals = list({e.facts["id"]: e for e in run.kept if e.kind == "goal"}.values())
    if not 1 <= number <= len(goals):
        raise ConfigError(f"Run {run.id} has {len(goals)} goals, so there is no goal {number}.")
    begins_ns = goals[number - 1].stamp_ns
    ends_ns = goals[number].stamp_ns if number < len(goals) else run.end_ns + 1
    chunks = [chunk for chunk in chunks_of(run) if begins_ns <= chunk.start_stamp_ns < ends_ns]
    if not chunks:
        raise ConfigError(
            f"In run {run.id} the policy made no chunk for goal {number} "
            f"({goals[number - 1].facts['text']!r}): there is nothing to play."
        )
    return sorted(chunks, key=lambda chunk: chunk.start_stamp_ns)
