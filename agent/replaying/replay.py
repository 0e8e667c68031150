"""Shows what a run's robot sensed to today's brains, and says where they now do something else."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.recording.observation_facts import OBSERVATION
from agent.replaying.chunks import ChunkDifference, compare_chunks
from agent.replaying.recorded_robot import first_observation, recorded_robot_config
from agent.replaying.settings import replay_config
from agent.replaying.thoughts import REPLAY_PLANNER, thoughts_file
from agent.replaying.virtual_run import VirtualRun
from agent.replaying.voices import check_known, said_in
from agent.tracing.diff import Difference, Stretch, compare
from agent.tracing.milestones import zero_ns
from agent.tracing.runs import Run
from fast_brain.robot_choice import read_robot_spec

_NS_PER_S = 1_000_000_000
# Settings that a replay has otherwise, and that do not change what the brains do.
_OURS = ("robot.", "recording.", "serve.", "slow_brain.planner_options.file")
REPLAY = "replay"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of it; `latencies_s` are those of planner and policy in virtual time [s]."""

    length_s: float
    observations: int
    latencies_s: dict[str, float]
    chunks: ChunkDifference
    difference: Difference
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the same happened, the same was planned and the same was sent."""
        return not self.difference.divergences and self.chunks.at_s is None

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "is_same": self.is_same,
            "length_s": self.length_s,
            "observations": self.observations,
            "latencies_s": self.latencies_s,
            "chunks": self.chunks.as_json(),
            "difference": self.difference.as_json(),
            "notes": list(self.notes),
        }


def replay(
    run: Run,
    *,
    overrides: Sequence[str] = (),
    planner: str = "",
    tolerance: float = 0.01,
    keep_in: Path | None = None,
) -> Replay:
    """Let today's agent live through a recorded run, in virtual time.

    Planner and policy take as long as they took then, unless a setting says otherwise; the robot
    shows what it sensed, and what people said is said again. Nothing that is commanded changes what
    is seen.

    Args:
        run: The run.
        overrides: Settings to change, as `slow_brain.rate_hz=2`.
        planner: Another planner than the run had; "" for the same.
        tolerance: How far apart two actions may be and still be the same [action unit].
        keep_in: Where the replay's own trace is left; nowhere if None.

    Raises:
        ConfigError: The run lacks what a replay needs, or a setting is wrong.
        TandemError: The agent could not be started.
    """
    began_ns, said = first_observation(run).stamp_ns, said_in(run)
    check_known(run, said)
    with tempfile.TemporaryDirectory() as aside:
        thoughts = Path(aside) / "thoughts.jsonl"
        extra = thoughts_file(run, thoughts) if planner == REPLAY_PLANNER else []
        config = replay_config(run, [*extra, *overrides], planner)
        names = read_robot_spec(config.robot).action.names
        stand_in = config.model_copy(update={"robot": recorded_robot_config(run, config.robot)})
        folder = keep_in or Path(aside) / REPLAY
        lived = VirtualRun(stand_in, began_ns, folder)
        again = lived.live(said, until_ns=run.end_ns)
        # Before the first goal a run in real time only waits for its parts.
        zero = zero_ns(run)
        stretch = Stretch(zero, zero, run.end_ns, "the first goal")
        found = compare(run, again, tolerance=tolerance, stretch=stretch)
        chunks = compare_chunks(run, again, names=names, tolerance=tolerance, zero_ns=zero)
    return Replay(
        length_s=(run.end_ns - began_ns) / _NS_PER_S,
        observations=sum(1 for _ in run.walk(OBSERVATION)),
        latencies_s={
            "planner": config.runtime.planner_latency_s,
            "policy": config.runtime.policy_latency_s,
        },
        chunks=chunks,
        difference=replace(
            found,
            runs=(run.id, REPLAY),
            settings={k: v for k, v in found.settings.items() if not k.startswith(_OURS)},
        ),
        notes=tuple(_notes(run)),
    )


def _notes(run: Run) -> Iterator[str]:
    yield from run.notes
    rate_hz = run.settings.get("recording", {}).get("observation_rate_hz")
    if rate_hz:
        yield f"Observations were recorded at most {rate_hz:g} times a second."
