from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.clock import ManualClock
from bridge.errors import ContractError
from bridge.messages import Thought
from slow_brain.chain_of_thought import FIELDS, ParsedThought, ThoughtParser
from slow_brain.prompt import NOTHING
from slow_brain.prompts.reply import LONGEST_TEXT, ReplyRules

THOUGHT = ParsedThought(
    task="the cube is in the drawer",
    plan=("open the drawer", "store the cube"),
    visible_objects="drawer closed, cube on table",
    subtask_reasoning="the drawer is closed",
    is_current_done=False,
    subtask="open the drawer",
)
GOOD = THOUGHT.text()

lines = st.text(min_size=1, max_size=40).filter(lambda t: t == t.strip() and "\n" not in t)
steps = lines.filter(lambda t: ";" not in t and t != NOTHING)


@st.composite
def thoughts(draw: st.DrawFn) -> ParsedThought:
    """Any thought that can be made."""
    plan = tuple(draw(st.lists(steps, max_size=5)))
    return ParsedThought(
        task=draw(lines),
        plan=plan,
        visible_objects=draw(lines),
        subtask_reasoning=draw(lines),
        is_current_done=draw(st.booleans()),
        subtask=plan[0] if plan else None,
    )


def read(
    text: str, cuts: list[int] | None = None, known_skills: tuple[str, ...] = ()
) -> tuple[list[Thought], ParsedThought]:
    """Feed a text cut at these places (modulo its length); return the thoughts and the whole."""
    parser = ThoughtParser(ReplyRules(plan_id="plan-1", clock=ManualClock(7), skills=known_skills))
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts or [])})
    told = [thought for start, end in pairwise(places) for thought in parser.feed(text[start:end])]
    return told + parser.close(), parser.finish()


@given(thoughts(), st.lists(st.integers(min_value=0), max_size=12))
def test_what_is_written_is_read_back(thought: ParsedThought, cuts: list[int]) -> None:
    """A thought written as text and fed in pieces cut anywhere is the same thought again."""
    assert read(thought.text(), cuts)[1] == thought


@given(thoughts(), st.lists(st.integers(min_value=0), max_size=12))
def test_every_field_is_told_once_in_order(thought: ParsedThought, cuts: list[int]) -> None:
    """However the text is cut, each field is told once, in the order it was written."""
    told, _ = read(thought.text(), cuts)
    assert tuple(each.field for each in told) == FIELDS
    values = [line.partition(": ")[2] for line in thought.text().split("\n")]
    assert [each.text for each in told] == values
    assert {(each.plan_id, each.stamp_ns) for each in told} == {("plan-1", 7)}


def test_a_field_is_told_as_soon_as_its_line_ends() -> None:
    """People see a field when its line is complete, not when the model has ended."""
    parser = ThoughtParser(ReplyRules(plan_id="plan-1", clock=ManualClock(7)))
    assert parser.feed("TASK: the cube") == []
    assert [each.text for each in parser.feed(" is in\nPLA")] == ["the cube is in"]


def test_blank_lines_and_a_last_newline_do_not_matter() -> None:
    """Empty lines around and between the fields are let pass, and nothing is told twice."""
    told, parsed = read("\n" + GOOD.replace("\n", "\n\n") + "\n")
    assert parsed == THOUGHT
    assert tuple(each.field for each in told) == FIELDS


def without(field: str) -> str:
    """The good text without a field."""
    return "\n".join(line for line in GOOD.split("\n") if not line.startswith(f"{field}:"))


REFUSED = {
    "empty": "",
    "blank": " \n\n",
    "prose": "I think the drawer should be opened first.",
    "truncated between fields": GOOD[: GOOD.index("DONE")],
    "truncated inside a heading": GOOD[: GOOD.index("SUBTASK: ") + 4],
    "truncated before a value": GOOD[: GOOD.rindex("open")],
    "wrong order": "\n".join(reversed(GOOD.split("\n"))),
    "doubled field": f"{GOOD}\nDONE: no",
    "text after the end": f"{GOOD}\nand so on",
    "unknown field": GOOD.replace("VISIBLE OBJECTS", "GRIPPER"),
    "lower case heading": GOOD.replace("TASK", "task", 1),
    "done is neither": GOOD.replace("DONE: no", "DONE: maybe"),
    "plan begins elsewhere": GOOD.replace("PLAN: open", "PLAN: shut"),
    "plan but nothing to do": GOOD.replace("\nSUBTASK: open the drawer", "\nSUBTASK: nothing"),
    "nothing planned but something to do": GOOD.replace(
        "PLAN: open the drawer; store the cube", "PLAN: nothing"
    ),
    "nothing as a later step": GOOD.replace("store the cube", "nothing"),
    "two steps at once": GOOD.replace("\nSUBTASK: open", "\nSUBTASK: wait; open"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=list(REFUSED))
def test_bad_text_is_refused_with_the_text(text: str) -> None:
    """What is no plan is a `ContractError` whose notes hold all of the text."""
    with pytest.raises(ContractError) as caught:
        read(text)
    assert caught.value.__notes__ == [text]


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_may_be_missing(field: str) -> None:
    """A text that lacks one field is refused, whichever it is."""
    with pytest.raises(ContractError):
        read(without(field))


@pytest.mark.parametrize("place", range(0, len(GOOD), 7))
def test_a_cut_off_answer_is_never_another_plan(place: int) -> None:
    """A truncated text is refused: it cannot become a shorter plan."""
    with pytest.raises(ContractError):
        read(GOOD[:place])


@pytest.mark.parametrize("piece", ["no ", "TASK: x\n", "\n", "PLAN: a; a; a\n"])
def test_a_looping_model_is_stopped(piece: str) -> None:
    """A text without end is refused while it is fed, at the longest length a plan may have."""
    parser = ThoughtParser(ReplyRules(plan_id="plan-1", clock=ManualClock(7)))
    pieces_let_pass = LONGEST_TEXT // len(piece)
    for _ in range(pieces_let_pass):
        parser.feed(piece)
    with pytest.raises(ContractError, match=f"at most {LONGEST_TEXT} characters"):
        parser.feed(piece)


def test_only_known_skills_may_be_planned() -> None:
    """A step that nobody can do is refused; where no skills are named, anything goes."""
    assert read(GOOD, known_skills=THOUGHT.plan)[1] == THOUGHT
    with pytest.raises(ContractError, match="store the cube") as caught:
        read(GOOD, known_skills=("open the drawer",))
    assert caught.value.__notes__ == [GOOD]


def test_a_met_goal_needs_no_subtask() -> None:
    """`nothing` in plan and subtask means that the goal is met."""
    done = THOUGHT.model_copy(update={"plan": (), "subtask": None, "is_current_done": True})
    assert read(done.text())[1].subtask is None


@pytest.mark.parametrize(
    "change",
    [
        {"task": ""},
        {"task": " a"},
        {"task": "a\nPLAN: b"},
        {"subtask": "b"},
        {"plan": ("open the drawer", "a; b")},
        {"plan": ("open the drawer", NOTHING)},
        {"colour": "red"},
    ],
)
def test_a_thought_that_could_not_be_read_back_cannot_be_made(change: dict[str, object]) -> None:
    """Values that would be read as something else are refused before they are written."""
    with pytest.raises(ValidationError):
        ParsedThought.model_validate({**THOUGHT.model_dump(), **change})
