"""A plan as a numbered list, for models that can follow no more than that."""

import re
from dataclasses import dataclass

from bridge.messages import Thought
from slow_brain.prompts.reply import NotAPlanError, ReplyRules, check_length, checked_steps

_ITEM = re.compile(r"(?:\d{1,2}[.)]|[-*•])\s+(?P<step>\S.*)")
_DONE = re.compile(r"done\s*:\s*(?P<verdict>yes|no)\W*", re.IGNORECASE)
_NOTHING = re.compile(r"(?:\d{1,2}[.)]|[-*•])?\s*nothing\W*", re.IGNORECASE)


@dataclass(frozen=True)
class ListedPlan:
    """The steps of the list; without a verdict the subtask under way is not over."""

    plan: tuple[str, ...]
    is_current_done: bool


class PlainListForm:
    """Asks for a verdict and a list."""

    def schema(self, skills: tuple[str, ...]) -> None:  # noqa: ARG002  # As every form is asked.
        """None: a list is not JSON."""
        return

    def reader(self, rules: ReplyRules) -> "PlainListReader":
        """A reader for one reply."""
        return PlainListReader(rules)


class PlainListReader:
    """Tells each line when it ends."""

    def __init__(self, rules: ReplyRules) -> None:
        self._rules = rules
        self._text = ""
        self._told_lines = 0

    def feed(self, piece: str) -> list[Thought]:
        """Return the thoughts that `piece` completes.

        Raises:
            NotAPlanError: The text grows beyond any plan.
        """
        self._text += piece
        check_length(self._text)
        return self._tell(self._text.split("\n")[:-1])

    def close(self) -> list[Thought]:
        """Return the thought of the last line, which no newline ends."""
        return self._tell(self._text.split("\n"))

    def finish(self) -> ListedPlan:
        """Return the checked whole.

        Raises:
            NotAPlanError: A line is neither verdict nor step, nothing is listed, or a step is what
                nobody can do.
        """
        lines = [line.strip() for line in self._text.split("\n") if line.strip()]
        verdict = _DONE.fullmatch(lines[0]) if lines else None
        rest = lines[1:] if verdict else lines
        is_done = verdict is not None and verdict["verdict"].lower() == "yes"
        return ListedPlan(self._steps(rest), is_done)

    def _steps(self, lines: list[str]) -> tuple[str, ...]:
        if len(lines) == 1 and _NOTHING.fullmatch(lines[0]):
            return ()
        if not lines:
            raise NotAPlanError(expected="a list of steps", got="none", text=self._text)
        items = [_ITEM.fullmatch(line) for line in lines]
        steps = tuple(item["step"] for item in items if item)
        if len(steps) < len(lines):
            strange = next(line for line, item in zip(lines, items, strict=True) if not item)
            raise NotAPlanError(expected="a list of steps alone", got=strange, text=self._text)
        return checked_steps(steps, self._rules, self._text)

    def _tell(self, lines: list[str]) -> list[Thought]:
        new, self._told_lines = lines[self._told_lines :], max(self._told_lines, len(lines))
        return [
            thought for line in new if line.strip() for thought in [self._thought(line.strip())]
        ]

    def _thought(self, line: str) -> Thought:
        verdict, item = _DONE.fullmatch(line), _ITEM.fullmatch(line)
        field, text = ("DONE", verdict["verdict"].lower()) if verdict else ("PLAN", line)
        if item and not verdict:
            text = item["step"]
        now_ns = self._rules.clock.now_ns()
        return Thought(field=field, text=text, plan_id=self._rules.plan_id, stamp_ns=now_ns)
