import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.messages import (
    ActionChunk,
    Command,
    Decision,
    Hold,
    HoldReason,
    Observation,
    StopRequest,
)
from bridge.specs import ActionSpec
from fast_brain.control_loop import ControlLoop
from fast_brain.ladder import LadderRules
from fast_brain.safety import SafetyFilter
from fast_brain.stitchers.latest import LatestStitcher

MS_NS = 1_000_000
S_NS = 1000 * MS_NS
TICK_NS = 10 * MS_NS
SPEC = ActionSpec(
    names=("x", "y"),
    low=(-1.0, -1.0),
    high=(1.0, 1.0),
    units=("m", "m"),
    max_speed=(1.0, 1.0),
    control_rate_hz=100.0,
)


def _loop(**options: Any) -> ControlLoop:
    return ControlLoop(LatestStitcher(), SafetyFilter(SPEC, 100.0), target_name="target", **options)


def _seen(stamp_ns: int, target: tuple[float, ...] = (0.0, 0.0), episode: str = "") -> Observation:
    return Observation(
        stamp_ns=stamp_ns,
        sequence=0,
        images={},
        proprioception={"target": np.array(target, np.float32)},
        episode_id=episode,
    )


def _chunk(
    start_ns: int,
    value: float = 0.0,
    *,
    sequence: int = 0,
    rows: int = 4,
    latent_age_s: float = math.inf,
) -> ActionChunk:
    return ActionChunk(
        actions=np.full((rows, 2), value, np.float32),
        start_stamp_ns=start_ns,
        step_s=0.05,
        sequence=sequence,
        observation_sequence=0,
        observation_stamp_ns=start_ns,
        latent_age_s=latent_age_s,
    )


def _stop(stamp_ns: int, *, latched: bool) -> StopRequest:
    return StopRequest(reason="test", source="test", latched=latched, stamp_ns=stamp_ns)


def _reason(decision: Decision) -> HoldReason:
    assert isinstance(decision, Hold), decision
    return decision.reason


def test_a_fresh_chunk_becomes_commands() -> None:
    """With an observation and a chunk each tick gives the next command, numbered."""
    loop, chunk = _loop(), _chunk(S_NS)
    decisions = [loop.tick(now, _seen(now), chunk) for now in (S_NS, S_NS + TICK_NS)]
    assert all(isinstance(decision, Command) for decision in decisions)
    assert [d.sequence for d in decisions if isinstance(d, Command)] == [1, 2]
    assert decisions[0].stamp_ns == S_NS


def test_holds_before_anything_came() -> None:
    """Without an observation, and then without a chunk, the robot is held and told why."""
    loop = _loop()
    missing = loop.tick(S_NS, None, _chunk(S_NS))
    assert _reason(missing) is HoldReason.NO_OBSERVATION
    assert isinstance(missing, Hold)
    assert missing.age_s == math.inf
    assert _reason(_loop().tick(S_NS, _seen(S_NS), None)) is HoldReason.NO_CHUNK


def test_an_old_observation_is_as_good_as_none() -> None:
    """When the robot's senses fall silent for longer than the limit, it is held."""
    loop = _loop(rules=LadderRules(observation_limit_s=0.1))
    chunk = _chunk(S_NS)
    assert isinstance(loop.tick(S_NS + 100 * MS_NS, _seen(S_NS), chunk), Command)
    late = loop.tick(S_NS + 110 * MS_NS, _seen(S_NS), chunk)
    assert _reason(late) is HoldReason.NO_OBSERVATION


def test_an_expired_chunk_holds() -> None:
    """When the policy falls silent, the last chunk is played to its end and not repeated."""
    loop, chunk = _loop(), _chunk(S_NS, rows=2)
    held = [
        _reason(decision) if isinstance(decision, Hold) else "command"
        for tick in range(8)
        for decision in [loop.tick(S_NS + tick * TICK_NS, _seen(S_NS + tick * TICK_NS), chunk)]
    ]
    assert held == ["command"] * 6 + [HoldReason.CHUNK_EXPIRED] * 2


def test_a_clock_that_jumps_ahead_holds() -> None:
    """After a jump of an hour nothing of the old chunk is played."""
    loop, chunk = _loop(), _chunk(S_NS)
    loop.tick(S_NS, _seen(S_NS), chunk)
    later_ns = 3600 * S_NS
    assert _reason(loop.tick(later_ns, _seen(later_ns), chunk)) is HoldReason.CHUNK_EXPIRED


