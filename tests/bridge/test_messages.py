import msgspec
import numpy as np
import pytest

from bridge.errors import ContractError
from bridge.messages import Goal, Hold, HoldReason, Observation, Subtask, SubtaskState
from bridge.testing import example_chunk, example_latent, example_memory


def test_arrays_in_messages_are_read_only() -> None:
    """No reader can change what another reader sees."""
    latent = example_latent()
    for array in (latent.perceptual, latent.cognitive, example_chunk().actions):
        assert not array.flags.writeable


def test_a_message_does_not_change_with_its_makers_buffer() -> None:
    """A robot may reuse its buffers from one observation to the next."""
    buffer = np.zeros((4, 4, 3), np.uint8)
    observation = Observation(stamp_ns=0, sequence=0, images={"a": buffer}, proprioception={})
    buffer[:] = 9
    assert observation.images["a"].max() == 0


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_image_is_bytes_by_height_width_channels(image: np.ndarray) -> None:
    """Another dtype or another number of dimensions is refused, with the camera's name."""
    with pytest.raises(ContractError, match=r"observation\.images\.wrist"):
        Observation(stamp_ns=0, sequence=0, images={"wrist": image}, proprioception={})


def test_age_counts_from_the_observation() -> None:
    """A latent's age is the time since its observation was taken, not since it was ready."""
    latent = msgspec.structs.replace(example_latent(stamp_ns=10**9), ready_stamp_ns=3 * 10**9)
    assert latent.age_s(4 * 10**9) == 3.0


def test_messages_are_frozen() -> None:
    """A message that was sent stays what it was."""
    goal = Goal(text="a", id="1", source="test", stamp_ns=0)
    with pytest.raises(AttributeError):
        goal.text = "b"  # pyright: ignore[reportAttributeAccessIssue]


def test_states_and_reasons_read_as_their_values() -> None:
    """In traces and on the page they are plain words."""
    assert f"{SubtaskState.ACTIVE}" == "active"
    assert f"{Hold(reason=HoldReason.LATENT_STALE).reason}" == "latent_stale"
    assert Subtask(id="1", text="go", timeout_s=1.0).state == "pending"


def test_an_empty_memory_says_so() -> None:
    """`is_empty` is about the number of latents."""
    assert example_memory(length=0).is_empty
    assert not example_memory(length=1).is_empty
