"""What every policy-side half has in common: it remembers what went out and how late that was."""

from abc import ABC, abstractmethod
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ConfigError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.protocols import Policy
from bridge.steering import FlowSampler, Seen
from fast_brain.stitchers.committed import CommittedActions, MeasuredDelay

CapabilityT = TypeVar("CapabilityT")

# A stitched chunk's facts, for the trace.
Facts = dict[str, int | float | str]


@runtime_checkable
class FlowPolicyLike(Policy, FlowSampler, Protocol):
    """A policy whose denoising can be steered."""


class Conditioner(ABC):
    """Books for a `ChunkConditioner`: committed actions, measured delay, facts.

    Args:
        policy: Asked to forget with it.
        delay_window: How many measurements of the delay count.
    """

    def __init__(self, policy: Policy, delay_window: int = 10) -> None:
        self._policy = policy
        self._delay_window = delay_window
        self._committed = CommittedActions()
        self._delay = MeasuredDelay(delay_window)
        self._facts: Facts = {}

    @property
    def facts(self) -> Facts:
        """What the newest chunk was conditioned on, and the delay measured last."""
        return self._facts | {"delay_measured_rows": self._delay.newest_rows}

    @abstractmethod
    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """As `Policy.act`."""

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """Measure the delay, and remember what the robot will do."""
        self._delay.note(chunk.start_stamp_ns, chunk.step_s, now_ns)
        self._committed.published(chunk, now_ns)

    def interrupted(self) -> None:
        """Nothing that was published binds the next chunk; the delay goes on being what it was."""
        self._committed.forget()

    def reset(self) -> None:
        """Forget the episode. The delay belongs to the machine, and stays."""
        self._committed.forget()
        self._policy.reset()

    def _note(self, *, delay_rows: int, leftover_rows: int, **more: float | str) -> None:
        known: Facts = {"delay_estimate_rows": delay_rows, "leftover_rows": leftover_rows}
        self._facts = known | more


def leftover(
    committed: CommittedActions, policy: FlowSampler, seen: Seen
) -> tuple[FloatArray, int]:
    """What is under way as rows of a chunk made from `seen`: [H, A], zero from row K on, and K.

    RTC's `Y`: the previous chunk, aligned with the new one, in its frame and units, padded right.
    """
    spec = policy.spec
    actions = committed.rows(seen.start_stamp_ns, spec.step_s, spec.horizon)
    known = len(actions)
    whole = np.zeros((spec.horizon, spec.action.width), np.float32)
    if not known:
        return whole, 0
    whole[:known] = actions
    rows = policy.normalise(whole, seen).astype(np.float32)
    rows[known:] = 0.0
    return rows, known


def denoise(
    policy: FlowSampler,
    seen: Seen,
    *,
    count: int = 1,
    prefix: FloatArray | None = None,
) -> FloatArray:
    """Return normalised rows [count, H, A] by the policy's own Euler steps from noise.

    The rows of `prefix` [d, A] are known: at every step they are put back, at flow time 1.
    """
    rows, known = policy.draw_noise(count), 0 if prefix is None else len(prefix)
    for step in range(policy.flow_steps):
        time = np.full(rows.shape[1], step / policy.flow_steps, np.float32)
        time[:known] = 1.0
        rows = _put_back(rows, prefix)
        velocity = policy.velocity(rows, time, seen)
        rows = (rows + velocity / policy.flow_steps).astype(np.float32)
    return _put_back(rows, prefix)


def _put_back(rows: FloatArray, prefix: FloatArray | None) -> FloatArray:
    if prefix is not None:
        rows[:, : len(prefix)] = prefix
    return rows


def require(
    policy: object, capability: type[CapabilityT], stitcher: str, *, offers: str
) -> CapabilityT:
    """Return the policy as one that offers what a stitcher needs.

    Args:
        policy: Any policy.
        capability: What it must meet.
        stitcher: Who asks.
        offers: The names in `bridge` of what it must offer, for the error.

    Raises:
        ConfigError: It does not; one sentence that names both and what to do.
    """
    if isinstance(policy, capability):
        return policy
    raise ConfigError(
        f"Stitcher {stitcher!r} cannot work with the policy {type(policy).__name__}, which does "
        f"not offer bridge.{offers}: choose a policy that does, or a stitcher that needs nothing "
        f"of it (latest, temporal_ensemble, adaptive_ensemble)."
    )
