"""A2C2: the newest chunk plays, and each action is corrected by what is seen at that moment.

Source: Sendai et al., "Leave No Observation Behind: Real-Time Correction for VLA Action Chunks"
(arXiv 2509.23224). The head is in `residual_head`, its training in `fast_brain.training.residual`.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec.structs import replace

from bridge.arrays import FloatArray, frozen_array
from bridge.errors import ConfigError
from bridge.messages import ActionChunk, Hold, MemoryView, Observation, PickedAction
from bridge.protocols import Policy
from bridge.steering import FlowSampler, ShowsFeatures
from fast_brain.stitchers.conditioning import Conditioner, denoise, require
from fast_brain.stitchers.latest import LatestStitcher
from fast_brain.stitchers.residual_head import ResidualHead, RowInput, load_head

DEFAULT_WEIGHTS = Path(__file__).parent.parent / "weights" / "residual"
_NS_PER_S = 1_000_000_000


@runtime_checkable
class FeaturePolicy(Policy, FlowSampler, ShowsFeatures, Protocol):
    """A flow policy that shows its features."""


class A2c2Stitcher(LatestStitcher):
    """Corrects each picked action by a residual head, in the control loop; the base is frozen.

    However late a chunk is, its actions are corrected by an observation of just now.

    Args:
        weights: Folder with `residual.safetensors`; the shipped one if empty.
    """

    def __init__(self, *, weights: str = "") -> None:
        super().__init__()
        self._head = load_head(Path(weights) if weights else DEFAULT_WEIGHTS)
        self._base: ActionChunk | None = None
        self._observation: Observation | None = None
        self._from_chunk: FloatArray | None = None
        self._from_pictures: FloatArray | None = None
        self._state: FloatArray | None = None

    def conditioner(self, policy: Policy) -> "FeatureConditioner":
        """The policy's half: it sends the features along.

        Raises:
            ConfigError: The policy shows none, or the head was trained on another policy's.
        """
        able = require(policy, FeaturePolicy, "a2c2", offers="ShowsFeatures")
        if able.fingerprint != self._head.fingerprint:
            raise ConfigError(
                f"The residual head of stitcher 'a2c2' was trained on the policy "
                f"{self._head.fingerprint}, and this one is {able.fingerprint}: train the head on "
                f"it (agent train residual), or choose another stitcher."
            )
        return FeatureConditioner(able, self._head)

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a new chunk, and its features.

        Raises:
            ContractError: The features are of another policy.
        """
        self._from_chunk = self._head.begin(chunk.features)
        self._base = chunk
        super().push(chunk, now_ns)

    def observe(self, observation: Observation) -> None:
        """Look at a new observation; the same one again costs nothing.

        Raises:
            ContractError: It lacks what the head needs.
        """
        if observation is not self._observation:
            self._observation = observation
            self._from_pictures = self._head.look(observation)
            self._state = self._head.state(observation)

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The base action for now, corrected; as it is while nothing was seen yet."""
        picked = super().pick(now_ns)
        if isinstance(picked, Hold):
            return picked
        return picked._replace(action=frozen_array(self._corrected(picked.action, now_ns)))

    def reset(self) -> None:
        """Forget the chunk, and what was seen."""
        super().reset()
        self._base = self._observation = None
        self._from_chunk = self._from_pictures = self._state = None

    def _corrected(self, action: FloatArray, now_ns: int) -> FloatArray:
        base, seen, state = self._base, self._observation, self._state
        if base is None or seen is None or state is None:
            return action
        if self._from_chunk is None or self._from_pictures is None:
            return action
        row = RowInput(
            action=action,
            row=(now_ns - base.start_stamp_ns) / (base.step_s * _NS_PER_S),
            lead_s=(now_ns - seen.stamp_ns) / _NS_PER_S,
            since_s=(seen.stamp_ns - base.observation_stamp_ns) / _NS_PER_S,
        )
        return self._head.correct(row, state, self._from_chunk, self._from_pictures)


class FeatureConditioner(Conditioner):
    """Makes plain chunks that carry the network's features."""

    def __init__(self, policy: FeaturePolicy, head: ResidualHead) -> None:
        super().__init__(policy)
        self._able = policy
        self._head = head

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk with features.

        Raises:
            ContractError: The observation lacks what the policy or the head needs.
        """
        del now_ns
        seen = self._able.look(observation, memory)
        features = self._able.features(seen)
        # Asked here, where an error is told, rather than in the control loop, where it is a stop.
        self._head.begin(features)
        chunk = self._able.finish(denoise(self._able, seen)[0], seen)
        self._note(delay_rows=self._delay.rows, leftover_rows=0)
        return replace(chunk, features=features)
