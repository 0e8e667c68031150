"""What a policy may offer beyond `Policy`, so that a stitcher can make its chunks fit together.

A stitcher that needs one of these refuses a policy without it before anything moves. The arrays are
numpy on both sides: which framework the network is written in is the policy's own business.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from bridge.arrays import FloatArray
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec

# Takes a cotangent [N, H, A], gives its product with the Jacobian of a velocity.
Pullback = Callable[[FloatArray], FloatArray]


class Seen(Protocol):
    """One observation and memory as a flow policy has encoded them; opaque but for its time."""

    @property
    def start_stamp_ns(self) -> int:
        """The time row 0 of a chunk made from it is meant for."""
        ...


@runtime_checkable
class FlowSampler(Protocol):
    """A policy whose chunks arise by flow: each Euler step can be seen, and steered.

    Rows are normalised and relative to what was seen, as the network knows them. Flow time runs
    from 0, noise, to 1, action.
    """

    @property
    def spec(self) -> PolicySpec:
        """As for `Policy`; H is its horizon, A its action's width."""
        ...

    @property
    def flow_steps(self) -> int:
        """Euler steps of a chunk."""
        ...

    @property
    def longest_prefix_rows(self) -> int:
        """How many clean first rows the network was trained to go on from; 0 if it was not."""
        ...

    def look(self, observation: Observation, memory: MemoryView) -> Seen:
        """Encode once what every step is conditioned on.

        Raises:
            ContractError: The observation lacks what the spec asks for.
        """
        ...

    def draw_noise(self, count: int) -> FloatArray:
        """Starting points [count, H, A], as `act` draws them."""
        ...

    def velocity(self, rows: FloatArray, time: FloatArray, seen: Seen) -> FloatArray:
        """The velocity [N, H, A] of `rows` [N, H, A], each row at its flow time, `time` [H]."""
        ...

    def velocity_and_pullback(
        self, rows: FloatArray, time: FloatArray, seen: Seen
    ) -> tuple[FloatArray, Pullback]:
        """As `velocity`, and the vector-Jacobian product of the same evaluation."""
        ...

    def normalise(self, actions: FloatArray, seen: Seen) -> FloatArray:
        """Actions [H, A] in the spec's units and frame as rows of a chunk made from `seen`."""
        ...

    def finish(self, rows: FloatArray, seen: Seen) -> ActionChunk:
        """The chunk of finished `rows` [H, A]: in the spec's units and frame, inside its bounds."""
        ...


@runtime_checkable
class RollForward(Protocol):
    """A policy that can be asked as of later: the arm's state then, the pictures of now.

    Row 0 of its chunks is for one step after the observation.
    """

    @property
    def longest_roll_rows(self) -> int:
        """How many rows ahead it was trained to be asked; 0 if it was not."""
        ...

    def roll_forward(
        self, observation: Observation, actions: FloatArray, response_s: float
    ) -> Observation:
        """The observation with the state the arm will be in after `actions` [K, A], a row each.

        Args:
            observation: What is seen now; its stamp stays.
            actions: What the arm will be told until then, absolute, `spec.step_s` apart.
            response_s: How the arm follows [s]: it closes all but 1/e of the way to its target in
                this time. 0 puts it at the last action.
        """
        ...


@runtime_checkable
class ShowsFeatures(Protocol):
    """A flow policy that shows what its network made of what it saw."""

    @property
    def fingerprint(self) -> str:
        """Says which weights these are: another training, another fingerprint."""
        ...

    def features(self, seen: Seen) -> FloatArray:
        """The network's own encoding [F], float32."""
        ...
