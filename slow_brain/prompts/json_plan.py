"""A plan as one JSON object: what a larger model writes well, and an engine can enforce."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from bridge.messages import Thought
from slow_brain.prompts.reply import (
    LONGEST_STEP,
    MOST_STEPS,
    NotAPlanError,
    ReplyRules,
    check_length,
    checked_steps,
)

_LONGEST_THOUGHT = 1000
_Step = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_STEP)
]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_THOUGHT)]
_FENCE = "```"


class JsonPlan(BaseModel):
    """The reply; the thoughts stand before the decision, so that they can lead to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    visible_objects: _Words
    reasoning: _Words
    current_subtask_done: bool
    plan: tuple[_Step, ...] = Field(max_length=MOST_STEPS)

    @property
    def is_current_done(self) -> bool:
        """Whether the subtask under way is over."""
        return self.current_subtask_done


class JsonPlanForm:
    """Asks for a `JsonPlan`."""

    def schema(self, skills: tuple[str, ...]) -> Mapping[str, Any]:
        """The schema; where the robot has declared skills, no other step can be written."""
        schema = JsonPlan.model_json_schema()
        if skills:
            schema["properties"]["plan"]["items"] = {"type": "string", "enum": list(skills)}
        return schema

    def reader(self, rules: ReplyRules) -> "JsonPlanReader":
        """A reader for one reply."""
        return JsonPlanReader(rules)


class JsonPlanReader:
    """Tells a key as soon as the next one begins."""

    def __init__(self, rules: ReplyRules) -> None:
        self._rules = rules
        self._text = ""
        self._told: set[str] = set()

    def feed(self, piece: str) -> list[Thought]:
        """Return the thoughts that `piece` completes.

        Raises:
            NotAPlanError: The text grows beyond any plan.
        """
        self._text += piece
        check_length(self._text)
        values = self._so_far()
        return self._tell({key: values[key] for key in list(values)[:-1]})

    def close(self) -> list[Thought]:
        """Return the thought of the last key."""
        return self._tell(self._so_far())

    def finish(self) -> JsonPlan:
        """Return the checked whole.

        Raises:
            NotAPlanError: It is not JSON, lacks a key or has one too many, or names what nobody
                can do.
        """
        try:
            plan = JsonPlan.model_validate_json(_bare(self._text), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the text"
            raise NotAPlanError(
                expected="a JSON plan", got=f"{where}: {first['msg']}", text=self._text
            ) from error
        return plan.model_copy(update={"plan": checked_steps(plan.plan, self._rules, self._text)})

    def _so_far(self) -> dict[str, Any]:
        try:
            values = from_json(_bare(self._text), allow_partial=True)
        except ValueError:
            # Not JSON yet, or not at all: `finish` tells the difference.
            return {}
        return values if isinstance(values, dict) else {}

    def _tell(self, values: Mapping[str, Any]) -> list[Thought]:
        new = {key: value for key, value in values.items() if key not in self._told}
        self._told.update(new)
        now_ns, plan_id = self._rules.clock.now_ns(), self._rules.plan_id
        return [
            Thought(field=_heading(key), text=_words(value), plan_id=plan_id, stamp_ns=now_ns)
            for key, value in new.items()
            if key in JsonPlan.model_fields
        ]


def _bare(text: str) -> str:
    """Take off the code fence that chat models like to put around JSON."""
    inner = text.strip()
    if inner.startswith(_FENCE):
        inner = inner.partition("\n")[2].removesuffix(_FENCE)
    return inner


def _heading(key: str) -> str:
    return key.replace("_", " ").upper()


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(str(step) for step in value) or "nothing"
    return str(value)
