"""The chunks of actions that a policy made in a recorded run, and how two runs' differ."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agent.recording.reading import RecordedEvent
from agent.tracing.runs import Run
from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.errors import ConfigError
from bridge.messages import ActionChunk

CHUNK = "policy.chunk"
_NS_PER_S = 1_000_000_000
# Chunks that begin further apart than this are not of the same beat of the policy [s].
_SAME_BEAT_S = 0.25


@dataclass(frozen=True, kw_only=True)
class ChunkDifference:
    """How far the chunks of two runs are apart [action unit], where both planned the same moments.

    `at_s` is when the first chunk began that is further away than the tolerance, None if none is;
    `apart` is how far that one was, in which action.
    """

    compared: int
    without_counterpart: int
    mean: float
    largest: float
    at_s: float | None
    apart: float
    action: str

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return asdict(self)


def chunks_of(run: Run) -> Iterator[ActionChunk]:
    """Every chunk of a run, in the order in which they were made.

    Raises:
        ConfigError: It was recorded by an agent that did not write down their actions.
    """
    for event in run.walk(CHUNK):
        if "actions" not in event.facts:
            raise ConfigError(
                f"Run {run.id} does not say what its chunks were: it was recorded by an older "
                "agent. Record it again."
            )
        yield chunk_message(event)


def chunk_message(event: RecordedEvent) -> ActionChunk:
    """The chunk that an event tells of, as it was published."""
    facts = event.facts
    age_s = facts.get("latent_age_s")
    actions = np.array(facts["actions"], np.float32).reshape(-1, facts["action_width"])
    return ActionChunk(
        actions=frozen_array(actions),
        start_stamp_ns=facts["start_stamp_ns"],
        step_s=facts["step_s"],
        sequence=facts["chunk_sequence"],
        observation_sequence=facts["observation_sequence"],
        observation_stamp_ns=event.stamp_ns - round(facts["observation_age_s"] * _NS_PER_S),
        latent_sequence=facts["latent_sequence"],
        # What is not finite, here the age of no latent, is written as nothing.
        latent_age_s=float("inf") if age_s is None else age_s,
        subtask_id=facts["subtask_id"],
        gate_mean=facts["gate_mean"],
    )


def compare_chunks(
    first: Run, second: Run, *, names: tuple[str, ...], tolerance: float, zero_ns: int
) -> ChunkDifference:
    """Lay the chunks of two runs on one clock beside each other.

    Args:
        first: The run that is the measure.
        second: The other.
        names: What the actions are called.
        tolerance: How far apart is still the same [action unit].
        zero_ns: From when times count [ns].
    """
    others = list(chunks_of(second))
    starts_ns = np.array([chunk.start_stamp_ns for chunk in others])
    apart, lonely, found = list[FloatArray](), 0, (None, 0.0, "")
    for chunk in chunks_of(first):
        distance = _distance(chunk, _nearest(chunk, others, starts_ns))
        if distance is None:
            lonely += 1
            continue
        apart.append(distance)
        worst = int(distance.argmax())
        if found[0] is None and distance[worst] > tolerance:
            at_s = (chunk.start_stamp_ns - zero_ns) / _NS_PER_S
            found = at_s, float(distance[worst]), names[worst]
    return ChunkDifference(
        compared=len(apart),
        without_counterpart=lonely,
        mean=float(np.mean(apart)) if apart else 0.0,
        largest=float(np.max(apart)) if apart else 0.0,
        at_s=found[0],
        apart=found[1],
        action=found[2],
    )


def _nearest(
    chunk: ActionChunk, others: list[ActionChunk], starts_ns: AnyArray
) -> ActionChunk | None:
    if not others:
        return None
    return others[int(np.abs(starts_ns - chunk.start_stamp_ns).argmin())]


def _distance(chunk: ActionChunk, other: ActionChunk | None) -> FloatArray | None:
    """How far two chunks are apart at most, action by action [A]; None if there is no such pair."""
    if other is None or chunk.actions.shape[1] != other.actions.shape[1]:
        return None
    later_s = (other.start_stamp_ns - chunk.start_stamp_ns) / _NS_PER_S
    if abs(later_s) > _SAME_BEAT_S:
        return None
    here_s, there_s = _rows_s(chunk), _rows_s(other) + later_s
    common = (here_s >= there_s[0]) & (here_s <= there_s[-1])
    if not common.any():
        return None
    # Between two rows of the other chunk lies the straight line that both were meant to follow.
    ours = chunk.actions[common]
    theirs: list[AnyArray] = [
        np.interp(here_s[common], there_s, other.actions[:, column])
        for column in range(ours.shape[1])
    ]
    return np.abs(ours - np.stack(theirs, axis=1)).max(axis=0).astype(np.float32)


def _rows_s(chunk: ActionChunk) -> AnyArray:
    """When each row was meant for, since the chunk's start [s]."""
    return np.arange(len(chunk.actions)) * chunk.step_s
