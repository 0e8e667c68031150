"""The judge itself: what is wrong is found, and what is right is let be."""

from typing import Any

import numpy as np
import pytest

from agent.faults.inspector import Inspector
from bridge.messages import (
    ActionChunk,
    Command,
    Hold,
    HoldReason,
    Observation,
    StopRequest,
    Verdict,
)
from bridge.specs import ActionSpec
from fast_brain.config import FastBrainConfig

MS = 1_000_000
TICK = 10 * MS
LIMITS = ActionSpec(
    names=("x",),
    low=(-1.0,),
    high=(1.0,),
    units=("m",),
    max_speed=(1.0,),
    max_acceleration=(20.0,),
    max_jerk=(2000.0,),
    control_rate_hz=100.0,
)
SETTINGS = FastBrainConfig(stale_after_s=1.0, hold_after_s=2.0, observation_limit_s=0.5)


def inspector() -> Inspector:
    """One that has seen nothing."""
    return Inspector(LIMITS, SETTINGS, "target")


def command(tick: int, x: float, *, chunk: int = 1) -> Command:
    """The command of a tick."""
    return Command(
        action=np.array([x], np.float32),
        stamp_ns=tick * TICK,
        sequence=tick,
        verdict=Verdict(kind="passed"),
        chunk_sequence=chunk,
        chunk_index=0,
    )


def chunk(*, sequence: int = 1, rows: int = 101, age_s: float = float("inf")) -> ActionChunk:
    """A chunk from 0 s on, a row a tick."""
    return ActionChunk(
        actions=np.zeros((rows, 1), np.float32),
        start_stamp_ns=0,
        step_s=0.01,
        sequence=sequence,
        observation_sequence=0,
        observation_stamp_ns=0,
        latent_age_s=age_s,
    )


def seen(tick: int, target: float = 0.0) -> Observation:
    """What the robot showed at a tick."""
    return Observation(
        stamp_ns=tick * TICK,
        sequence=tick,
        images={},
        proprioception={"target": np.array([target], np.float32)},
    )


def fly(path: list[float], **more: Any) -> Inspector:
    """Judge a path, a command a tick."""
    judge = inspector()
    for tick, x in enumerate(path):
        judge.look(command(tick, x), chunk(**more), seen(tick, path[max(0, tick - 1)]), None)
    return judge


def test_a_gentle_path_is_let_be() -> None:
    """Inside every limit there is nothing to say."""
    inspection = fly([0.0, 0.001, 0.003, 0.006, 0.010, 0.013, 0.015]).inspection
    assert (inspection.limit_violations, inspection.late_violations) == (0, 0)
    assert (inspection.commands, inspection.unseen) == (7, 0)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ([0.0, float("nan")], "is [nan]"),
        ([0.999, 1.01], "out of bounds"),
        ([0.0, 0.02], "speed at 2 ×"),
        ([0.0, 0.0, 0.004], "acceleration at 2 ×"),
        ([0.0, 0.002, 0.004, 0.008, 0.010], "jerk"),
    ],
)
def test_each_limit_is_judged(path: list[float], words: str) -> None:
    """A command outside a limit is told, with how far."""
    assert any(words in text for text in fly(path).inspection.limits)


def test_a_jump_after_a_pause_is_found() -> None:
    """After a hold it may count from where the target is, or from the last command; no farther."""
    for x, is_wrong in ((0.505, False), (0.005, False), (0.25, True)):
        judge = inspector()
        judge.look(command(1, 0.0), chunk(), seen(1), None)
        judge.look(Hold(reason=HoldReason.NO_CHUNK, stamp_ns=2 * TICK), chunk(), seen(2), None)
        judge.look(command(2, x), chunk(), seen(9, target=0.5), None)
        assert bool(judge.inspection.limits) == is_wrong


@pytest.mark.parametrize(
    ("tick", "age_s", "observed", "is_late"),
    [
        (100, float("inf"), 100, False),
        (102, float("inf"), 102, False),
        (103, float("inf"), 103, True),
        # The latent behind it was 1.5 s old at the start, and may be 2 s.
        (52, 1.5, 52, False),
        (53, 1.5, 53, True),
        (60, float("inf"), 8, False),
        (60, float("inf"), 7, True),
    ],
)
def test_a_command_after_its_time_is_found(
    *, tick: int, age_s: float, observed: int, is_late: bool
) -> None:
    """Two periods after the chunk, the latent or the observation expired is too late."""
    judge = inspector()
    judge.look(command(tick, 0.0), chunk(age_s=age_s), seen(observed), None)
    assert bool(judge.inspection.late) == is_late


def test_a_command_while_stopped_is_found() -> None:
    """A latched stop leaves two periods."""
    stop = StopRequest(reason="", source="", latched=True, stamp_ns=0)
    for tick, is_late in ((2, False), (3, True)):
        judge = inspector()
        judge.look(command(tick, 0.0), chunk(), seen(tick), stop)
        assert bool(judge.inspection.late) == is_late