def test_a_stale_latent_holds() -> None:
    """The latent's age at the chunk's making and the time since add up to the limit."""
    loop = _loop(rules=LadderRules(hold_after_s=2.0, text_after_s=2.0))
    chunk = _chunk(S_NS, latent_age_s=1.9)
    assert isinstance(loop.tick(S_NS + 90 * MS_NS, _seen(S_NS), chunk), Command)
    assert loop.latent_age_s(S_NS + 90 * MS_NS) == pytest.approx(1.99)
    decision = loop.tick(S_NS + 110 * MS_NS, _seen(S_NS), chunk)
    assert _reason(decision) is HoldReason.LATENT_STALE
    assert isinstance(decision, Hold)
    assert decision.age_s == pytest.approx(2.01)


@pytest.mark.parametrize(
    "actions",
    [np.full((4, 2), np.nan), np.zeros((4, 3)), np.zeros((0, 2)), np.zeros(4)],
    ids=["nan", "wide", "empty", "flat"],
)
def test_a_bad_chunk_vetoes_until_a_good_one_comes(actions: np.ndarray) -> None:
    """Rubbish from the policy holds the robot, even while the chunk before it still runs."""
    loop, good = _loop(), _chunk(S_NS, rows=20)
    assert isinstance(loop.tick(S_NS, _seen(S_NS), good), Command)
    bad = replace(good, actions=actions.astype(np.float32), sequence=1)
    for tick in (1, 2):
        now_ns = S_NS + tick * TICK_NS
        assert _reason(loop.tick(now_ns, _seen(now_ns), bad)) is HoldReason.VETOED
    assert loop.verdict.kind == "vetoed"
    now_ns = S_NS + 3 * TICK_NS
    again = loop.tick(now_ns, _seen(now_ns), _chunk(now_ns, sequence=2))
    assert isinstance(again, Command)
    assert loop.verdict.kind == "passed"


def test_the_first_command_starts_from_the_measured_target() -> None:
    """The speed limit counts from where the robot says it is going, not from zero."""
    loop = _loop()
    command = loop.tick(S_NS, _seen(S_NS, (0.5, -0.5)), _chunk(S_NS, value=1.0))
    assert isinstance(command, Command)
    np.testing.assert_allclose(command.action, [0.51, -0.49], rtol=1e-6)
    assert command.verdict.reason == "speed"


def test_after_a_pause_the_measured_target_counts_again() -> None:
    """A robot moved by hand during a hold is led on from where it is now."""
    loop = _loop()
    loop.tick(S_NS, _seen(S_NS), _chunk(S_NS))
    now_ns = 2 * S_NS
    loop.tick(now_ns, _seen(now_ns), None)
    now_ns += TICK_NS
    moved = _seen(now_ns, (0.8, 0.8))
    command = loop.tick(now_ns, moved, _chunk(now_ns, value=0.8, sequence=1))
    assert isinstance(command, Command)
    np.testing.assert_allclose(command.action, [0.8, 0.8], rtol=1e-6)


def test_an_old_reading_of_the_target_is_not_believed() -> None:
    """An observation from before the last command does not pull the speed limit back."""
    loop = _loop()
    old = _seen(S_NS)
    chunk = _chunk(S_NS, value=0.02, rows=2)
    decisions = [loop.tick(S_NS + tick * TICK_NS, old, chunk) for tick in range(6)]
    last = decisions[-1]
    assert isinstance(last, Command)
    assert _reason(loop.tick(S_NS + 6 * TICK_NS, old, chunk)) is HoldReason.CHUNK_EXPIRED
    now_ns = S_NS + 7 * TICK_NS
    command = loop.tick(now_ns, old, _chunk(now_ns, value=0.02, sequence=1))
    assert isinstance(command, Command)
    np.testing.assert_allclose(command.action, last.action)


def test_a_latched_stop_holds_until_it_is_released() -> None:
    """While stopped no chunk moves the robot; after the release only chunks made since."""
    loop = _loop()
    stop, release = _stop(S_NS, latched=True), _stop(2 * S_NS, latched=False)
    assert _reason(loop.tick(S_NS, _seen(S_NS), _chunk(S_NS), stop)) is HoldReason.STOPPED
    later_ns = 2 * S_NS
    old = _chunk(later_ns - TICK_NS, sequence=1)
    assert _reason(loop.tick(later_ns, _seen(later_ns), old, stop)) is HoldReason.STOPPED
    assert _reason(loop.tick(later_ns, _seen(later_ns), old, release)) is HoldReason.NO_CHUNK
    new = _chunk(later_ns, sequence=2)
    assert isinstance(loop.tick(later_ns, _seen(later_ns), new, release), Command)


def test_a_new_episode_forgets_the_chunk() -> None:
    """A chunk made in the episode before does not move the robot of the next."""
    loop, chunk = _loop(), _chunk(S_NS, rows=20)
    assert isinstance(loop.tick(S_NS, _seen(S_NS, episode="a"), chunk), Command)
    now_ns = S_NS + TICK_NS
    decision = loop.tick(now_ns, _seen(now_ns, episode="b"), chunk)
    assert _reason(decision) is HoldReason.NO_CHUNK


