"""Messages made from specs, for tests: valid, deterministic, and different for another seed."""

import numpy as np

from bridge.arrays import FloatArray, frozen_array
from bridge.messages import ActionChunk, Goal, Latent, MemoryView, Observation, PlanRequest, Subtask
from bridge.specs import (
    ActionSpec,
    ArraySpec,
    GripperLimit,
    LatentSpec,
    ObservationSpec,
    PlannerSpec,
    PolicySpec,
    WorkspaceBox,
)

SECOND_NS = 1_000_000_000

EXAMPLE_ACTION = ActionSpec(
    names=("x", "y", "gripper"),
    low=(-1.0, -1.0, 0.0),
    high=(1.0, 1.0, 1.0),
    units=("m", "m", "1"),
    max_speed=(0.5, 0.5, 2.0),
    max_acceleration=(5.0, 5.0, 50.0),
    max_jerk=(250.0, 250.0, 2500.0),
    workspace=WorkspaceBox(names=("x", "y"), low=(-1.0, -1.0), high=(1.0, 1.0)),
    gripper=GripperLimit(dimension="gripper"),
    control_rate_hz=50.0,
    frame="base",
)
EXAMPLE_LATENT = LatentSpec(perceptual_tokens=4, cognitive_tokens=2, width=8)
EXAMPLE_OBSERVATION = ObservationSpec(
    images=(ArraySpec(name="front", shape=(8, 8, 3), dtype="uint8"),),
    proprioception=(ArraySpec(name="position", shape=(3,), unit="m", frame="base"),),
)
EXAMPLE_POLICY = PolicySpec(
    action=EXAMPLE_ACTION,
    horizon=5,
    step_s=0.02,
    cameras=("front",),
    proprioception=("position",),
    latent=EXAMPLE_LATENT,
)


def example_latent(
    spec: LatentSpec = EXAMPLE_LATENT,
    *,
    stamp_ns: int = 0,
    sequence: int = 0,
    seed: int | None = None,
    episode_id: str = "",
) -> Latent:
    """A latent of the spec with normally distributed values; `seed` defaults to the sequence."""
    random = np.random.default_rng(sequence if seed is None else seed)
    return Latent(
        perceptual=_normal(random, spec.perceptual_tokens, spec.width),
        cognitive=_normal(random, spec.cognitive_tokens, spec.width),
        observation_stamp_ns=stamp_ns,
        ready_stamp_ns=stamp_ns,
        sequence=sequence,
        subtask_id="subtask-1",
        subtask_text="move to the cube",
        episode_id=episode_id,
    )


def example_observation(
    spec: ObservationSpec = EXAMPLE_OBSERVATION, *, stamp_ns: int = 0
) -> Observation:
    """An observation that the spec lets pass."""
    return spec.example(stamp_ns)


def example_request(
    spec: PlannerSpec | None = None,
    *,
    observation: Observation | None = None,
    goal_text: str = "put the cube into the drawer",
    plan_id: str = "plan-1",
) -> PlanRequest:
    """A request to plan for `goal_text`, with a black image for each camera of the spec."""
    cameras = ("front",) if spec is None else spec.cameras
    black = frozen_array(np.zeros((64, 64, 3), np.uint8))
    seen = observation or Observation(
        stamp_ns=1_000_000_000,
        sequence=1,
        images=dict.fromkeys(cameras, black),
        proprioception={},
        episode_id="episode-1",
    )
    return PlanRequest(
        observation=seen,
        goal=Goal(text=goal_text, id="goal-1", source="test", stamp_ns=seen.stamp_ns),
        trigger="new goal",
        plan_id=plan_id,
    )


def example_memory(spec: LatentSpec | None = EXAMPLE_LATENT, *, length: int = 3) -> MemoryView:
    """What a memory of `length` latents, one a second, hands to a policy; 0 for an empty one."""
    shape = spec or EXAMPLE_LATENT
    random = np.random.default_rng(length)
    return MemoryView(
        perceptual=_normal(random, length, shape.perceptual_tokens, shape.width),
        cognitive=_normal(random, length, shape.cognitive_tokens, shape.width),
        time_s=np.arange(length, dtype=np.float32),
        newest_age_s=0.5 if length else float("inf"),
        latent_sequence=length - 1,
        subtask_id="subtask-1" if length else "",
        subtask_text="move to the cube" if length else "",
        goal_text="put the cube into the drawer",
        now_s=length - 0.5 if length else 0.0,
    )


def example_chunk(
    spec: PolicySpec = EXAMPLE_POLICY, *, start_stamp_ns: int = 0, sequence: int = 0
) -> ActionChunk:
    """A chunk inside the bounds whose rows all differ, so that a test can tell them apart."""
    low, high = (np.array(bound, np.float32) for bound in (spec.action.low, spec.action.high))
    share = (np.arange(spec.horizon, dtype=np.float32)[:, None] + 1) / (spec.horizon + 1)
    return ActionChunk(
        actions=(low + share * (high - low)).astype(np.float32),
        start_stamp_ns=start_stamp_ns,
        step_s=spec.step_s,
        sequence=sequence,
        observation_sequence=sequence,
        observation_stamp_ns=start_stamp_ns,
    )


def example_subtask(text: str = "move to the cube", *, number: int = 1) -> Subtask:
    """A subtask that is still pending."""
    return Subtask(id=f"subtask-{number}", text=text, timeout_s=10.0)


def _normal(random: np.random.Generator, *shape: int) -> FloatArray:
    return random.standard_normal(shape, dtype=np.float32)
