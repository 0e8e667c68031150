"""What was thought and said in an episode, as the language columns of a LeRobotDataset.

Rows of `language_persistent` hold from their time on until the next of their style, and stand with
every frame of the episode; rows of `language_events` stand with the one frame in which they happen.
Styles and fields: LeRobot 0.6, `lerobot/datasets/language.py` and `language_and_recipes.mdx`.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from agent.exporting.frames import Episode
from agent.exporting.stretch import Stretch
from agent.recording.reading import RecordedEvent
from slow_brain.prompts.finished_summary import FinishedLimits, finished_summary

PERSISTENT, EVENTS = "language_persistent", "language_events"
_WORDS = {"content": pa.string(), "style": pa.string()}
_PLACES = {"camera": pa.string(), "tool_calls": pa.list_(pa.string())}
# What was done so far stays readable however many subtasks there were.
_SUMMARY = FinishedLimits(count_older=True)
_TOLD = ("planner.plan", "subtask.moved", "planner.remark")
Row = dict[str, Any]


def _row_type(*, timed: bool) -> pa.DataType:
    fields = [pa.field("role", pa.string(), nullable=False)]
    fields += [pa.field(name, kind) for name, kind in _WORDS.items()]
    if timed:
        fields.append(pa.field("timestamp", pa.float32(), nullable=False))
    fields += [pa.field(name, kind) for name, kind in _PLACES.items()]
    return pa.list_(pa.struct(fields))


ARROW_TYPES = {PERSISTENT: _row_type(timed=True), EVENTS: _row_type(timed=False)}


def _described(*, timed: bool) -> dict[str, Any]:
    def value(dtype: str) -> dict[str, str]:
        return {"dtype": dtype, "_type": "Value"}

    fields: dict[str, Any] = {name: value("string") for name in ("role", "content", "style")}
    if timed:
        fields["timestamp"] = value("float32")
    fields["camera"] = value("string")
    fields["tool_calls"] = {"feature": {"_type": "Json"}, "_type": "List"}
    return {"feature": fields, "_type": "List"}


# In the words of Hugging Face's readers.
HUGGING_FACE = {PERSISTENT: _described(timed=True), EVENTS: _described(timed=False)}


def language_of(stretch: Stretch, episode: Episode) -> tuple[list[Row], dict[int, list[Row]]]:
    """The persistent rows of an episode, and its events by the frame that they stand with.

    What was told before the first frame holds from that one on. Of what would hold from the same
    frame on, one of a style, the newest is kept.
    """
    persistent: dict[tuple[str, int], Row] = {}
    events: dict[int, list[Row]] = {}
    finished, said = list[str](), dict[str, str]()
    for told in _told(stretch, episode):
        frame = episode.row_of(told.stamp_ns)
        if frame is None:
            continue
        if told.kind == "planner.remark":
            row = _row("user", "interjection", told.facts["text"])
            events.setdefault(frame, []).append(row)
            continue
        for style, content in _states(told, finished):
            if said.get(style) != content:
                said[style] = content
                time_s = float(episode.times_s[frame])
                row = _row("assistant", style, content) | {"timestamp": time_s}
                persistent[style, frame] = row
    return sorted(persistent.values(), key=lambda row: row["timestamp"]), events


def plan_in_words(plan: dict[str, Any]) -> str:
    """The steps of a recorded plan, numbered, and the thoughts that led to them."""
    steps = [step.rpartition(":")[0] for step in plan["subtasks"]]
    numbered = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join([*numbered, *plan.get("thoughts", ())])


def _told(stretch: Stretch, episode: Episode) -> Iterator[RecordedEvent]:
    """What the planner and people said of the goal, from its beginning: that still holds later."""
    goal = episode.goal
    first_ns = stretch.run.start_ns + round(goal.story.given_s * 1e9)
    found = stretch.run.walk(*_TOLD, first_ns=first_ns, last_ns=goal.last_ns)
    of_it = (event for event in found if event.facts["goal_id"] == goal.story.id)
    return iter(sorted(of_it, key=lambda event: event.stamp_ns))


def _states(event: RecordedEvent, finished: list[str]) -> Iterator[tuple[str, str]]:
    """Style and words of what holds from this event on; `finished` is kept up to date."""
    facts = event.facts
    if event.kind == "planner.plan":
        words = plan_in_words(facts)
        if words:
            yield "plan", words
    elif facts["state"] == "active":
        yield "subtask", facts["text"]
    elif facts["state"] == "done":
        finished.append(facts["text"])
        yield "memory", finished_summary(finished, _SUMMARY, lambda text: len(text.split()))


def _row(role: str, style: str, content: str) -> Row:
    return {"role": role, "content": content, "style": style, "camera": None, "tool_calls": None}