SITUATIONS = st.lists(
    st.tuples(
        st.integers(-50, 400),  # time that passes [ms]; clocks have been seen to go back
        st.sampled_from(["fresh", "old", "none"]),
        st.sampled_from(["same", "good", "nan", "wide", "late", "early", "none"]),
        st.sampled_from([None, True, False]),
        st.floats(-5, 5, width=32),
    ),
    min_size=1,
    max_size=30,
)


@given(SITUATIONS)
def test_whatever_happens_a_command_is_safe_or_there_is_none(
    situations: list[tuple[int, str, str, bool | None, float]],
) -> None:
    """For any run of faults every decision is a hold or an action in bounds and speed."""
    loop, now_ns = _loop(), 10 * S_NS
    chunk, stop, last = None, None, None
    for number, (passed_ms, sight, kind, latch, value) in enumerate(situations, start=1):
        now_ns = max(now_ns + passed_ms * MS_NS, 5 * S_NS)
        chunk = _situation(kind, now_ns, value, number, chunk)
        if latch is not None:
            stop = _stop(now_ns, latched=latch)
        observation = {"fresh": _seen(now_ns, (np.nan, 0.0)), "old": _seen(S_NS)}.get(sight)
        decision = loop.tick(now_ns, observation, chunk, stop)
        if isinstance(decision, Hold):
            continue
        SPEC.validate(decision.action)
        assert stop is None or not stop.latched
        if last is not None:
            assert np.abs(decision.action - last).max() <= 0.01 + 1e-6
        last = decision.action


def _situation(
    kind: str, now_ns: int, value: float, number: int, before: ActionChunk | None
) -> ActionChunk | None:
    good = _chunk(now_ns, value, sequence=number)
    match kind:
        case "same":
            return before
        case "none":
            return None
        case "nan":
            return replace(good, actions=np.full((4, 2), np.nan, np.float32))
        case "wide":
            return replace(good, actions=np.zeros((4, 9), np.float32))
        case "late" | "early":
            shift_ns = (-1 if kind == "late" else 1) * 100 * MS_NS
            return replace(good, start_stamp_ns=now_ns + shift_ns)
        case _:
            return good


SMOOTH = replace(SPEC, max_acceleration=(10.0, 10.0), max_jerk=(500.0, 500.0))


def _smooth_loop(**options: Any) -> ControlLoop:
    return ControlLoop(
        LatestStitcher(), SafetyFilter(SMOOTH, 100.0), target_name="target", **options
    )


def _positions(decisions: list[Decision]) -> list[np.ndarray]:
    return [decision.action for decision in decisions if decision.action is not None]


def test_a_hold_brakes_within_the_limits_and_then_rests() -> None:
    """When the chunk ends in full motion the target goes on, slower and slower, and stays."""
    loop, chunk = _smooth_loop(), _chunk(S_NS, value=1.0, rows=4)
    decisions = [
        loop.tick(now_ns, _seen(now_ns), chunk)
        for now_ns in range(S_NS, S_NS + 60 * TICK_NS, TICK_NS)
    ]
    sent = [np.zeros(2)] * 3 + [position.astype(np.float64) for position in _positions(decisions)]
    for order, limit in enumerate((1.0, 10.0, 500.0), start=1):
        assert np.abs(np.diff(sent, order, axis=0)).max() <= limit * 0.01**order * 1.001 + 1e-6
    last = decisions[-1]
    assert isinstance(last, Hold)
    assert last.action is None
    assert np.abs(sent[-1] - sent[-2]).max() < 1e-6


def test_a_hold_never_repeats_the_last_speed() -> None:
    """Each target of a hold is nearer to rest than the one before: speed does not grow."""
    loop, chunk = _smooth_loop(), _chunk(S_NS, value=1.0, rows=6)
    for now_ns in range(S_NS, S_NS + 25 * TICK_NS, TICK_NS):
        loop.tick(now_ns, _seen(now_ns), chunk)
    held = [
        loop.tick(now_ns, _seen(now_ns), chunk)
        for now_ns in range(S_NS + 26 * TICK_NS, S_NS + 60 * TICK_NS, TICK_NS)
    ]
    steps = np.diff(_positions(held), axis=0)
    assert (np.diff(steps, axis=0) <= 1e-6).all()


