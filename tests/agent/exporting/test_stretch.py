import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.exporting.stretch import caption_at, goal_at, stretch_of
from agent.tracing.runs import Run
from bridge.errors import ConfigError


@given(first_s=st.floats(0, 1.9), last_s=st.floats(0, 1.9))
def test_nothing_outside_of_a_stretch_is_exported(run: Run, first_s: float, last_s: float) -> None:
    """Whatever two moments are asked for, all events and goals lie between them."""
    assume(last_s - first_s > 1e-6)
    stretch = stretch_of(run, from_s=first_s, until_s=last_s)
    first_ns, last_ns = run.stamp(first_s), run.stamp(last_s)
    told = [*stretch.events("control.ticks", "observation"), *stretch.kept()]
    assert all(first_ns <= event.stamp_ns <= last_ns for event in told)
    for goal in stretch.goals:
        assert first_ns <= goal.first_ns < goal.last_ns <= last_ns


def test_a_goal_is_exported_from_its_giving_to_its_end(run: Run) -> None:
    """What was before and after a goal is not in it."""
    stretch = stretch_of(run, goal="g")
    assert run.seconds(stretch.first_ns) == pytest.approx(0.1)
    assert run.seconds(stretch.last_ns) == pytest.approx(1.6)
    assert stretch_of(run, goal="g", from_s=1.0).length_s == pytest.approx(0.6)


def test_what_was_done_and_wanted_is_known_at_each_moment(run: Run) -> None:
    """A caption stands from the beginning of a subtask until it is over."""
    story = stretch_of(run).story
    assert [caption_at(story, at_s) for at_s in (0.3, 0.4, 1.5, 1.7)] == [
        "", "reach left", "reach left", "",
    ]  # fmt: skip
    assert [goal_at(story, at_s) for at_s in (0.0, 0.2, 1.7)] == ["", "tidy up", ""]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"goal": "h"}, r"has no goal 'h'\. It has: g \(tidy up\)"),
        ({"from_s": 1.5, "until_s": 0.5}, "nothing between 1.5 s and 0.5 s"),
        ({"from_s": 99.0}, "99 s is outside run"),
        ({"goal": "g", "from_s": 1.8}, "nothing of it lies between 1.8 s and 1.99 s"),
    ],
)
def test_a_stretch_that_is_not_there_is_refused(
    run: Run, asked: dict[str, float], says: str
) -> None:
    """The answer says what was asked for, and what there is."""
    with pytest.raises(ConfigError, match=says):
        stretch_of(run, **asked)  # pyright: ignore[reportArgumentType]
