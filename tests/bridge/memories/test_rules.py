"""What each kind of memory keeps, and what it lets go."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ConfigError, ContractError, PluginError, UnknownNameError
from bridge.memories.anchor import AnchorMemory
from bridge.memories.composition import CompositeMemory, Mem0Memory
from bridge.memories.keyframes import KeyframeMemory
from bridge.memories.likeness import likeness
from bridge.memories.shelf import MemoryShelf
from bridge.memories.window import WindowMemory
from bridge.messages import Latent
from bridge.protocols import Memory
from bridge.specs import LatentSpec
from bridge.testing import example_latent

SPEC = LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=3)
SECOND_NS = 1_000_000_000


def _latent(second: float, subtask: str = "a", seed: int | None = None) -> Latent:
    latent = example_latent(
        SPEC, stamp_ns=round(second * SECOND_NS), sequence=int(second * 10), seed=seed
    )
    return replace(latent, subtask_id=subtask, subtask_text=f"do {subtask}")


def _times(memory: Memory) -> list[float]:
    return memory.read(10**12).time_s.tolist()


def _begun(memory: Memory) -> Memory:
    memory.reset(episode_id="", start_ns=0)
    return memory


@given(subtasks=st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_the_start_of_the_episode_and_of_its_subtask_are_never_forgotten(
    subtasks: list[str],
) -> None:
    """Whatever comes, the first latent of all and of the subtask under way are there, unchanged."""
    memory = _begun(AnchorMemory(latent=SPEC))
    begun = 0
    for second, subtask in enumerate(subtasks):
        if second == 0 or subtask != subtasks[second - 1]:
            begun = second
        memory.write(_latent(second, subtask))
        view = memory.read(second * SECOND_NS)
        assert set(view.time_s) == {0, begun, second}
        np.testing.assert_array_equal(view.perceptual[0], _latent(0).perceptual)
        at = view.time_s.tolist().index(begun)
        np.testing.assert_array_equal(view.perceptual[at], _latent(begun).perceptual)


def test_an_anchor_may_be_of_several_subtasks_or_of_the_episode_alone() -> None:
    """How many subtask starts are kept is a setting; the oldest goes when another begins."""
    several = _begun(AnchorMemory(latent=SPEC, episode=False, subtasks=2))
    alone = _begun(AnchorMemory(latent=SPEC, subtasks=0))
    for second, subtask in enumerate("aabbccdd"):
        for memory in (several, alone):
            memory.write(_latent(second, subtask))
    assert _times(several) == [4, 6, 7]
    assert _times(alone) == [0, 7]


def test_a_window_holds_the_last_and_may_end_with_the_subtask() -> None:
    """First in, first out; with `subtask_only` what was before the subtask is forgotten at once."""
    plain = _begun(WindowMemory(latent=SPEC, capacity=3))
    within = _begun(WindowMemory(latent=SPEC, capacity=3, subtask_only=True))
    for second, subtask in enumerate("aaaaabb"):
        for memory in (plain, within):
            memory.write(_latent(second, subtask))
    assert _times(plain) == [3, 4, 5, 6]
    assert _times(within) == [5, 6]


def test_mem_0_keeps_the_subtasks_first_and_its_last() -> None:
    """One anchor and a queue, both of the subtask under way."""
    memory = _begun(Mem0Memory(latent=SPEC, capacity=2))
    for second, subtask in enumerate("aaabbbbbb"):
        memory.write(_latent(second, subtask))
    assert _times(memory) == [3, 6, 7, 8]


@given(
    gaps=st.lists(st.floats(0.05, 3.0), min_size=1, max_size=60),
    suppression_s=st.floats(0.0, 1.0),
    capacity=st.integers(1, 4),
)
def test_keyframes_keep_their_distance_and_their_number(
    gaps: list[float], suppression_s: float, capacity: int
) -> None:
    """However lively it is, no two are closer than the cooldown, nor more than there is room."""
    memory = _begun(
        KeyframeMemory(latent=SPEC, capacity=capacity, suppression_s=suppression_s, cooldown_s=1.5)
    )
    second = 0.0
    for gap in gaps:
        second += gap
        memory.write(_latent(second, seed=round(second * 1000)))
        kept = _times(memory)[:-1]
        assert len(kept) <= capacity
        assert all(np.diff(kept) >= 1.5 - 1e-5)


def test_keyframes_are_the_changes() -> None:
    """Of long sameness with two changes the changes are kept, each once."""
    memory = _begun(KeyframeMemory(latent=SPEC, threshold=0.3))
    for second in range(60):
        memory.write(_latent(second, seed=1 if second < 20 else 2 if second < 45 else 3))
    assert _times(memory) == [0, 20, 45, 59]


def test_of_neighbouring_candidates_the_higher_score_stands() -> None:
    """Within the suppression time the higher event replaces the lower, and not the other way."""
    memory = _begun(KeyframeMemory(latent=SPEC, threshold=0.001, suppression_s=1.0, cooldown_s=1.0))
    quiet, loud = np.eye(3, dtype=np.float32)[[0]], np.eye(3, dtype=np.float32)[[1]]
    shown = {0.0: quiet, 5.0: quiet + 0.2 * loud, 5.5: -quiet, 6.0: -quiet + 0.1 * loud}
    for second, tokens in shown.items():
        latent = replace(_latent(second), perceptual=np.repeat(tokens, 2, axis=0), cognitive=tokens)
        memory.write(latent)
    memory.write(_latent(20.0))
    assert _times(memory) == [0.0, 5.5, 20.0]


def test_a_new_subtask_is_an_event_however_it_looks() -> None:
    """The first latent of a subtask is a keyframe even when nothing changed before the camera."""
    memory = _begun(KeyframeMemory(latent=SPEC))
    for second, subtask in enumerate("aaaabbbb"):
        memory.write(_latent(second, subtask, seed=1))
    assert _times(memory) == [0, 4, 7]


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.0},
        {"threshold": float("nan")},
        {"suppression_s": 3.0, "cooldown_s": 1.0},
        {"suppression_s": -1.0},
        {"cooldown_s": float("inf")},
    ],
    ids=str,
)
def test_keyframe_settings_that_contradict_are_refused_with_the_numbers(
    options: dict[str, Any],
) -> None:
    """The message names all three numbers and their units."""
    with pytest.raises(ConfigError, match=r"cooldown_s .* s\."):
        KeyframeMemory(latent=SPEC, **options)


def test_an_anchor_of_nothing_is_refused() -> None:
    """It says which settings would help."""
    with pytest.raises(ConfigError, match="Set episode: true or subtasks ≥ 1"):
        AnchorMemory(latent=SPEC, episode=False, subtasks=0)


def test_a_composition_remembers_each_entry_once_and_in_order() -> None:
    """What two parts hold is there once; the newest stays last."""
    memory = _begun(
        CompositeMemory(
            latent=SPEC,
            parts=[{"memory": "anchor"}, {"memory": "window", "capacity": 2}],
        )
    )
    for second in range(3):
        memory.write(_latent(second))
    assert _times(memory) == [0, 1, 2]
    for second in range(3, 6):
        memory.write(_latent(second))
    assert _times(memory) == [0, 3, 4, 5]
    assert memory.read(6 * SECOND_NS).newest_age_s == 1.0


def test_two_latents_of_one_moment_are_both_remembered() -> None:
    """Equal times do not make two entries one, and the newest of them is last."""
    memory = _begun(CompositeMemory(latent=SPEC, parts=[{"memory": "window"}]))
    for seed in (1, 2, 3):
        memory.write(_latent(1.0, seed=seed))
    view = memory.read(2 * SECOND_NS)
    assert view.time_s.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(view.perceptual[-1], _latent(1.0, seed=3).perceptual)


def test_streams_that_merge_apart_keep_their_own_times_in_a_composition() -> None:
    """Where a part's streams remember different times, the view says both."""
    part = {"memory": "memory_vla", "capacity": 3}
    memory = _begun(CompositeMemory(latent=SPEC, parts=[part]))
    for second in range(30):
        memory.write(_latent(second))
    view = memory.read(30 * SECOND_NS)
    assert view.cognitive_time_s is not None
    assert view.cognitive_time_s.shape == view.time_s.shape
    assert not np.array_equal(view.cognitive_time_s, view.time_s)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([], ConfigError),
        ([{"capacity": 3}], ConfigError),
        ([{"memory": "windw"}], UnknownNameError),
        ([{"memory": "window", "size": 3}], ConfigError),
        ([{"memory": "window", "capacity": "many"}], PluginError),
    ],
    ids=str,
)
def test_parts_that_are_none_are_refused(parts: Any, error: type[Exception]) -> None:
    """No parts, a part without a kind, and misspelt kinds and settings are told."""
    with pytest.raises(error):
        CompositeMemory(latent=SPEC, parts=parts)


