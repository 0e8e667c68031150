"""A contract suite that lets a broken plug-in pass would be worse than none."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from bridge.arrays import FloatArray
from bridge.fusion.latest import LatestFusion
from bridge.memories.bank import BankMemory
from bridge.messages import (
    ActionChunk,
    Goal,
    Hold,
    HoldReason,
    Latent,
    MemoryView,
    Observation,
    PickedAction,
    Plan,
    PlanRequest,
    Thought,
)
from bridge.testing import (
    EXAMPLE_LATENT,
    ChunkStitcherContract,
    FakePlanner,
    FakePolicy,
    FakeRobot,
    FusionContract,
    LatestValueContract,
    MemoryContract,
    PlannerContract,
    PolicyContract,
    RobotContract,
)
from bridge.transports.in_process import InProcessLatestValue


def _failures(suite: Any, make: Any) -> set[str]:
    """Run a suite as pytest would, and return the names of the promises that were broken."""
    failed = set[str]()
    for name in dir(suite):
        if name.startswith("test_"):
            instance = suite()
            instance.make = make
            try:
                getattr(instance, name)()
            except Exception:  # noqa: BLE001  # A broken plug-in may break in any way.
                failed.add(name)
    return failed


class ForgetfulPlanner(FakePlanner):
    """Answers under an id of its own and twice the same subtask."""

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Rename the plan."""
        for result in super().plan(request):
            if isinstance(result, Plan):
                twice = (result.subtasks[0], result.subtasks[0])
                yield msgspec.structs.replace(result, id="mine", subtasks=twice)
            else:
                yield result


class FlyingPolicy(FakePolicy):
    """Leaves the bounds and does not look at what it is shown."""

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """Ten times too far."""
        return ActionChunk(
            actions=np.full((5, 3), 10.0, np.float32),
            start_stamp_ns=now_ns,
            step_s=0.02,
            sequence=0,
            observation_sequence=0,
            observation_stamp_ns=0,
        )


class BoundlessRobot(FakeRobot):
    """Does not say how hard it may accelerate."""

    def __init__(self) -> None:
        super().__init__()
        action = msgspec.structs.replace(self.spec.action, max_acceleration=())
        self.spec = msgspec.structs.replace(self.spec, action=action)


class DriftingRobot(FakeRobot):
    """Adds its actions up, and does not say which of them means to stay."""

    def __init__(self) -> None:
        super().__init__()
        action = msgspec.structs.replace(self.spec.action, mode="delta")
        self.spec = msgspec.structs.replace(self.spec, action=action)


class TouchyRobot(FakeRobot):
    """Minds being stopped before it was started."""

    def stop(self, reason: str) -> None:
        """Refuse."""
        self._refuse_if_faulty()


class TrustingBank(BankMemory):
    """Takes any latent of the right size, from any time."""

    def write(self, latent: Latent) -> None:
        """Write what should be refused."""
        while len(self._perceptual) > 2:
            self._drop(0)
        self._perceptual.append(latent.perceptual[:, :8], 0.0)
        self._cognitive.append(latent.cognitive[:, :8], 0.0)
        self._tell(episode_id="", start_ns=0)


class GrowingFusion(LatestFusion):
    """Adds instead of blending."""

    def fuse(
        self,
        current: FloatArray,
        remembered: FloatArray,
        current_age_s: float,
        remembered_age_s: FloatArray,
    ) -> FloatArray:
        """Sum, which leaves the hull of the inputs."""
        return 10 * current + remembered.sum(axis=0)


class EndlessStitcher:
    """Repeats the last row for ever."""

    def __init__(self) -> None:
        self.chunk: ActionChunk | None = None

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Keep the newest."""
        self.chunk = chunk

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """Never stop."""
        if self.chunk is None:
            return Hold(reason=HoldReason.NO_CHUNK)
        return PickedAction(self.chunk.actions[-1], self.chunk.sequence, 4)

    def reset(self) -> None:
        """Keep it all the same."""


class StickyMailbox(InProcessLatestValue[Goal]):
    """Keeps the first message."""

    def publish(self, message: Goal) -> None:
        """Ignore all but the first."""
        if self.version == 0:
            super().publish(message)


@pytest.mark.parametrize(
    ("suite", "make", "broken"),
    [
        (
            PlannerContract,
            ForgetfulPlanner,
            {
                "test_yields_one_plan_with_the_ids_of_the_request",
                "test_subtasks_can_be_told_apart",
            },
        ),
        (
            PlannerContract,
            lambda: FakePlanner(fault="rubbish"),
            {
                "test_yields_one_plan_with_the_ids_of_the_request",
                "test_latents_fit_the_declared_spec",
            },
        ),
        (
            PolicyContract,
            FlyingPolicy,
            {
                "test_chunk_fits_the_declared_spec",
                "test_acts_on_an_empty_memory",
                "test_acts_after_reset",
                "test_chunk_says_what_it_was_made_from",
                "test_refuses_an_observation_without_what_it_needs",
            },
        ),
        (RobotContract, TouchyRobot, {"test_stop_never_raises"}),
        (RobotContract, BoundlessRobot, {"test_declares_its_limits"}),
        (RobotContract, DriftingRobot, {"test_says_how_it_is_held"}),
        (
            RobotContract,
            lambda: FakeRobot(fault="rubbish"),
            {"test_shows_what_it_declares", "test_obeys_a_command_inside_the_bounds"},
        ),
        (
            FusionContract,
            GrowingFusion,
            {
                "test_nothing_remembered_leaves_the_current_latent",
                "test_blend_is_convex",
                "test_refuses_what_is_not_finite",
            },
        ),
        (
            ChunkStitcherContract,
            EndlessStitcher,
            {
                "test_holds_without_a_chunk",
                "test_one_chunk_is_played_row_by_row",
                "test_never_plays_past_the_horizon",
            },
        ),
        (LatestValueContract, StickyMailbox, {"test_newest_wins"}),
    ],
)
def test_a_broken_plugin_is_found_out(suite: Any, make: Any, broken: set[str]) -> None:
    """Exactly the promises that it breaks fail, and no other."""
    assert _failures(suite, make) == broken


def test_a_memory_that_refuses_nothing_is_found_out() -> None:
    """A bank that trusts its planner fails the suite."""
    failed = _failures(MemoryContract, lambda: TrustingBank(latent=EXAMPLE_LATENT))
    assert "test_refuses_bad_latents_and_stays_unchanged" in failed


@pytest.mark.parametrize(
    "suite",
    [
        PlannerContract,
        PolicyContract,
        RobotContract,
        MemoryContract,
        FusionContract,
        ChunkStitcherContract,
        LatestValueContract,
    ],
)
def test_a_suite_without_make_fails_as_a_whole(suite: Any) -> None:
    """Forgetting to override `make` cannot be mistaken for passing."""
    names = {name for name in dir(suite) if name.startswith("test_")}
    assert _failures(suite, suite().make) == names
