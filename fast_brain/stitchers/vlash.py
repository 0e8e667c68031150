"""VLASH: the policy is asked as of when its chunk will be out, from where the arm will be then.

Source: "VLASH: Real-Time VLAs via Future-State-Aware Asynchronous Inference" (arXiv 2512.01031).
The picture is of now; the state is rolled forward by the actions that will be carried out meanwhile
(published: the state is the last of them); the chunk begins there.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from msgspec.structs import replace

from bridge.errors import ConfigError
from bridge.messages import ActionChunk, Hold, MemoryView, Observation, PickedAction
from bridge.protocols import Policy
from bridge.steering import RollForward
from fast_brain.stitchers.conditioning import Conditioner, require
from fast_brain.stitchers.latest import LatestStitcher

_NS_PER_S = 1_000_000_000


@runtime_checkable
class RollForwardPolicy(Policy, RollForward, Protocol):
    """A policy that can be asked as of later."""


@dataclass(frozen=True)
class _Asked:
    """As of when the newest chunk was asked for: its picture's first row, and rows after that."""

    start_stamp_ns: int
    rolled_rows: int


class VlashStitcher:
    """Roll-forward: a chunk begins when it is due, and the one before plays until then.

    Args:
        response_s: How the arm follows its targets [s], as in `RollForward.roll_forward`: 0, as
            published, takes the last action for the state. A real arm is behind its targets; the
            demo's closes all but 1/e of its way in 0.11 s (fitted to its demonstrations).
        most_rows: At most this far ahead [rows]; 0 for as far as the policy was trained.
        delay_window: How many measurements of the delay count; the largest is taken.
    """

    def __init__(
        self, *, response_s: float = 0.0, most_rows: int = 0, delay_window: int = 10
    ) -> None:
        self._response_s = response_s
        self._most_rows = most_rows
        self._delay_window = delay_window
        self._playing = LatestStitcher()
        self._next: ActionChunk | None = None

    def conditioner(self, policy: Policy) -> "RollForwardConditioner":
        """The policy's half.

        Raises:
            ConfigError: The policy cannot be asked as of later, or was not trained for it.
        """
        able = require(policy, RollForwardPolicy, "vlash", offers="RollForward")
        if able.longest_roll_rows < 1:
            raise ConfigError(
                "Stitcher 'vlash' needs a policy that was trained with states ahead of its "
                "pictures, and these weights were not: train them (agent train policy), or choose "
                "stitcher 'rtc'."
            )
        most = min(self._most_rows or able.longest_roll_rows, able.longest_roll_rows)
        return RollForwardConditioner(able, self._response_s, most, self._delay_window)

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a chunk; it plays once it is due."""
        self._next = chunk
        self._begin_if_due(now_ns)

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The action for now, of the chunk that is due."""
        self._begin_if_due(now_ns)
        return self._playing.pick(now_ns)

    def reset(self) -> None:
        """Forget all chunks."""
        self._next = None
        self._playing.reset()

    def _begin_if_due(self, now_ns: int) -> None:
        """One row ahead of its first: the way from the row before to that one is its own."""
        chunk = self._next
        if chunk is not None and now_ns >= chunk.start_stamp_ns - chunk.step_s * _NS_PER_S:
            self._next = None
            self._playing.push(chunk, now_ns)


class RollForwardConditioner(Conditioner):
    """Asks the policy as of as many rows ahead as will have passed when the chunk is out."""

    def __init__(
        self, policy: RollForwardPolicy, response_s: float, most_rows: int, delay_window: int
    ) -> None:
        super().__init__(policy, delay_window)
        self._able = policy
        self._response_s = response_s
        self._most_rows = most_rows
        self._asked: _Asked | None = None

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk of later, from where the arm will be.

        Raises:
            ContractError: The observation lacks what the policy needs.
        """
        policy, step_s = self._able, self._able.spec.step_s
        delay = self._delay.rows
        first_ns = observation.stamp_ns + round(step_s * _NS_PER_S)
        ahead = self._committed.rows(first_ns, step_s, min(delay, self._most_rows))
        rolled = policy.roll_forward(observation, ahead, self._response_s)
        chunk = policy.act(rolled, memory, now_ns)
        self._asked = _Asked(chunk.start_stamp_ns, len(ahead))
        self._note(delay_rows=delay, leftover_rows=len(ahead), rolled_rows=len(ahead))
        later_ns = chunk.start_stamp_ns + round(len(ahead) * step_s * _NS_PER_S)
        return replace(chunk, start_stamp_ns=later_ns)

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """The delay counts from the picture, not from where the chunk begins."""
        if self._asked is not None:
            self._delay.note(self._asked.start_stamp_ns, chunk.step_s, now_ns)
        self._committed.published(chunk, now_ns)
