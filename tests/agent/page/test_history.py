from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.page.history import Newest, RunHistory
from agent.tracing.lanes import Bar
from bridge.memory_use import MemoryReport
from bridge.messages import ActionChunk, Command, Verdict

SECOND_NS = 1_000_000_000
START_NS = 7 * SECOND_NS


def status(at_s: float, *states: str, **changes: Any) -> dict[str, Any]:
    """A status `at_s` after the first one, with subtasks in these states."""
    goal = {"id": "g", "text": "tidy up", "source": "test"}
    subtasks = [{"id": f"s{n}", "text": f"step {n}", "state": s} for n, s in enumerate(states)]
    loop = {"rung": "fresh", "last_decision": "command", "missed_ticks": 0, "lateness_p99_ms": 0.1}
    loop |= changes.pop("turns", {})
    planning = {
        "phase": "acting", "goal": goal, "subtasks": subtasks, "reason": "",
        "thoughts": [{"field": "PLAN", "text": "go on"}],
        "plan": {"id": "p1", "trigger": "new goal"},
    }  # fmt: skip
    return {
        "stamp_ns": START_NS + round(at_s * SECOND_NS), "goal": goal, "planning": planning,
        "loop": loop, "latent_age_s": 0.5, "stop": None, "ended": "",
    } | changes  # fmt: skip


def bars(history: RunHistory, lane: str) -> list[Bar]:
    """What is drawn in one lane."""
    return [bar for bar in history.chronicle().bars if bar.lane == lane]


def chunk(sequence: int) -> ActionChunk:
    """A chunk with a gate of one quarter."""
    return ActionChunk(
        actions=np.zeros((1, 2), np.float32),
        start_stamp_ns=1,
        step_s=0.1,
        sequence=sequence,
        observation_sequence=1,
        observation_stamp_ns=1,
        gate_mean=0.25,
    )


def test_a_subtask_is_a_bar_from_its_beginning_to_its_end() -> None:
    """Its colour is how it ended; while it lasts the bar reaches to now."""
    history = RunHistory()
    history.note(status(0.0, "pending", "pending"), Newest(), {})
    history.note(status(1.0, "active", "pending"), Newest(), {})
    history.note(status(2.0, "active", "pending"), Newest(), {})
    assert bars(history, "subtask") == [Bar("subtask", 1.0, 2.0, "active", "step 0")]
    view = history.note(status(3.0, "done", "active"), Newest(), {})
    done, active = bars(history, "subtask")
    assert (done.first_s, done.last_s, done.look) == (1.0, 3.0, "done")
    assert (active.first_s, active.last_s, active.look) == (3.0, 3.0, "active")
    assert (view.steps[0].began_s, view.steps[0].ended_s) == (1.0, 3.0)
    assert view.steps[0].cause == "p1, asked because of: new goal"
    assert view.steps[0].thoughts == ("PLAN: go on",)


def test_holds_ladder_and_misses_are_seen_between_two_statuses() -> None:
    """A stretch ends when something else is said; missed ticks are counted from one to the next."""
    history = RunHistory()
    stale = {"rung": "stale_latent", "last_decision": "no_chunk"}
    history.note(status(0.0), Newest(), {})
    history.note(status(1.0, turns=stale), Newest(), {})
    history.note(status(2.0, turns=stale | {"missed_ticks": 3}), Newest(), {})
    history.note(status(3.0, turns={"missed_ticks": 3}), Newest(), {})
    history.note(status(4.0, turns={"missed_ticks": 3}), Newest(), {})
    assert bars(history, "held") == [Bar("held", 1.0, 3.0, "held", "held: no chunk")]
    assert bars(history, "ladder") == [Bar("ladder", 1.0, 3.0, "ladder", "ladder: stale latent")]
    assert bars(history, "misses") == [Bar("misses", 2.0, 2.0, "misses", "3 ticks missed")]


