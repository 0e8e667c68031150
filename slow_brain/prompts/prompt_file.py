"""A prompt is a file: a few settings, then the text, with names of what is filled in.

    ---
    reply: json_plan
    ---
    ## system
    You plan for a robot. It can: $skills
    ## user
    Goal: $goal
    Finished: $finished
    Under way: $current
    $image

Copy one from `slow_brain/prompts`, edit it, and name it: `slow_brain.planner_options.prompt=my.md`.
Whatever a person or a model wrote is filled in as one line of plain words: it cannot begin a new
line of the prompt, and it cannot spell a token that means something to the model.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Literal, cast

import yaml
from pydantic import ConfigDict, Field, ValidationError

from bridge.arrays import ImageArray
from bridge.errors import ConfigError, UnknownNameError
from slow_brain.engines.engine import Turn
from slow_brain.prompts.finished_summary import NOTHING, FinishedLimits, finished_summary

_FENCE = "---\n"
_TURN = re.compile(r"^## (system|user)\n", re.MULTILINE)
_NAMES = ("goal", "remarks", "goal_and_remarks", "finished", "current", "skills", "image")
_Role = Literal["system", "user"]
# How the scene's goals are joined of clauses.
_THEN = ", then "
# Stands for the pictures while words are filled in, which cannot contain it.
_PICTURES = "\0"
# What tokenizers commonly take for a mark of their own, such as <image>, </s>, <|im_end|>, [INST].
_MARK = re.compile(r"<([^<>\s]+)>|\[(/?[A-Z_]+)\]")


class PromptSettings(FinishedLimits):
    """What stands above the text: which form of reply it asks for, and how it is filled in.

    Of what people have said about the goal the newest remarks are filled in, in at most
    `remarks_tokens` tokens. Where `$goal_and_remarks` stands, they are further clauses of the goal.

    A reply that is no plan is asked for once more: `repair` "explain" shows it to the model with
    what was wrong, "again" asks the same and has the model draw its words. The second is for models
    that were trained on one form of question, to which a talk about it is noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reply: str
    lower_case_goal: bool = False
    remarks_tokens: int = Field(default=200, ge=1)
    repair: Literal["explain", "again"] = "explain"


@dataclass(frozen=True, kw_only=True)
class PromptValues:
    """What is filled in; `pictures` are uint8 ``[H, W, 3]``, in the order of the cameras.

    `finished` are the newest subtasks that are over, of `finished_count` in all. `remarks` are what
    people have said about the goal since, the newest last.
    """

    goal: str
    remarks: Sequence[str] = ()
    finished: Sequence[str] = ()
    finished_count: int = 0
    current: str | None = None
    skills: tuple[str, ...] = ()
    pictures: tuple[ImageArray, ...] = ()


class Prompt:
    """A prompt that has been read.

    Args:
        name: Where it came from, for errors.
        text: The whole file.

    Raises:
        ConfigError: A setting is unknown, or the text asks for what nobody fills in.
    """

    def __init__(self, name: str, text: str) -> None:
        above, body = _split(name, text)
        self.settings = _settings(name, above)
        self._turns = _turns(body)
        for _, template in self._turns:
            _check(name, template)
        if not any("image" in template.get_identifiers() for _, template in self._turns):
            raise ConfigError(f"Prompt {name} has no $image: the model would see nothing.")

    def turns(
        self, values: PromptValues, count_tokens: Callable[[str], int] = len
    ) -> tuple[Turn, ...]:
        """Return the chat with everything filled in.

        Args:
            values: What to fill in.
            count_tokens: How long a text is for the model; letters count if left out.
        """
        words = self._words(values, count_tokens)
        return tuple(
            Turn(role, _with_pictures(template.substitute(words), values.pictures))
            for role, template in self._turns
        )

    def _words(self, values: PromptValues, count_tokens: Callable[[str], int]) -> dict[str, str]:
        remarks = self._newest_remarks(values.remarks, count_tokens)
        finished = [plain_line(each) for each in values.finished]
        return {
            "goal": self._wish(values.goal),
            "remarks": "; ".join(remarks) or NOTHING,
            "goal_and_remarks": self._wish(
                _THEN.join((values.goal, *(each.rstrip(".!") for each in remarks)))
            ),
            "finished": finished_summary(
                finished, self.settings, count_tokens, count=values.finished_count
            ),
            "current": plain_line(values.current or "") or NOTHING,
            "skills": "; ".join(values.skills) or "any, in a few plain words",
            "image": _PICTURES,
        }

    def _wish(self, words: str) -> str:
        line = plain_line(words)
        return line.lower() if self.settings.lower_case_goal else line

    def _newest_remarks(
        self, remarks: Sequence[str], count_tokens: Callable[[str], int]
    ) -> list[str]:
        """Return the newest that fit, oldest first; one that is too long alone is left out."""
        lines = [plain_line(each) for each in remarks]
        while lines and count_tokens("; ".join(lines)) > self.settings.remarks_tokens:
            lines.pop(0)
        return lines


