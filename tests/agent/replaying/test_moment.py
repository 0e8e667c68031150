import base64
from itertools import pairwise

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from virtual_traces import BEGIN_NS, SECOND_NS

from agent.replaying.moment import STATE, Moment, find_moment, left_at, put_back
from agent.replaying.voices import said_in
from agent.tracing.runs import Run
from bridge.messages import ActionChunk, Goal, PlanningStatus
from fast_brain.robots.point_arm import PointArm

BEAT_NS = SECOND_NS // 100


def test_what_it_was_sent_brings_it_from_one_state_to_the_next(everything: Run) -> None:
    """From each state, by the recorded commands alone, the arm comes exactly to the one after."""
    states = [(e.stamp_ns, base64.b64decode(e.facts["state"])) for e in everything.walk(STATE)]
    assert len(states) > 5
    for (begin_ns, begin), (end_ns, end) in pairwise(states):
        arm = PointArm()
        arm.connect()
        moment = Moment(at_ns=end_ns, state_ns=begin_ns, state=begin, beat_ns=BEAT_NS)
        put_back(everything, moment, arm, said_in(everything))
        here, there = (msgspec.msgpack.decode(each) for each in (arm.snapshot(), end))
        for place in ("tip_m", "target_m"):
            np.testing.assert_array_equal(here[place], there[place])


@given(at_s=st.floats(0, 8))
def test_a_moment_is_a_beat_of_the_robot_never_later_than_asked(
    everything: Run, at_s: float
) -> None:
    """It is at most a beat early, and its state at most a second older."""
    moment = find_moment(everything, at_s, 100.0)
    asked_ns = BEGIN_NS + round(at_s * SECOND_NS)
    assert 0 <= asked_ns - moment.at_ns < BEAT_NS
    assert 0 <= moment.at_ns - moment.state_ns < SECOND_NS
    assert (moment.at_ns - BEGIN_NS) % BEAT_NS == 0


@given(at_s=st.floats(1.5, 7.5))
def test_what_stands_is_what_stood_before(everything: Run, at_s: float) -> None:
    """Goal, plan and chunk are the newest from before the moment, and nothing is from after it."""
    moment = find_moment(everything, at_s, 100.0)
    left = left_at(everything, moment, said_in(everything))
    goal, planning, chunk = (left[name] for name in ("goal", "planning", "chunk"))
    assert isinstance(goal, Goal)
    assert isinstance(planning, PlanningStatus)
    assert isinstance(chunk, ActionChunk)
    assert planning.goal == goal
    assert planning.stamp_ns < moment.at_ns
    assert chunk.start_stamp_ns < moment.at_ns
