"""Each form of reply on recorded replies of larger models: good ones are read, others refused."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import ManualClock
from bridge.messages import Thought
from bridge.plugins import make_plugin
from slow_brain.chain_of_thought import LOOK_FIRST
from slow_brain.prompts.reply import (
    LONGEST_STEP,
    LONGEST_TEXT,
    MOST_STEPS,
    Decision,
    NotAPlanError,
    ReplyRules,
)

SKILLS = ("open the drawer", "store the cube", "close the drawer")
ECOT = """TASK: put the cube away
PLAN: open the drawer; store the cube
VISIBLE OBJECTS: drawer closed, cube on table
SUBTASK REASONING: the drawer is closed
DONE: no
SUBTASK: open the drawer"""
JSON = json.dumps(
    {
        "visible_objects": "drawer closed, cube on table",
        "reasoning": "the drawer is closed",
        "current_subtask_done": False,
        "plan": ["open the drawer", "store the cube"],
    },
    indent=1,
)
LIST = "done: no\n1. open the drawer\n2. store the cube"


def read(
    form: str, text: str, *, skills: Sequence[str] = (), asked: str = "", cuts: Sequence[int] = ()
) -> tuple[list[Thought], Decision]:
    """Feed a reply cut at these places; return the thoughts and the decision."""
    rules = ReplyRules(plan_id="p", clock=ManualClock(7), skills=tuple(skills), asked=asked)
    reader = make_plugin("reply", form).reader(rules)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    told = [each for start, end in pairwise(places) for each in reader.feed(text[start:end])]
    return told + reader.close(), reader.finish()


LOOKED = "\n".join(
    next(line for line in ECOT.split("\n") if line.startswith(f"{field}: ")) for field in LOOK_FIRST
)
GOOD = {
    "ecot": ("ecot", ECOT),
    "look first": ("look_first", LOOKED),
    "json": ("json_plan", JSON),
    "json in a fence": ("json_plan", f"```json\n{JSON}\n```"),
    "json on one line": ("json_plan", json.dumps(json.loads(JSON))),
    "list": ("plain_list", LIST),
    "list without a verdict": ("plain_list", "1. open the drawer\n2. store the cube\n"),
    "list with bullets": ("plain_list", "Done: No.\n\n- Open the drawer.\n* store the cube"),
    "list with brackets": ("plain_list", "1) open the drawer\n2) store the cube"),
}


@pytest.mark.parametrize(("form", "text"), GOOD.values(), ids=list(GOOD))
def test_good_replies_are_read(form: str, text: str) -> None:
    """The same plan in any of the forms, and in their common variants, is the same decision."""
    told, decision = read(form, text, skills=SKILLS)
    assert decision.plan == ("open the drawer", "store the cube")
    assert decision.is_current_done is False
    assert told[-1].plan_id == "p"


@pytest.mark.parametrize(("form", "text"), GOOD.values(), ids=list(GOOD))
@given(cuts=st.lists(st.integers(min_value=0), max_size=10))
def test_how_a_reply_is_cut_makes_no_difference(form: str, text: str, cuts: list[int]) -> None:
    """However the pieces fall, the same thoughts are told, once each and in order."""
    assert read(form, text, skills=SKILLS, cuts=cuts) == read(form, text, skills=SKILLS)


REFUSED = {
    "ecot that names another step": (
        "ecot",
        ECOT.replace("put the cube away", "1 open the drawer, 2 store the cube").replace(
            "the drawer is closed", "so 0 of 2 done, next 1 store the cube"
        ),
    ),
    "ecot empty": ("ecot", ""),
    "ecot that looks first": ("ecot", LOOKED),
    "look first, but as ecot": ("look_first", ECOT),
    "ecot prose": ("ecot", "Sure! First I would open the drawer."),
    "ecot in another language": ("ecot", ECOT.replace("TASK", "AUFGABE").replace("DONE", "FERTIG")),
    "json empty": ("json_plan", ""),
    "json truncated": ("json_plan", JSON[:-20]),
    "json truncated in the plan": ("json_plan", JSON[: JSON.index("store")]),
    "json prose": ("json_plan", f"Here is the plan:\n{JSON}"),
    "json doubled": ("json_plan", JSON + JSON),
    "json a list": ("json_plan", '["open the drawer"]'),
    "json unknown key": ("json_plan", JSON.replace("reasoning", "thinking")),
    "json extra key": ("json_plan", JSON.replace("{", '{"run": "rm -rf /",', 1)),
    "json verdict in words": ("json_plan", JSON.replace("false", '"no"')),
    "json plan in one string": (
        "json_plan",
        json.dumps({**json.loads(JSON), "plan": "open the drawer"}),
    ),
    "json empty step": ("json_plan", JSON.replace("store the cube", " ")),
    "json unknown skill": ("json_plan", JSON.replace("store the cube", "disable the e-stop")),
    "list empty": ("plain_list", " \n"),
    "list prose": ("plain_list", f"Here is the plan:\n{LIST}"),
    "list verdict alone": ("plain_list", "done: yes"),
    "list nothing among steps": ("plain_list", "1. open the drawer\n2. nothing"),
    "list unknown skill": ("plain_list", "1. open the drawer\n2. ignore the safety limits"),
    "list in another language": ("plain_list", "1. ouvrir le tiroir"),
}


@pytest.mark.parametrize(("form", "text"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_plan_is_refused_with_all_of_its_text(form: str, text: str) -> None:
    """Malformed, truncated, foreign or hostile replies are errors that carry the reply."""
    with pytest.raises(NotAPlanError) as caught:
        read(form, text, skills=SKILLS)
    assert caught.value.text == text
    assert caught.value.__notes__ == [text]


@pytest.mark.parametrize("form", ["ecot", "look_first", "json_plan", "plain_list"])
def test_a_looping_reply_is_stopped_while_it_is_written(form: str) -> None:
    """A model that repeats itself is refused at the longest length a plan may have."""
    with pytest.raises(NotAPlanError, match=f"at most {LONGEST_TEXT} characters"):
        read(form, "open " * LONGEST_TEXT, cuts=range(0, 5 * LONGEST_TEXT, 100))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("plain_list", "\n".join(f"{n % 90}. again" for n in range(MOST_STEPS + 1))),
        ("ecot", ECOT.replace("store the cube", "; ".join(["again"] * (MOST_STEPS + 1)))),
        ("json_plan", JSON.replace('"store the cube"', ",".join(['"again"'] * 40))),
        ("plain_list", "1. " + "a" * (LONGEST_STEP + 1)),
        ("plain_list", "1. open it\n2. Nothing."),
    ],
)
def test_a_plan_without_end_is_refused(form: str, text: str) -> None:
    """Neither the number of steps nor the length of one is left to the model."""
    with pytest.raises(NotAPlanError):
        read(form, text)


@pytest.mark.parametrize(
    ("form", "text"), [("plain_list", "1. 打开抽屉"), ("plain_list", "1. открой")]
)
def test_steps_in_letters_that_nobody_used_are_refused(form: str, text: str) -> None:
    """Where the robot declares no skills, steps are at least written as the question was."""
    with pytest.raises(NotAPlanError, match="LATIN letters"):
        read(form, text, asked="Goal: open the drawer")
    assert read(form, text, asked=f"Goal: open the drawer, {text}")[1].plan == (text[3:],)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json_plan", json.dumps({**json.loads(JSON), "plan": []})),
        ("plain_list", "done: yes\nnothing"),
        ("plain_list", "Nothing."),
    ],
)
def test_nothing_left_means_that_the_goal_is_met(form: str, text: str) -> None:
    """An empty plan is a decision, not an error."""
    assert read(form, text, skills=SKILLS)[1].plan == ()


def test_a_json_key_is_told_when_the_next_begins() -> None:
    """People see the reasoning while the plan is being written."""
    rules = ReplyRules(plan_id="p", clock=ManualClock(7))
    reader = make_plugin("reply", "json_plan").reader(rules)
    head, _, tail = JSON.partition('"current_subtask_done": ')
    told = reader.feed(head)
    assert [each.field for each in told] == ["VISIBLE OBJECTS"]
    assert [each.field for each in reader.feed(tail[:0] + '"current_subtask_done": f')] == []
    assert [each.field for each in reader.feed('alse, "plan": ["open')] == [
        "REASONING",
        "CURRENT SUBTASK DONE",
    ]


def test_the_schema_lets_only_skills_be_written() -> None:
    """With declared skills the schema names them; without, any short step passes."""
    form = make_plugin("reply", "json_plan")
    assert form.schema(SKILLS)["properties"]["plan"]["items"]["enum"] == list(SKILLS)
    assert "enum" not in json.dumps(form.schema(()))
    assert form.schema(SKILLS)["additionalProperties"] is False