@given(st.integers(1, 12), st.floats(0, 3), st.integers(0, 9))
def test_it_holds_within_two_periods_of_any_expiry(
    rows: int, latent_age_s: float, phase_ms: int
) -> None:
    """Two control periods after the chunk or the latent ran out no command is given any more."""
    loop = _smooth_loop(rules=LadderRules(hold_after_s=2.0, text_after_s=2.0))
    chunk = _chunk(S_NS, value=0.5, rows=rows, latent_age_s=latent_age_s)
    ends_s = min((rows - 1) * 0.05, 2.0 - latent_age_s)
    for tick in range(80):
        now_ns = S_NS + phase_ms * MS_NS + tick * TICK_NS
        decision = loop.tick(now_ns, _seen(now_ns), chunk)
        if (now_ns - S_NS) / S_NS >= ends_s + 0.02:
            assert isinstance(decision, Hold)


def test_after_a_stale_latent_the_way_back_is_slow() -> None:
    """A fresh latent moves the robot after half a second and three observations, not at once."""
    loop = _loop(rules=LadderRules(hold_after_s=2.0, text_after_s=2.0))
    stale = _chunk(S_NS, latent_age_s=2.1)
    assert _reason(loop.tick(S_NS, _seen(S_NS), stale)) is HoldReason.LATENT_STALE
    moved_ms = None
    for tick in range(1, 100):
        now_ns = S_NS + tick * TICK_NS
        seen = replace(_seen(now_ns), sequence=tick)
        fresh = _chunk(now_ns, sequence=tick, latent_age_s=0.1)
        if isinstance(loop.tick(now_ns, seen, fresh), Command):
            moved_ms = tick * 10
            break
    assert moved_ms == 510


def test_a_controlled_stop_drops_what_was_under_way() -> None:
    """Past the last limit the robot is stopped, and only what is seen after it moves it again."""
    loop = _loop(
        rules=LadderRules(
            observation_limit_s=0.1, stop_after_s=1.0, recover_after_s=0.0, recover_observations=0
        )
    )
    chunk = _chunk(S_NS, rows=200)
    loop.tick(S_NS, _seen(S_NS), chunk)
    held = loop.tick(S_NS + 500 * MS_NS, _seen(S_NS), chunk)
    assert _reason(held) is HoldReason.NO_OBSERVATION
    stopped = loop.tick(S_NS + 1100 * MS_NS, _seen(S_NS), chunk)
    assert _reason(stopped) is HoldReason.CONTROLLED_STOP
    now_ns = S_NS + 1200 * MS_NS
    assert _reason(loop.tick(now_ns, _seen(now_ns), chunk)) is HoldReason.NO_CHUNK
    new = _chunk(now_ns, sequence=2)
    assert isinstance(loop.tick(now_ns, _seen(now_ns), new), Command)


def test_a_restarted_loop_is_still_stopped() -> None:
    """A new loop that finds a latched stop in the mailbox holds from its first tick."""
    stop = _stop(S_NS, latched=True)
    later_ns = S_NS + 10 * TICK_NS
    decision = _loop().tick(later_ns, _seen(later_ns), _chunk(later_ns), None, stop)
    assert _reason(decision) is HoldReason.STOPPED
    assert isinstance(decision, Hold)
    assert decision.action is None


def test_deltas_are_held_by_no_motion() -> None:
    """A robot that adds its actions up is braked to zero, and sent zeros from then on."""
    delta = replace(SMOOTH, mode="delta", low=(-0.1, -0.1), high=(0.1, 0.1))
    loop = ControlLoop(
        LatestStitcher(), SafetyFilter(delta, 100.0), target_name="target", rest_action=(0.0, 0.0)
    )
    chunk = _chunk(S_NS, value=0.01, rows=4)
    decisions = [
        loop.tick(now_ns, _seen(now_ns), chunk)
        for now_ns in range(S_NS, S_NS + 60 * TICK_NS, TICK_NS)
    ]
    sent = np.array(_positions(decisions))
    assert len(sent) == len(decisions)
    assert np.abs(np.diff(sent, axis=0)).max() <= 10 * 0.01**2 + 1e-7
    np.testing.assert_array_equal(sent[-1], [0.0, 0.0])


def test_a_torque_is_held_at_its_rest() -> None:
    """A robot whose action is no place is sent its resting action, not the last one again."""
    loop = ControlLoop(
        LatestStitcher(), SafetyFilter(SPEC, 100.0), target_name="target", rest_action=(0.0, 0.5)
    )
    loop.tick(S_NS, _seen(S_NS, (0.3, 0.3)), _chunk(S_NS, value=0.3))
    held = [
        loop.tick(now_ns, _seen(now_ns), None)
        for now_ns in range(S_NS + TICK_NS, 2 * S_NS, TICK_NS)
    ][-1]
    assert held.action is not None
    np.testing.assert_allclose(held.action, [0.0, 0.5], atol=1e-6)
