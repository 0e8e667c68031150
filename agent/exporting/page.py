"""A run as one static page: its timeline, its pictures and its story, in one file.

No script, no font, no picture from elsewhere; light or dark as the reader's system is.
"""

from html import escape
from pathlib import Path
from typing import Any

from agent.exporting.picture_strip import picture_strip
from agent.exporting.stretch import OnProgress, Stretch
from agent.exporting.timeline import timeline
from agent.tracing.chronicle import chronicle_of
from agent.tracing.story import GoalStory, SubtaskStory

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
.timeline { overflow-x: auto } svg { width: 100%; min-width: 40rem; height: auto }
text { font-size: 12px; fill: currentColor; } h2 { font-size: 1.15rem }
.lane { fill: currentColor; opacity: .06 } .done { fill: #2e8b57 } .failed { fill: #c0392b }
.active, .skipped { fill: #7f8c8d } .held { fill: #d68910 } .ladder { fill: #8e44ad }
.plan { fill: #2874a6 } .chunks { fill: #5d6d7e } .misses, .faults { fill: #c0392b }
.curve { fill: none; stroke: #2874a6; stroke-width: 1.5 }
.pictures { display: flex; gap: .75rem; overflow-x: auto; padding: .5rem 0 }
figure { margin: 0; flex: none; max-width: 16rem } img { border-radius: 4px; margin-right: 4px }
figcaption { font-size: .8rem }
li { margin: .2rem 0 } .event { opacity: .75 }
time { font-variant-numeric: tabular-nums; opacity: .75; margin-right: .5rem }
"""


def write_page(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write the page.

    Raises:
        OSError: It cannot be written.
    """
    run, parts = stretch.run, 3
    ends = (run.seconds(stretch.first_ns), run.seconds(stretch.last_ns))
    drawn = timeline(chronicle_of(run, stretch.story), *ends)
    on_progress(1, parts)
    pictures = picture_strip(stretch)
    on_progress(2, parts)
    path.write_text(_page(stretch, drawn + pictures), encoding="utf-8")
    on_progress(parts, parts)
    return {"goals": len(stretch.goals), "pictures": pictures.count("<img")}


def _page(stretch: Stretch, drawn: str) -> str:
    story = stretch.story
    title = escape(f"Run {story.id}")
    done, begun = story.subtasks
    faults = ", ".join(f"{count} {kind}" for kind, count in story.faults.items()) or "no faults"
    facts = (
        f"{story.began}, {story.length_s:.1f} s, {story.outcome}, {done} of {begun} subtasks done, "
        f"{faults}, {story.ticks} ticks, {story.missed_ticks} missed"
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in story.notes)
    run = stretch.run
    first_s, last_s = run.seconds(stretch.first_ns), run.seconds(stretch.last_ns)
    told = [event for event in story.events if first_s <= event[0] <= last_s]
    before = "".join(_item(at_s, words, "event") for at_s, words in told)
    goals = "".join(_goal(each.story) for each in stretch.goals)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{escape(facts)}</p>{notes}"
        f"{drawn}<ul>{before}</ul>{goals}</body></html>\n"
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
