import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from serving_fakes import FakeRuntime, latent, loop_status, planning, point_arm

from agent.live_view import LiveView, render_result, render_status, shorten
from agent.page.run_view import figures_of
from agent.results import Status, reason_of, thoughts_of
from agent.server_state import ServerState
from bridge.messages import SubtaskState

PENDING, ACTIVE, DONE = SubtaskState.PENDING, SubtaskState.ACTIVE, SubtaskState.DONE


def drawn(thing: object, *, width: int = 70) -> str:
    """What a person sees, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def status() -> Status:
    """A robot at work."""
    run = FakeRuntime()
    state = ServerState(run, point_arm())
    goal = state.submit("tidy up", "test")
    run.publish("planning", planning(goal, "acting", DONE, ACTIVE, reason="so it is"))
    run.publish("loop_status", loop_status())
    run.publish("latent", latent(1.25, run))
    return state.status()


@pytest.fixture
def nothing() -> Status:
    """A run in which nothing has happened."""
    return ServerState(FakeRuntime(), point_arm()).status()


def test_the_view_shows_all_that_matters(status: Status) -> None:
    """Goal, phase, subtasks with states, the newest thought, latent age, rate and misses."""
    text = drawn(render_status(status))
    for wanted in (
        "tidy up  acting",
        "✔ open the drawer",
        "▶ close the drawer",
        "DONE: no",
        "latent 1.2 s old",
        "loop 100/100 Hz",
        "2 missed",
    ):
        assert wanted in text


def test_the_view_draws_a_run_in_which_nothing_has_happened(nothing: Status) -> None:
    """Before the first plan there is a picture too."""
    text = drawn(render_status(nothing))
    assert "no goal yet  no planner" in text
    assert "latent -" in text


@given(st.text(max_size=300), st.integers(1, 80))
def test_a_shortened_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    """Never longer than the limit; unchanged if it fits; else it ends in an ellipsis."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short.endswith("…")


def test_thoughts_are_joined_by_heading(status: Status) -> None:
    """Pieces of one heading make one text, in the order they came."""
    assert thoughts_of(status) == [("PLAN", "open the drawer; close"), ("DONE", "no")]
    assert reason_of(status) == "so it is"


def test_thoughts_of_the_last_goal_are_not_shown_for_the_next(status: Status) -> None:
    """A new goal starts with an empty mind."""
    status["goal"]["id"] = "another"
    assert thoughts_of(status) == []
    assert reason_of(status) == ""
    assert "open the drawer" not in drawn(render_status(status))


def test_off_a_terminal_each_change_is_said_once(status: Status) -> None:
    """A log gets lines, not a picture that is drawn over and over."""
    console = Console(file=io.StringIO(), width=70)
    view = LiveView(console)
    with view.open():
        for _ in range(3):
            view.show(status)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "✔ open the drawer\n▶ close the drawer\n"


def test_on_a_terminal_the_view_is_drawn_in_place(status: Status) -> None:
    """The picture goes when the job ends, and leaves the terminal to the result."""
    console = Console(file=io.StringIO(), width=70, force_terminal=True, color_system=None)
    view = LiveView(console)
    with view.open():
        view.show(status)
    assert isinstance(console.file, io.StringIO)
    assert "▶ close the drawer" in console.file.getvalue()


def test_the_result_says_how_it_went() -> None:
    """Success or failure with the reason, and each subtask with its time."""
    result = {
        "goal": "tidy up [bold]now",
        "success": False,
        "reason": "out of replans [see]",
        "duration_s": 12.34,
        "plans_made": 9,
        "subtasks": [
            {"text": "open [it]", "state": "done", "took_s": 2.5},
            {"text": "close", "state": "pending", "took_s": None},
        ],
    }
    text = drawn(render_result(result))
    assert "Failure after 12.3 s and 9 plans: out of replans [see]" in text
    assert "open [it]" in text
    assert "2.5 s" in text
    assert "tidy up [bold]now" in text


def test_the_pages_figures_are_in_words(status: Status, nothing: Status) -> None:
    """Numbers come with their units, and what is not known is a dash."""
    figures = figures_of(status)
    assert figures["latent age"] == "1.2 s"
    assert figures["loop rate"] == "100 Hz"
    assert figures["the loop"] == "command"
    assert set(figures_of(nothing).values()) == {"–"}
