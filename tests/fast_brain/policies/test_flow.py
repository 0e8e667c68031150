"""The flow policy: what it answers, what it refuses, and that memory reaches its actions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.errors import ContractError, MissingWeightsError
from bridge.messages import MemoryView, Observation
from bridge.protocols import Policy
from bridge.testing import PolicyContract
from fast_brain.policies.flow import FlowPolicy
from fast_brain.policies.flow_network import HORIZON, FlowNetwork, bucket_words
from fast_brain.training.policy import write


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights, which act like no trained policy but have its shape."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = FlowNetwork()
    network.action_std.fill_(0.05)
    write(network, folder)
    return folder


def _observation(**changes: np.ndarray) -> Observation:
    image = np.full((96, 96, 3), 90, np.uint8)
    proprioception = {
        "gripper_pose_in_base": np.array([0.4, 0, 0.2, 0.4, 0], np.float32),
        "gripper_contact": np.zeros(1, np.float32),
    }
    images = {"front": image, "wrist": image} | {
        name: value for name, value in changes.items() if value.ndim == 3
    }
    proprioception |= {name: value for name, value in changes.items() if value.ndim == 1}
    return Observation(
        stamp_ns=1_000_000_000, sequence=7, images=images, proprioception=proprioception
    )


def _memory(age_s: float, level: float, length: int = 3) -> MemoryView:
    random = np.random.default_rng(0)
    return MemoryView(
        perceptual=(random.normal(size=(length, 16, 192)) + level).astype(np.float32),
        cognitive=(random.normal(size=(length, 1, 192)) * level).astype(np.float32),
        time_s=np.arange(length, dtype=np.float32),
        newest_age_s=age_s,
        latent_sequence=5,
        subtask_text="open the drawer",
        now_s=length - 1 + age_s,
    )


class TestFlowPolicy(PolicyContract):
    """The shipped policy keeps every promise of a policy."""

    @pytest.fixture(autouse=True)
    def _use_weights(self, weights: Path) -> None:
        self._weights = weights

    def make(self) -> FlowPolicy:
        """A policy with random weights."""
        return FlowPolicy(weights=str(self._weights))

    def observation(self, policy: Policy) -> Observation:
        """What the shipped arm shows."""
        return _observation()


def test_chunk_starts_one_step_after_the_picture(weights: Path) -> None:
    """Row 0 is the target for 50 ms after the picture, whenever the policy was asked."""
    chunk = FlowPolicy(weights=str(weights)).act(_observation(), _memory(0.5, 1.0), 1_040_000_000)

    assert chunk.start_stamp_ns == 1_050_000_000
    assert chunk.actions.shape == (HORIZON, 5)
    assert chunk.observation_sequence == 7
    assert chunk.latent_sequence == 5
    assert 0 < chunk.gate_mean < 1


def test_latents_reach_the_actions(weights: Path) -> None:
    """Two latents that differ give two chunks that differ, all else equal."""
    first = FlowPolicy(weights=str(weights)).act(_observation(), _memory(0.5, 1.0), 0)
    second = FlowPolicy(weights=str(weights)).act(_observation(), _memory(0.5, -1.0), 0)

    assert np.abs(first.actions - second.actions).max() > 1e-4


def test_latent_that_is_too_old_is_not_looked_at(weights: Path) -> None:
    """Past `text_after_s` the words decide: the latents' content changes nothing any more."""
    chunks = [
        FlowPolicy(weights=str(weights), text_after_s=4.0).act(_observation(), memory, 0)
        for memory in (_memory(4.5, 1.0), _memory(4.5, -1.0))
    ]

    assert np.array_equal(chunks[0].actions, chunks[1].actions)
    assert chunks[0].latent_sequence == -1


def test_same_seed_gives_the_same_chunk_after_reset(weights: Path) -> None:
    """After `reset` the noise begins anew, so that a run can be repeated."""
    policy = FlowPolicy(weights=str(weights))
    first = policy.act(_observation(), _memory(0.5, 1.0), 0)
    policy.reset()

    again = policy.act(_observation(), _memory(0.5, 1.0), 0)

    assert np.array_equal(first.actions, again.actions)


@pytest.mark.parametrize(
    "changes",
    [
        {"front": np.zeros((64, 64, 3), np.uint8)},
        {"gripper_pose_in_base": np.full(5, np.nan, np.float32)},
    ],
    ids=["picture of another size", "pose that is not a number"],
)
def test_observation_that_is_wrong_is_refused(
    weights: Path, changes: dict[str, np.ndarray]
) -> None:
    """A wrong picture or measurement is an error that names it, never a chunk."""
    with pytest.raises(ContractError, match=r"observation\.(images\.front|proprioception)"):
        FlowPolicy(weights=str(weights)).act(_observation(**changes), _memory(0.5, 1.0), 0)


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    """Without weights the error names the path and the command that makes them."""
    with pytest.raises(MissingWeightsError, match="agent train policy"):
        FlowPolicy(weights=str(tmp_path))


def test_words_fall_into_the_same_buckets_in_every_process() -> None:
    """The buckets are part of the weights: they must not depend on Python's hash seed."""
    assert bucket_words("open the drawer")[:4] == bucket_words("Open, the drawer.")[:4]
    assert bucket_words("open")[0] == 1 + _spelled("open") % 1023


def _spelled(word: str) -> int:
    number = 0
    for letter in word:
        number = (number * 131 + ord(letter)) % 1_000_003
    return number