def test_chunks_actions_memory_and_faults_are_noted_once() -> None:
    """The same chunk or fault in many statuses is one; what is sent is a curve a dimension."""
    history = RunHistory()
    verdict = Verdict(kind="passed")
    command = Command(
        action=np.asarray([0.5, -1.0], np.float32), stamp_ns=1, sequence=1, verdict=verdict,
        chunk_sequence=1, chunk_index=0,
    )  # fmt: skip
    report = MemoryReport(
        stamp_ns=START_NS + SECOND_NS, times_s=(0.0, 2.0), kept_by=("anchor", "window"),
        attention={"perceptual": (0.25, 0.75), "cognitive": (0.75, 0.25)},
    )  # fmt: skip
    fault = (START_NS + SECOND_NS, "policy died: killed")
    newest = Newest(chunk=chunk(4), decision=command, faults=(fault,), memory=report)
    history.note(status(0.0), Newest(), {})
    history.note(status(1.0), newest, {})
    history.note(status(2.0), newest, {})
    drawn = history.chronicle()
    assert bars(history, "chunks") == [Bar("chunks", 1.0, 1.0, "chunks", "chunk 4")]
    assert bars(history, "faults") == [Bar("faults", 1.0, 1.0, "faults", "policy died: killed")]
    assert list(drawn.gate) == [(1.0, 0.25)]
    assert list(drawn.actions["action 1"]) == [(1.0, -1.0), (2.0, -1.0)]
    (sample,) = drawn.memory
    assert [(each.kept_by, each.weight) for each in sample.entries] == [
        ("anchor", 0.5),
        ("window", 0.5),
    ]


def test_a_moment_can_be_gone_back_to_until_it_is_forgotten() -> None:
    """A view a second is kept, without its pictures."""
    history = RunHistory(kept_s=10.0)
    for beat in range(50):
        history.note(status(beat / 2, "active"), Newest(), {"front": f"/camera/{beat}"})
    assert history.view_at(3.0) is None
    view = history.view_at(20.2)
    assert view is not None
    assert (view.at_s, dict(view.cameras)) == (20.0, {})


def test_a_new_goal_begins_anew() -> None:
    """Subtasks and thoughts of the goal before are not those of the next."""
    history = RunHistory()
    history.note(status(0.0, "active"), Newest(), {})
    other = {"id": "h", "text": "another", "source": "test"}
    view = history.note(status(1.0, goal=other), Newest(), {})
    assert (view.goal, view.steps, view.thoughts) == ("another", (), ())
    assert bars(history, "subtask") == [Bar("subtask", 0.0, 1.0, "active", "step 0")]


@pytest.mark.parametrize("part", ["planning", "loop", "goal", "latent_age_s"])
def test_a_part_that_is_not_there_yet_is_no_trouble(part: str) -> None:
    """Whatever node is down or late, the rest is noted."""
    history = RunHistory()
    view = history.note(status(0.0, "active", **{part: None}), Newest(), {})
    assert view.at_s == 0.0


@given(st.lists(st.floats(0.01, 30.0), max_size=60), st.data())
def test_a_history_is_bounded_and_its_bars_lie_within_it(steps: list[float], data: Any) -> None:
    """However long a run is and whatever happens, only the last minutes are kept, in order."""
    history, now_s = RunHistory(kept_s=60.0), 0.0
    for number, step_s in enumerate(steps):
        now_s += step_s
        state = data.draw(st.sampled_from(["pending", "active", "done", "failed"]))
        rung = data.draw(st.sampled_from(["fresh", "hold"]))
        told = status(now_s, state, turns={"rung": rung, "missed_ticks": number})
        history.note(told, Newest(chunk=chunk(number)), {})
    drawn = history.chronicle()
    assert drawn.last_s - drawn.first_s <= 60.0
    for bar in drawn.bars:
        assert bar.first_s <= bar.last_s <= drawn.last_s
        assert bar.last_s >= drawn.first_s
    for curve in (drawn.latent_age_s, drawn.gate, drawn.late_ms):
        assert [at_s for at_s, _ in curve] == sorted(at_s for at_s, _ in curve)
