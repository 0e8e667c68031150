"""The page that lists the recorded runs, like `agent trace ls`."""

from nicegui import ui

from agent.page.frame import frame
from agent.page.panels import panel
from agent.page.shelf import Listed, Shelf
from agent.server_guard import Role
from agent.tracing.story import RunStory
from bridge.errors import TandemError

_TITLES = ("run", "length", "goal", "outcome", "subtasks", "faults")


async def show_runs(shelf: Shelf, role: Role) -> None:
    """Draw the list."""
    with frame("recorded runs", "/runs", role), panel("Recorded runs", "runs"):
        try:
            listed = await shelf.listed()
        except TandemError as error:
            ui.label(str(error)).classes("state-failed wrap")
            return
        _draw(listed)


def _draw(listed: Listed) -> None:
    if not listed.stories and not listed.troubles:
        ui.label("No run is recorded yet.").classes("muted")
    if listed.stories:
        with ui.element("table").classes("table cards"):
            with ui.element("thead"), ui.element("tr"):
                for title in _TITLES:
                    with ui.element("th").props('scope="col"'):
                        ui.label(title)
            with ui.element("tbody"):
                for story in listed.stories:
                    _row(story)
    for trouble in listed.troubles:
        ui.label(trouble).classes("state-failed text-sm wrap mt-1")


def _row(story: RunStory) -> None:
    done, begun = story.subtasks
    faults = ", ".join(f"{count} {kind}" for kind, count in story.faults.items())
    goals = "; ".join(goal.text for goal in story.goals)
    with ui.element("tr").props(f'data-testid="run-{story.id}"'):
        with _cell(_TITLES[0]).style("white-space: nowrap"):
            ui.link(story.id, f"/runs/{story.id}").classes("link")
        words = (f"{story.length_s:.1f} s", goals, story.outcome, f"{done}/{begun}", faults)
        for title, text in zip(_TITLES[1:], words, strict=True):
            with _cell(title):
                ui.label(text or "–")


def _cell(title: str) -> ui.element:
    """A cell that carries its column's title, for where there is no room for columns."""
    return ui.element("td").props(f'data-title="{title}"')