def test_a_composition_restores_all_of_its_parts_or_none() -> None:
    """A snapshot of other parts is refused with the numbers, and nothing changes."""
    memory = _begun(CompositeMemory(latent=SPEC))
    other = _begun(CompositeMemory(latent=SPEC, parts=[{"memory": "window"}]))
    same_number = _begun(
        CompositeMemory(
            latent=SPEC,
            parts=[
                {"memory": "anchor"},
                {"memory": "keyframes", "capacity": 9},
                {"memory": "anchor"},
            ],
        )
    )
    for each in (memory, other, same_number):
        each.write(_latent(1))
    before = memory.snapshot()
    with pytest.raises(ContractError, match=r"3 parts.*1 parts"):
        memory.restore(other.snapshot())
    with pytest.raises(ContractError, match=r"keyframes\(5.*keyframes\(9"):
        memory.restore(same_number.snapshot())
    assert memory.snapshot() == before


def test_robots_on_a_shelf_remember_and_forget_alone() -> None:
    """A new episode of one robot leaves the other's memory; an unknown robot is refused."""
    shelf = MemoryShelf(lambda: WindowMemory(latent=SPEC), ["left", "right"])
    for robot in ("left", "right"):
        shelf.reset(robot, episode_id="", start_ns=0)
        shelf.of(robot).write(_latent(1))
    shelf.reset("left", episode_id="2", start_ns=5 * SECOND_NS)
    assert shelf.of("left").read(0).is_empty
    assert not shelf.of("right").read(0).is_empty
    with pytest.raises(ContractError, match=r"\['left', 'right'\]"):
        shelf.of("middle")
    with pytest.raises(ConfigError):
        MemoryShelf(lambda: WindowMemory(latent=SPEC), [])


def test_likeness_is_a_mean_of_cosines() -> None:
    """Opposite tokens are -1, equal ones 1, and a token of zeros counts as unlike."""
    ones = np.ones((2, 3), np.float32)
    half = np.array([[1, 1, 1], [0, 0, 0]], np.float32)
    assert likeness(ones, -ones) == -1.0
    assert likeness(ones, 5 * ones) == 1.0
    assert likeness(ones, half) == 0.5
