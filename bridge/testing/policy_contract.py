"""What every policy keeps."""

import numpy as np

from bridge.errors import ContractError
from bridge.messages import ActionChunk, Observation
from bridge.protocols import Policy
from bridge.testing.checks import must_raise
from bridge.testing.examples import SECOND_NS, example_memory


class PolicyContract:
    """For a `Policy`. Override `make`, and `observation` if it needs a real one."""

    def make(self) -> Policy:
        """A new policy."""
        raise NotImplementedError

    def observation(self, policy: Policy) -> Observation:
        """What it is shown; override for its own image sizes and proprioception."""
        spec = policy.spec
        return Observation(
            stamp_ns=SECOND_NS,
            sequence=7,
            images={name: np.zeros((8, 8, 3), np.uint8) for name in spec.cameras},
            proprioception={name: np.zeros(3, np.float32) for name in spec.proprioception},
        )

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `Policy`, and its spec is constant."""
        policy = self.make()
        assert isinstance(policy, Policy)
        assert policy.spec == policy.spec

    def test_chunk_fits_the_declared_spec(self) -> None:
        """A chunk has the declared horizon and step, and its actions are inside the bounds."""
        policy = self.make()
        self._check(policy, self._act(policy, memory_length=3))

    def test_acts_on_an_empty_memory(self) -> None:
        """Before the first latent there is a valid chunk too, which says it used no latent."""
        policy = self.make()
        chunk = self._act(policy, memory_length=0)
        self._check(policy, chunk)
        assert chunk.latent_sequence == -1

    def test_chunk_says_what_it_was_made_from(self) -> None:
        """A chunk carries the sequence and the stamp of its observation."""
        policy = self.make()
        observation = self.observation(policy)
        chunk = self._act(policy, memory_length=3)
        assert chunk.observation_sequence == observation.sequence
        assert chunk.observation_stamp_ns == observation.stamp_ns

    def test_acts_after_reset(self) -> None:
        """After a reset it acts as a new one does: within the spec."""
        policy = self.make()
        self._act(policy, memory_length=3)
        policy.reset()
        self._check(policy, self._act(policy, memory_length=1))

    def test_refuses_an_observation_without_what_it_needs(self) -> None:
        """An observation that lacks a declared input is a `ContractError`, not a guess."""
        policy = self.make()
        if not (policy.spec.cameras or policy.spec.proprioception):
            return
        nothing = Observation(stamp_ns=SECOND_NS, sequence=0, images={}, proprioception={})
        memory = example_memory(policy.spec.latent)
        must_raise(ContractError, lambda: policy.act(nothing, memory, SECOND_NS))

    def _act(self, policy: Policy, *, memory_length: int) -> ActionChunk:
        memory = example_memory(policy.spec.latent, length=memory_length)
        return policy.act(self.observation(policy), memory, SECOND_NS)

    @staticmethod
    def _check(policy: Policy, chunk: ActionChunk) -> None:
        spec = policy.spec
        assert chunk.actions.shape == (spec.horizon, spec.action.width)
        assert chunk.step_s == spec.step_s
        assert 0.0 <= chunk.gate_mean <= 1.0
        spec.action.validate(chunk.actions)
