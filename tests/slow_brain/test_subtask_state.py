import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ContractError
from bridge.messages import Subtask, SubtaskState
from slow_brain.subtask_state import SubtaskList, moved

LEGAL = {
    ("pending", "active"),
    ("pending", "skipped"),
    ("active", "done"),
    ("active", "failed"),
    ("active", "skipped"),
}
ENDS = (SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.SKIPPED)


def step(text: str, timeout_s: float = 5.0) -> Subtask:
    """A step of a plan."""
    return Subtask(id=f"plan.{text}", text=text, done_condition="seen", timeout_s=timeout_s)


@pytest.mark.parametrize(("start", "end"), list(itertools.product(SubtaskState, SubtaskState)))
def test_only_legal_moves_are_made(start: SubtaskState, end: SubtaskState) -> None:
    """Each of the 25 pairs of states is a legal move, or a `ContractError` that names both."""
    subtask = Subtask(id="one", text="a", state=start)
    if (start, end) in LEGAL:
        assert moved(subtask, end).state is end
        return
    with pytest.raises(ContractError, match=f"subtask one: expected .* got {end}"):
        moved(subtask, end)


@given(st.lists(st.sampled_from(["begin", "expect", *ENDS])))
def test_whatever_happens_the_list_stays_in_order(events: list[str | SubtaskState]) -> None:
    """Past is over, one at most is under way, the rest waits, and no id comes twice."""
    listed = SubtaskList("goal", timeout_s=30.0)
    for number, event in enumerate(events):
        if event == "expect":
            listed.expect((step(f"a{number}"), step("b")))
        elif isinstance(event, SubtaskState):
            listed.end(event)
        elif listed.active is None:
            listed.begin(step(f"c{number}"))
        assert all(each.state in ENDS for each in listed.past)
        assert listed.active is None or listed.active.state is SubtaskState.ACTIVE
        assert all(each.state is SubtaskState.PENDING for each in listed.pending)
        assert len({each.id for each in listed.all}) == len(listed.all)
        assert set(listed.done) <= set(listed.past)


def test_two_cannot_be_under_way() -> None:
    """A second subtask is refused, and the first goes on."""
    listed = SubtaskList("goal", timeout_s=30.0)
    listed.begin(step("a"))
    with pytest.raises(ContractError, match="nothing under way"):
        listed.begin(step("b"))
    assert listed.active is not None
    assert listed.active.text == "a"


@pytest.mark.parametrize(("asked_s", "allowed_s"), [(5.0, 5.0), (90.0, 30.0)])
def test_the_shorter_time_limit_counts(asked_s: float, allowed_s: float) -> None:
    """A plan may give a step less time than the settings, not more; its condition is kept."""
    listed = SubtaskList("goal", timeout_s=30.0)
    listed.begin(step("a", timeout_s=asked_s))
    assert listed.active is not None
    assert (listed.active.timeout_s, listed.active.done_condition) == (allowed_s, "seen")


def test_ending_nothing_changes_nothing() -> None:
    """With nothing under way there is nothing to end."""
    listed = SubtaskList("goal", timeout_s=30.0)
    listed.end(SubtaskState.DONE)
    assert listed.all == ()
