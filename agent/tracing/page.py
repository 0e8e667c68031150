"""A run as one static page: its timeline and its story, in a file that needs nothing else to open.

No script, no font, no picture from elsewhere; light or dark as the reader's system is.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from agent.tracing.runs import Run
from agent.tracing.story import GoalStory, RunStory, SubtaskStory, story_of
from agent.tracing.words import FAULTS, STOPS, describe
from bridge.errors import ConfigError

_WIDTH, _LANE_HEIGHT, _LEFT = 1000, 28, 90
# As many as can be told apart in the picture.
_MOST_MARKS = 2000
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.timeline { overflow-x: auto } svg { width: 100%; min-width: 40rem; height: auto }
text { font-size: 12px; fill: currentColor; }
.lane { fill: currentColor; opacity: .06 } .done { fill: #2e8b57 } .failed { fill: #c0392b }
.active, .skipped { fill: #7f8c8d } .hold { fill: #d68910 } .ladder { fill: #8e44ad }
.plan { fill: #2874a6 } .fault { fill: #c0392b } li { margin: .2rem 0 } .event { opacity: .75 }
time { font-variant-numeric: tabular-nums; opacity: .75; margin-right: .5rem }
"""


class Bar(NamedTuple):
    """A stretch of one lane [s since the recording began]; a moment if both ends are the same."""

    lane: str
    first_s: float
    last_s: float
    look: str
    words: str


def export_page(run: Run, target: Path) -> None:
    """Write a run's page.

    Raises:
        ConfigError: The file is there already, or cannot be written.
    """
    story = story_of(run)
    page = _page(story, _timeline(list(_bars(run, story)), story.length_s))
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(page)
    except FileExistsError as error:
        raise ConfigError(f"{target} exists. Remove it, or choose another --out.") from error
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}.") from error


def _bars(run: Run, story: RunStory) -> Iterator[Bar]:
    for goal in story.goals:
        for each in goal.subtasks:
            first_s = goal.given_s if each.began_s is None else each.began_s
            last_s = story.length_s if each.ended_s is None else each.ended_s
            yield Bar("subtask", first_s, last_s, each.state, f"{each.text}: {each.state}")
    yield from _stretches(run, "hold", "robot.held", "robot.released")
    yield from _stretches(run, "ladder", "ladder.moved", "ladder.moved")
    for plan in run.walk("planner.plan"):
        at_s = run.seconds(plan.stamp_ns)
        steps = "; ".join(plan.facts["subtasks"])
        yield Bar("plan", at_s, at_s, "plan", f"{plan.facts['plan_id']}: {steps}")
    for event in run.kept:
        if event.kind in (*FAULTS, *STOPS):
            at_s = run.seconds(event.stamp_ns)
            yield Bar("fault", at_s, at_s, "fault", describe(event))


def _stretches(run: Run, lane: str, begins: str, ends: str) -> Iterator[Bar]:
    """From each event that begins something until what ends it, or the run's end."""
    open_since: tuple[float, str] | None = None
    for event in run.kept:
        if event.node != "control" or event.kind not in (begins, ends):
            continue
        now_s = run.seconds(event.stamp_ns)
        if open_since is not None:
            yield Bar(lane, open_since[0], now_s, lane, open_since[1])
            open_since = None
        if event.kind == begins and event.facts.get("rung") != "fresh":
            open_since = (now_s, describe(event))
    if open_since is not None:
        yield Bar(lane, open_since[0], run.length_s, lane, open_since[1])


def _timeline(bars: list[Bar], length_s: float) -> str:
    lanes = ("subtask", "plan", "hold", "ladder", "fault")
    scale = (_WIDTH - _LEFT) / max(length_s, 1e-3)
    drawn = list[str]()
    for place, lane in enumerate(lanes):
        top = place * _LANE_HEIGHT
        drawn.append(
            f'<text x="0" y="{top + 17}">{lane}</text><rect class="lane" x="{_LEFT}" '
            f'y="{top + 2}" width="{_WIDTH - _LEFT}" height="{_LANE_HEIGHT - 4}"/>'
        )
        for bar in [bar for bar in bars if bar.lane == lane][:_MOST_MARKS]:
            width = max(2.0, (bar.last_s - bar.first_s) * scale)
            title = escape(f"{bar.first_s:.2f} s – {bar.last_s:.2f} s: {bar.words}")
            drawn.append(
                f'<rect class="{escape(bar.look)}" x="{_LEFT + bar.first_s * scale:.1f}" '
                f'y="{top + 4}" width="{width:.1f}" height="{_LANE_HEIGHT - 8}">'
                f"<title>{title}</title></rect>"
            )
    bottom = len(lanes) * _LANE_HEIGHT + 16
    drawn += [
        f'<text x="{_LEFT}" y="{bottom - 2}">0 s</text>',
        f'<text x="{_WIDTH}" y="{bottom - 2}" text-anchor="end">{length_s:.1f} s</text>',
    ]
    return (
        f'<div class="timeline" tabindex="0"><svg viewBox="0 0 {_WIDTH} {bottom}" '
        f'role="img" aria-label="timeline of the run">{"".join(drawn)}</svg></div>'
    )


def _page(story: RunStory, timeline: str) -> str:
    title = escape(f"Run {story.id}")
    done, begun = story.subtasks
    faults = ", ".join(f"{count} {kind}" for kind, count in story.faults.items()) or "no faults"
    facts = (
        f"{story.began}, {story.length_s:.1f} s, {story.outcome}, {done} of {begun} subtasks done, "
        f"{faults}, {story.ticks} ticks, {story.missed_ticks} missed"
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in story.notes)
    before = "".join(_item(at_s, words, "event") for at_s, words in story.events)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{escape(facts)}</p>{notes}"
        f"{timeline}<ul>{before}</ul>{''.join(map(_goal, story.goals))}</body></html>\n"
    )


def _goal(goal: GoalStory) -> str:
    because = f": {goal.reason}" if goal.reason else ""
    parts = [(at_s, _item(at_s, words, "event")) for at_s, words in goal.events]
    parts += [(each.began_s or goal.given_s, _subtask(each, goal)) for each in goal.subtasks]
    items = "".join(html for _, html in sorted(parts, key=lambda part: part[0]))
    head = escape(f"{goal.text} ({goal.source}) – {goal.outcome}{because}")
    return f"<h2><time>{goal.given_s:.2f} s</time>{head}</h2><ul>{items}</ul>"


def _subtask(subtask: SubtaskStory, goal: GoalStory) -> str:
    ended = "" if subtask.ended_s is None else f" – {subtask.ended_s:.2f} s"
    lines = [
        f"{word}: {because}"
        for word, because in (("began", subtask.began_because), ("ended", subtask.ended_because))
        if because
    ]
    told = "".join(f"<li>{escape(line)}</li>" for line in (*lines, *subtask.thoughts))
    began_s = goal.given_s if subtask.began_s is None else subtask.began_s
    head = f"<time>{began_s:.2f} s{ended}</time>{escape(f'{subtask.text}: {subtask.state}')}"
    return f"<li><details open><summary>{head}</summary><ul>{told}</ul></details></li>"


def _item(at_s: float, words: str, look: str) -> str:
    return f'<li class="{look}"><time>{at_s:.2f} s</time>{escape(words)}</li>'
