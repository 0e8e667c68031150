"""What the tests of the stitchers share: a spec with room, chunks, and a policy-side loop."""

import numpy as np

from bridge.messages import ActionChunk, Hold, Observation, PickedAction
from bridge.protocols import ChunkConditioner
from bridge.specs import ActionSpec, PolicySpec
from bridge.testing import FakeFlowPolicy, example_memory

MS_NS = 1_000_000
STEP_NS = 50 * MS_NS
HORIZON = 10
SPEC = PolicySpec(
    action=ActionSpec(
        names=("x", "y"),
        low=(-9.0, -9.0),
        high=(9.0, 9.0),
        units=("m", "m"),
        max_speed=(5.0, 5.0),
        control_rate_hz=100.0,
        frame="base",
    ),
    horizon=HORIZON,
    step_s=0.05,
    proprioception=("position",),
)
MEMORY = example_memory(length=0)


def flow_policy(**options: int) -> FakeFlowPolicy:
    """The toy field with ten rows of two numbers."""
    return FakeFlowPolicy(SPEC, **options)


def seen_at(stamp_ns: int, *position: float) -> Observation:
    """What is seen at a time, with the arm at a place."""
    place = np.array(position or (0.1, -0.2), np.float32)
    return Observation(
        stamp_ns=stamp_ns,
        sequence=stamp_ns // STEP_NS,
        images={},
        proprioception={"position": place},
    )


def chunk_of(rows: object, *, start_ns: int = 0, sequence: int = 0) -> ActionChunk:
    """A chunk of the given rows, 50 ms apart; numbers become rows of one."""
    actions = np.array(rows, np.float32)
    return ActionChunk(
        actions=actions if actions.ndim == 2 else actions[:, None],
        start_stamp_ns=start_ns,
        step_s=0.05,
        sequence=sequence,
        observation_sequence=0,
        observation_stamp_ns=start_ns,
    )


def value(picked: PickedAction | Hold) -> float:
    """The first number of what was picked."""
    assert isinstance(picked, PickedAction), picked
    return float(picked.action[0])


def run_policy(
    conditioner: ChunkConditioner, *, beats: int, every_ns: int, takes_ns: int
) -> list[ActionChunk]:
    """Let the policy's half make chunks at its rate, each out `takes_ns` after its picture."""
    chunks = []
    for beat in range(beats):
        now_ns = 10**9 + beat * every_ns
        chunk = conditioner.act(seen_at(now_ns), MEMORY, now_ns)
        conditioner.published(chunk, now_ns + takes_ns)
        chunks.append(chunk)
    return chunks
