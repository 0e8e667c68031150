"""The planner's text, field by field: read while it is being written, checked when it ends.

The fields and their order are those of Embodied Chain-of-Thought (ECoT, arXiv 2407.08693), up to
the subtask; DONE says whether the subtask under way is over. A small model does better when it
looks before it plans: what it has written down about the picture is what its plan follows from.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from bridge.messages import Thought
from slow_brain.prompts.finished_summary import NOTHING
from slow_brain.prompts.named_step import mend_named_step
from slow_brain.prompts.reply import NotAPlanError, ReplyRules, check_length, checked_steps

FIELDS = ("TASK", "PLAN", "VISIBLE OBJECTS", "SUBTASK REASONING", "DONE", "SUBTASK")
LOOK_FIRST = ("TASK", "VISIBLE OBJECTS", "SUBTASK REASONING", "DONE", "PLAN", "SUBTASK")
_SEPARATOR = ": "
_YES_NO = {"yes": True, "no": False}


def _one_line(text: str) -> str:
    if not text or text != text.strip() or "\n" in text:
        raise ValueError("must be one line that says something, without space around it")
    return text


def _one_step(text: str) -> str:
    if ";" in text or text == NOTHING:
        raise ValueError(f"must be one step: not {NOTHING!r}, and without ';'")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Step = Annotated[Line, AfterValidator(_one_step)]


class ParsedThought(BaseModel):
    """A whole chain of thought: the plan begins with `subtask`, None when the goal is met.

    Whatever this class lets pass can be written and read back unchanged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Line
    plan: tuple[Step, ...]
    visible_objects: Line
    subtask_reasoning: Line
    is_current_done: bool
    subtask: Step | None

    @model_validator(mode="after")
    def _check_first(self) -> Self:
        first = self.plan[0] if self.plan else None
        if first != self.subtask:
            raise ValueError(f"the plan begins with {first!r}, but the subtask is {self.subtask!r}")
        return self

    def text(self, fields: tuple[str, ...] = FIELDS) -> str:
        """Return it as a planner writes it, one field a line, in the order of ``fields``."""
        values = {
            "TASK": self.task,
            "PLAN": "; ".join(self.plan) or NOTHING,
            "VISIBLE OBJECTS": self.visible_objects,
            "SUBTASK REASONING": self.subtask_reasoning,
            "DONE": "yes" if self.is_current_done else "no",
            "SUBTASK": self.subtask or NOTHING,
        }
        return "\n".join(f"{name}{_SEPARATOR}{values[name]}" for name in fields)


class EcotForm:
    """Asks for the six fields, one a line, in ECoT's order."""

    fields = FIELDS

    def schema(self, skills: tuple[str, ...]) -> None:  # noqa: ARG002  # As every form is asked.
        """None: lines are not JSON."""
        return

    def mend(self, text: str) -> str:
        """Return the answer so far, a step that it names by its number named as in its task."""
        return mend_named_step(text)

    def reader(self, rules: ReplyRules) -> "ThoughtParser":
        """A reader for one reply."""
        return ThoughtParser(rules, self.fields)


class LookFirstForm(EcotForm):
    """Asks for the same fields, what is seen and whether it is done before the plan."""

    fields = LOOK_FIRST


class ThoughtParser:
    """Reads one answer in pieces, however they are cut; tells a field when its line ends."""

    def __init__(self, rules: ReplyRules, fields: tuple[str, ...] = FIELDS) -> None:
        self._rules = rules
        self._fields = fields
        self._text = ""
        self._told_lines = 0

    def feed(self, piece: str) -> list[Thought]:
        """Return the thoughts that `piece` completes.

        Raises:
            NotAPlanError: The text grows beyond any plan, as when a model repeats itself.
        """
        self._text += piece
        check_length(self._text)
        return self._tell(self._text.split("\n")[:-1])

    def close(self) -> list[Thought]:
        """Return the thoughts of the last line, which no newline ends."""
        return self._tell(self._text.rstrip("\n").split("\n"))

    def finish(self) -> ParsedThought:
        """Return the checked whole.

        Raises:
            NotAPlanError: A field is missing, doubled, empty or out of order, contradicts another,
                or names what nobody can do. The whole text is in the error's notes.
        """
        values = self._values()
        if values["DONE"] not in _YES_NO:
            raise self._refusal("DONE: yes or no", values["DONE"])
        self._check_named_step(values)
        try:
            parsed = ParsedThought(
                task=values["TASK"],
                plan=_steps(values["PLAN"]),
                visible_objects=values["VISIBLE OBJECTS"],
                subtask_reasoning=values["SUBTASK REASONING"],
                is_current_done=_YES_NO[values["DONE"]],
                subtask=None if values["SUBTASK"] == NOTHING else values["SUBTASK"],
            )
        except ValidationError as error:
            raise self._refusal("a thought", error.errors()[0]["msg"]) from error
        plan = checked_steps(parsed.plan, self._rules, self._text)
        return parsed.model_copy(update={"plan": plan, "subtask": plan[0] if plan else None})

    def _check_named_step(self, values: dict[str, str]) -> None:
        """Refuse a step that is not the one of its number; engines that mend write none."""
        task, reasoning = f"TASK: {values['TASK']}\n", values["SUBTASK REASONING"]
        mended = mend_named_step(task + reasoning).removeprefix(task)
        if mended != reasoning:
            raise self._refusal(f"the task's own words, {mended!r}", reasoning)

    def _tell(self, lines: list[str]) -> list[Thought]:
        new, self._told_lines = lines[self._told_lines :], max(self._told_lines, len(lines))
        thoughts: list[Thought] = []
        for line in new:
            name, separator, value = line.partition(_SEPARATOR)
            if separator and name in self._fields:
                thoughts.append(
                    Thought(
                        field=name,
                        text=value.strip(),
                        plan_id=self._rules.plan_id,
                        stamp_ns=self._rules.clock.now_ns(),
                    )
                )
        return thoughts

    def _values(self) -> dict[str, str]:
        lines = [line for line in self._text.strip().split("\n") if line.strip()]
        parts = [line.partition(_SEPARATOR) for line in lines]
        names = tuple(name for name, _, _ in parts)
        if names != self._fields:
            wanted = f"the fields {', '.join(self._fields)}"
            raise self._refusal(wanted, ", ".join(names) or "nothing")
        values = {name: value.strip() for name, _, value in parts}
        empty = [name for name, value in values.items() if not value]
        if empty:
            raise self._refusal("a value in every field", f"nothing in {', '.join(empty)}")
        return values

    def _refusal(self, expected: str, got: str) -> NotAPlanError:
        return NotAPlanError(expected=expected, got=got, text=self._text)


def _steps(text: str) -> tuple[str, ...]:
    if text == NOTHING:
        return ()
    return tuple(step.strip() for step in text.split(";") if step.strip())
