"""The panels that draw one moment, live or recorded: cameras, subtasks, thoughts, figures."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from nicegui import ui

from agent.live_view import MARKS
from agent.page.run_view import NONE, RunView, Section, Step

_SECTION_TITLES = ("section", "p50", "p99", "max")


@contextmanager
def panel(title: str, name: str, classes: str = "") -> Generator[ui.element]:
    """A box with a heading; `name` is its test id, and what a screen reader jumps to."""
    with ui.element("section").classes(f"panel {classes}") as box:
        box.props(f'data-testid="{name}" aria-label="{title}"')
        heading(title)
        yield box


def heading(text: str) -> None:
    """A panel's title."""
    with ui.element("h2").classes("panel-title"):
        ui.label(text)


class CameraPanel:
    """The picture of each camera, and below what the robot is doing, in words."""

    def __init__(self) -> None:
        self._images: dict[str, ui.interactive_image] = {}
        with panel("Cameras", "cameras"):
            self._row = ui.element("div").classes("cameras mt-1 w-full")
            self._none = ui.label("No picture.").classes("muted")
            self._caption = ui.label().classes("caption mt-2").props('data-testid="caption"')

    def show(self, view: RunView) -> None:
        """Ask the browser for the pictures of this moment."""
        self._caption.set_text(view.caption)
        self._none.set_visibility(not view.cameras)
        for name in set(self._images) - set(view.cameras):
            self._images.pop(name).parent_slot.parent.delete()  # pyright: ignore[reportOptionalMemberAccess]
        for name, address in view.cameras.items():
            self._image(name).set_source(address)

    def _image(self, name: str) -> ui.interactive_image:
        if name not in self._images:
            with self._row, ui.element("figure").classes("m-0 min-w-0"):
                image = ui.interactive_image(sanitize=False).classes("camera")
                image.props(f'role="img" aria-label="Camera {name}" data-testid="camera-{name}"')
                ui.label(name).classes("muted text-xs")
            self._images[name] = image
        return self._images[name]


class SubtaskPanel:
    """The goal's subtasks: each with its state, and behind it when, why and what was thought."""

    def __init__(self) -> None:
        self._shown: tuple[str, tuple[Step, ...]] | None = None
        self._opened: set[str] = set()
        with panel("Subtasks", "subtasks"):
            self._list = ui.element("ol").classes("steps")

    def show(self, view: RunView) -> None:
        """Draw the list anew, if it has changed."""
        if (view.goal, view.steps) == self._shown:
            return
        self._shown = (view.goal, view.steps)
        self._list.clear()
        with self._list:
            for number, step in enumerate(view.steps):
                self._draw(step, number)
            if not view.steps:
                with ui.element("li").classes("muted"):
                    ui.label("No plan yet." if view.goal else "No goal, no plan.")

    def _draw(self, step: Step, number: int) -> None:
        with ui.element("li").props(f'data-testid="subtask-{number}" data-state="{step.state}"'):
            details = ui.element("details")
            if step.id in self._opened:
                details.props("open")
            details.on(
                "toggle",
                lambda event, key=step.id: self._remember(key, is_open=bool(event.args)),
                js_handler="(event) => emit(event.target.open)",
            )
            with details:
                with ui.element("summary").classes(f"state-{step.state}"):
                    ui.label(MARKS[step.state]).classes("w-4 text-center shrink-0").props(
                        'aria-hidden="true"'
                    )
                    ui.label(step.text).classes("grow min-w-0 wrap")
                    ui.label(_times(step)).classes("times")
                    ui.label(step.state).classes("text-xs")
                with ui.element("div").classes("text-sm"):
                    ui.label(step.cause or "not begun").classes("wrap")
                    for thought in step.thoughts:
                        ui.label(thought).classes("muted wrap")

    def _remember(self, key: str, *, is_open: bool) -> None:
        (self._opened.add if is_open else self._opened.discard)(key)


class ThoughtPanel:
    """The chain of thought as it is written; the old one stays until there is a new one."""

    def __init__(self) -> None:
        self._texts: dict[str, ui.label] = {}
        with panel("Thoughts", "thoughts"):
            self._list = ui.element("div").classes("mt-1 min-h-24")
            self._list.props('role="log" aria-label="Thoughts of the planner"')

    def show(self, view: RunView) -> None:
        """Let each thought say what it says by now."""
        thoughts = dict(view.thoughts)
        if not set(self._texts) <= set(thoughts):
            self._list.clear()
            self._texts = {}
        for field, text in thoughts.items():
            self._label(field).set_text(text)

    def _label(self, field: str) -> ui.label:
        if field not in self._texts:
            with self._list, ui.element("div").classes("py-0.5"):
                ui.label(field.capitalize()).classes("muted text-xs")
                self._texts[field] = ui.label().classes("wrap text-sm")
        return self._texts[field]


class FigurePanel:
    """How old the latent is, how well the loop keeps time, and where the time of a tick goes."""

    def __init__(self) -> None:
        self._values: dict[str, ui.label] = {}
        self._cells: dict[str, list[ui.label]] = {}
        with panel("Cadence", "figures", "later"):
            self._grid = ui.element("div").classes("figures mt-1")
            with ui.element("table").classes("table mt-2").props('data-testid="sections"'):
                with ui.element("thead"), ui.element("tr"):
                    for title in _SECTION_TITLES:
                        with ui.element("th").props('scope="col"'):
                            ui.label(title if title == "section" else f"{title} [ms]")
                self._rows = ui.element("tbody")

    def show(self, view: RunView) -> None:
        """Show this moment's figures."""
        self._show_figures(view.figures)
        for section in view.sections:
            self._show_section(section)

    def _show_figures(self, figures: Mapping[str, str]) -> None:
        for name, text in figures.items():
            if name not in self._values:
                with self._grid, ui.element("div").classes("min-w-0"):
                    self._values[name] = ui.label(NONE).classes("figure-value")
                    ui.label(name).classes("muted text-xs")
            self._values[name].set_text(text)

    def _show_section(self, section: Section) -> None:
        if section.name not in self._cells:
            with self._rows, ui.element("tr"):
                with ui.element("th").props('scope="row"'):
                    ui.label(section.name)
                self._cells[section.name] = [_cell() for _ in _SECTION_TITLES[1:]]
        times_ms = (section.p50_ms, section.p99_ms, section.max_ms)
        for label, time_ms in zip(self._cells[section.name], times_ms, strict=True):
            label.set_text(f"{time_ms:.3f}")


def _cell() -> ui.label:
    with ui.element("td"):
        return ui.label()


def _times(step: Step) -> str:
    """From when until when, as far as it is known."""
    if step.began_s is None:
        return ""
    if step.ended_s is None:
        return f"since {step.began_s:.1f} s"
    return f"{step.began_s:.1f}–{step.ended_s:.1f} s"
