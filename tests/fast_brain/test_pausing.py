"""What the control loop does while a person makes the robot wait."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.messages import (
    ActionChunk,
    Command,
    Decision,
    Hold,
    HoldReason,
    Observation,
    PauseRequest,
    StopRequest,
)
from bridge.specs import ActionSpec
from fast_brain.control_loop import ControlLoop
from fast_brain.safety import SafetyFilter
from fast_brain.stitchers.latest import LatestStitcher

S_NS = 1_000_000_000
TICK_NS = S_NS // 100
SPEC = ActionSpec(
    names=("x",),
    low=(-10.0,),
    high=(10.0,),
    units=("m",),
    max_speed=(1.0,),
    max_acceleration=(4.0,),
    max_jerk=(100.0,),
    control_rate_hz=100.0,
)
# Rounding of targets to float32 [m].
ROUNDING_M = 1e-5


class Arm:
    """A loop whose policy always wants to go on at full speed, and the time."""

    def __init__(self) -> None:
        self.loop = ControlLoop(LatestStitcher(), SafetyFilter(SPEC, 100.0), target_name="target")
        self.now_ns, self.at_m = S_NS, 0.0
        self.targets_m = [0.0, 0.0]
        self.pause: PauseRequest | None = None
        self.stop: StopRequest | None = None

    def ask(self, mode: str) -> None:
        """A person's word about waiting."""
        self.pause = PauseRequest(mode=mode, reason="", source="test", stamp_ns=self.now_ns)  # pyright: ignore[reportArgumentType]

    def halt(self, *, latched: bool) -> None:
        """A person's word about stopping."""
        self.stop = StopRequest(reason="", source="test", latched=latched, stamp_ns=self.now_ns)

    def tick(self, count: int = 1, *, seen_ns: int | None = None) -> Decision:
        """Ticks with a fresh chunk each, made from what is seen at that moment; the last decision.

        Args:
            count: How many.
            seen_ns: When what the chunks are made from was seen; now if None.
        """
        decision: Decision = Hold(reason=HoldReason.NO_CHUNK)
        for _ in range(count):
            self.now_ns += TICK_NS
            decision = self.loop.tick(
                self.now_ns, self._seen(), self._chunk(seen_ns), self.stop, pause=self.pause
            )
            action = decision.action
            if action is not None:
                self.at_m = float(action[0])
            self.targets_m.append(self.at_m)
        return decision

    def _seen(self) -> Observation:
        target = {"target": np.array([self.at_m], np.float32)}
        return Observation(
            stamp_ns=self.now_ns, sequence=self.now_ns, images={}, proprioception=target
        )

    def _chunk(self, seen_ns: int | None) -> ActionChunk:
        return ActionChunk(
            actions=np.array([[self.at_m + 5.0], [self.at_m + 5.0]], np.float32),
            start_stamp_ns=self.now_ns,
            step_s=0.05,
            sequence=self.now_ns,
            observation_sequence=0,
            observation_stamp_ns=self.now_ns if seen_ns is None else seen_ns,
        )


def test_a_pause_brings_the_robot_to_rest_within_its_limits() -> None:
    """It slows down as fast as it may and no faster, then stands, and is left alone."""
    arm = Arm()
    assert isinstance(arm.tick(100), Command)
    arm.ask("paused")
    held = arm.tick()
    assert isinstance(held, Hold)
    assert held.reason is HoldReason.PAUSED
    assert held.action is not None
    at_rest = arm.tick(200)
    assert isinstance(at_rest, Hold)
    assert at_rest.action is None
    speeds = np.diff(arm.targets_m) * 100
    assert speeds.max() > 0.9
    assert np.abs(np.diff(speeds)).max() * 100 <= 4.0 + 2 * ROUNDING_M * 100**2
    assert speeds[-1] == 0


def test_it_goes_on_by_what_is_seen_afterwards() -> None:
    """Chunks made from what was seen before it went on are not played."""
    arm = Arm()
    arm.tick(50)
    arm.ask("held")
    arm.tick(200)
    here_m = arm.at_m
    arm.ask("running")
    old = arm.tick(20, seen_ns=arm.now_ns - 1)
    assert isinstance(old, Hold)
    assert arm.at_m == here_m
    assert isinstance(arm.tick(), Command)
    arm.tick(20)
    assert arm.at_m > here_m


def test_a_stop_comes_before_a_pause_and_outlasts_it() -> None:
    """Stopped while paused it is stopped; going on releases no stop, and a release no pause."""
    arm = Arm()
    arm.tick(50)
    arm.ask("paused")
    assert _reason(arm.tick()) is HoldReason.PAUSED
    arm.halt(latched=True)
    assert _reason(arm.tick()) is HoldReason.STOPPED
    arm.ask("running")
    assert _reason(arm.tick(5)) is HoldReason.STOPPED
    arm.ask("held")
    arm.halt(latched=False)
    assert _reason(arm.tick(5)) is HoldReason.PAUSED
    arm.ask("running")
    assert isinstance(arm.tick(2), Command)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["paused", "held", "running", "stop", "release"]), st.integers(1, 30)
        ),
        max_size=12,
    )
)
def test_who_waits_or_is_stopped_is_never_commanded(words: list[tuple[str, int]]) -> None:
    """Whatever people say in whatever order: no command while either holds, and no jump ever."""
    arm = Arm()
    waits = is_stopped = False
    for word, ticks in words:
        if word in ("stop", "release"):
            is_stopped = word == "stop"
            arm.halt(latched=is_stopped)
        else:
            waits = word != "running"
            arm.ask(word)
        for _ in range(ticks):
            decision = arm.tick()
            if waits or is_stopped:
                assert _reason(decision) is (
                    HoldReason.STOPPED if is_stopped else HoldReason.PAUSED
                )
    assert np.abs(np.diff(arm.targets_m)).max() <= 1.0 / 100 + ROUNDING_M


def _reason(decision: Decision) -> HoldReason:
    assert isinstance(decision, Hold), decision
    return decision.reason
