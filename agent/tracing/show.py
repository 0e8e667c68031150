"""The story of runs on a terminal: a list of them, and one as a tree."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agent.tracing.diff import Difference, parting
from agent.tracing.milestones import Step
from agent.tracing.story import GoalStory, RunStory, SubtaskStory
from agent.tracing.why import Answer

_MARKS = {"done": "✔", "failed": "✘", "skipped": "–", "active": "…"}


def render_runs(stories: list[RunStory], troubles: list[str]) -> RenderableType:
    """A table of runs, a line each, and what could not be read."""
    titles = ("run", "length [s]", "goal", "outcome", "subtasks", "faults")
    table = Table(*map(escape, titles), box=None, pad_edge=False)
    for story in stories:
        done, begun = story.subtasks
        faults = ", ".join(f"{count} {kind}" for kind, count in story.faults.items())
        cells = (story.id, f"{story.length_s:.1f}", _goals(story), story.outcome)
        table.add_row(*map(escape, cells), f"{done}/{begun}", faults or "none")
    notes = [f"{story.id}: {note}" for story in stories for note in story.notes]
    return Group(table, *(Text(words) for words in (*notes, *troubles)))


def render_story(story: RunStory) -> RenderableType:
    """A run as a tree: goals, their subtasks, and between them what happened."""
    tree = Tree(Text(f"{story.id}: {story.length_s:.1f} s, {story.outcome}"))
    for event in story.events:
        tree.add(_event(event))
    for goal in story.goals:
        _add_goal(tree, goal)
    ticks = f"{story.ticks} ticks, {story.missed_ticks} missed"
    tail = [Text(words) for words in (ticks, *story.notes)]
    return Group(tree, *tail)


def render_answer(answer: Answer) -> RenderableType:
    """The reasons of a moment, from what was sent back to what was wanted."""
    table = Table(*map(escape, ("since [s]", "", "")), box=None, pad_edge=False)
    for link in answer.links:
        since = "" if link.at_s is None else f"{link.at_s:.3f}"
        style = "" if link.is_recorded else "yellow"
        table.add_row(Text(since, justify="right"), link.what, Text(link.says, style=style))
    head = Text(f"{answer.run} at {answer.time_s:.3f} s, each line the reason of the one before:")
    return Group(head, table, *(Text(words) for words in answer.notes))


def render_difference(difference: Difference, most_rows: int = 40) -> RenderableType:
    """Where two runs part, and what each did from a little before on."""
    first, second = difference.runs
    lines = [Text(f"A {first}, B {second}; times are since {difference.since} [s].")]
    for name, values in difference.settings.items():
        lines.append(Text(f"setting {name}: A {values[0]}, B {values[1]}"))
    for place, each in enumerate(difference.divergences):
        which = "First divergence" if place == 0 else "And"
        lines.append(Text(f"{which} at {each.at_s:.3f} s, {each.lane}:"))
        lines += [Text(f"  A: {each.first}"), Text(f"  B: {each.second}")]
    if not difference.divergences:
        return Group(*lines, Text("No divergence: the same happened, and the same was sent."))
    rows = parting(difference.rows)
    if not rows:
        return Group(*lines, Text("What happened, in its order, is the same."))
    table = Table(*("A", "", "", "B", ""), box=None, pad_edge=False)
    for row in rows[:most_rows]:
        mark = Text("=" if row.is_same else "≠", style="" if row.is_same else "yellow")
        table.add_row(*_cells(row.first), mark, *_cells(row.second))
    more = len(rows) - most_rows
    tail = [Text(f"… and {more} more; --json has all.")] if more > 0 else []
    return Group(*lines, table, *tail)


def _cells(step: Step | None) -> tuple[Text, Text]:
    if step is None:
        return Text(""), Text("")
    return Text(f"{step.at_s:.2f}", justify="right"), Text(f"{step.lane} {step.words}")


def _add_goal(tree: Tree, goal: GoalStory) -> None:
    because = f": {goal.reason}" if goal.reason else ""
    branch = tree.add(
        Text(f"{goal.given_s:.2f} s  goal {goal.text!r} ({goal.source}) – {goal.outcome}{because}")
    )
    parts: list[tuple[float, SubtaskStory | str]] = [(s, words) for s, words in goal.events]
    parts += [(_first_s(each), each) for each in goal.subtasks]
    for at_s, part in sorted(parts, key=lambda each: each[0]):
        if isinstance(part, str):
            branch.add(_event((at_s, part)))
        else:
            _add_subtask(branch, part)


def _add_subtask(branch: Tree, subtask: SubtaskStory) -> None:
    times = f"{_time(subtask.began_s)} – {_time(subtask.ended_s)}"
    mark = _MARKS.get(subtask.state, "?")
    leaf = branch.add(Text(f"{times}  {mark} {subtask.text}: {subtask.state}"))
    if subtask.began_because:
        leaf.add(Text(f"began: {subtask.began_because}"))
    if subtask.ended_because:
        leaf.add(Text(f"ended: {subtask.ended_because}"))
    for thought in subtask.thoughts:
        leaf.add(Text(thought, style="italic"))


def _first_s(subtask: SubtaskStory) -> float:
    known = (subtask.began_s, subtask.ended_s)
    return next((time_s for time_s in known if time_s is not None), 0.0)


def _goals(story: RunStory) -> str:
    if not story.goals:
        return "–"
    more = f" (+{len(story.goals) - 1})" if len(story.goals) > 1 else ""
    return f"{story.goals[0].text}{more}"


def _event(event: tuple[float, str]) -> Text:
    at_s, words = event
    return Text(f"{at_s:.2f} s  {words}", style="dim")


def _time(time_s: float | None) -> str:
    return "…" if time_s is None else f"{time_s:.2f} s"
