"""A run in the terminal, drawn from one status: subtasks, the current thought, the loop."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.results import Status, part_of, subtasks_of, thoughts_of

MARKS = {"pending": "·", "active": "▶", "done": "✔", "failed": "✘", "skipped": "↷"}
STYLES = {
    "pending": "dim",
    "active": "bold cyan",
    "done": "green",
    "failed": "red",
    "skipped": "yellow",
}
_STALE_AFTER_S = 5.0
_REDRAW_HZ = 10


def render_status(status: Status, *, width: int = 80) -> RenderableType:
    """All that a person wants to see of one moment, `width` characters wide."""
    lines: list[RenderableType] = [_headline(status), Text()]
    lines += [_subtask(subtask) for subtask in subtasks_of(status)]
    thought = newest_thought(status)
    if thought:
        lines += [Text(), Text(shorten(thought, width - 2), style="italic")]
    lines += [Text(), _figures(status)]
    return Group(*lines)


def newest_thought(status: Status) -> str:
    """The piece of the chain of thought that came last, with its heading."""
    thoughts = thoughts_of(status)
    return ": ".join(thoughts[-1]) if thoughts else ""


def shorten(text: str, limit: int) -> str:
    """The beginning of a text, at most `limit` ≥ 1 characters long."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def render_result(result: dict[str, Any]) -> RenderableType:
    """How a goal went, for the end."""
    table = Table(title=Text(f"{result['goal']!r}"), title_justify="left")
    table.add_column("subtask")
    table.add_column("state")
    table.add_column("time", justify="right")
    for subtask in result["subtasks"]:
        took_s = subtask["took_s"]
        time = "" if took_s is None else f"{took_s:.1f} s"
        table.add_row(
            Text(subtask["text"]),
            Text(subtask["state"], style=STYLES.get(subtask["state"], "")),
            time,
        )
    good = result["success"]
    verdict = Text("Success" if good else "Failure", style="bold green" if good else "bold red")
    verdict.append(
        f" after {result['duration_s']:.1f} s and {result['plans_made']} plans: {result['reason']}",
        style="default",
    )
    return Group(table, verdict) if result["subtasks"] else verdict


class LiveView:
    """Redraws in place on a terminal; elsewhere it says each subtask once, on a line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._said: dict[str, str] = {}

    @contextmanager
    def open(self) -> Generator["LiveView"]:
        """Draw for as long as the block lasts."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=_REDRAW_HZ, transient=True) as live:
            self._live = live
            yield self

    def show(self, status: Status) -> None:
        """Draw this moment."""
        if self._live is not None:
            self._live.update(render_status(status, width=self._console.width))
            return
        for subtask in subtasks_of(status):
            if subtask["state"] != "pending" and self._said.get(subtask["id"]) != subtask["state"]:
                self._said[subtask["id"]] = subtask["state"]
                self._console.print(f"{MARKS[subtask['state']]} {subtask['text']}", markup=False)


def _headline(status: Status) -> Text:
    goal: str = part_of(status, "goal").get("text", "no goal yet")
    phase: str = part_of(status, "planning").get("phase", "no planner").replace("_", " ")
    return Text.assemble((goal, "bold"), "  ", (phase, "magenta"))


def _subtask(subtask: Status) -> Text:
    style = STYLES[subtask["state"]]
    return Text(f"{MARKS[subtask['state']]} {subtask['text']}", style=style)


def _figures(status: Status) -> Text:
    age_s = status["latent_age_s"]
    age = Text("latent -" if age_s is None else f"latent {age_s:.1f} s old")
    if age_s is not None and age_s > _STALE_AFTER_S:
        age.stylize("yellow")
    loop = status["loop"]
    if loop is None:
        return Text.assemble(age, "  ·  loop -")
    lateness = loop["lateness_p99_ms"]
    return Text.assemble(
        age,
        f"  ·  loop {loop['effective_rate_hz']:.0f}/{loop['target_rate_hz']:.0f} Hz",
        "" if lateness is None else f", p99 {lateness:.1f} ms late",
        (f", {loop['missed_ticks']} missed", "yellow" if loop["missed_ticks"] else ""),
        f"  ·  {loop['last_decision'].replace('_', ' ')}",
    )