def load_prompt(name: str) -> Prompt:
    """Read a shipped prompt by its name, or a file by its path.

    Raises:
        UnknownNameError: No prompt is shipped under the name.
        ConfigError: The file cannot be read, or is no prompt.
    """
    folder = resources.files("slow_brain.prompts")
    if "/" not in name and not name.endswith(".md"):
        known = sorted(
            each.name.removesuffix(".md") for each in folder.iterdir() if ".md" in each.name
        )
        if name not in known:
            raise UnknownNameError(kind="prompt", name=name, known=known)
        return Prompt(name, (folder / f"{name}.md").read_text(encoding="utf-8"))
    try:
        return Prompt(name, Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The prompt {name} cannot be read: {error}.") from error


def plain_line(text: str) -> str:
    """Return the words on one line, without control characters and without marks of a tokenizer."""
    visible = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)
    return _MARK.sub(lambda mark: f"({mark[1] or mark[2]})", " ".join(visible.split()))


def _split(name: str, text: str) -> tuple[str, str]:
    if not text.startswith(_FENCE) or _FENCE not in text[len(_FENCE) :]:
        raise ConfigError(
            f"Prompt {name} does not begin with its settings: a line ---, then at least "
            "`reply: ecot`, `json_plan` or `plain_list`, then a line --- again."
        )
    above, _, body = text[len(_FENCE) :].partition(_FENCE)
    return above, body


def _settings(name: str, above: str) -> PromptSettings:
    try:
        return PromptSettings.model_validate(yaml.safe_load(above))
    except (ValidationError, yaml.YAMLError) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, what['loc']))}: {what['msg']}" if what else str(error)
        known = ", ".join(PromptSettings.model_fields)
        raise ConfigError(f"Prompt {name}: {why}. Its settings can be: {known}.") from error


def _turns(body: str) -> tuple[tuple[_Role, Template], ...]:
    """Cut the text at its headings; without any it is all the user's."""
    first, *rest = _TURN.split(body)
    parts = [("user", first), *zip(rest[::2], rest[1::2], strict=True)]
    return tuple(
        (cast("_Role", role), Template(text.strip("\n"))) for role, text in parts if text.strip()
    )


def _check(name: str, template: Template) -> None:
    unknown = [each for each in template.get_identifiers() if each not in _NAMES]
    if unknown or not template.is_valid():
        wrong = f"${unknown[0]}" if unknown else "a $ that begins no name (write $$ for a dollar)"
        known = ", ".join(f"${each}" for each in _NAMES)
        raise ConfigError(f"Prompt {name} asks for {wrong}; what can be filled in: {known}.")


def _with_pictures(text: str, pictures: tuple[ImageArray, ...]) -> tuple[str | ImageArray, ...]:
    first, *rest = text.split(_PICTURES)
    parts: list[str | ImageArray] = [first]
    for after in rest:
        parts += [*pictures, after]
    return tuple(cast("str", part) for part in parts if not isinstance(part, str) or part)
