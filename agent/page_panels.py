"""The panels of the web page; each draws one part of a status and nothing else."""

from nicegui import ui

from agent.live_view import MARKS
from agent.results import Status, part_of, subtasks_of, thoughts_of
from agent.server_state import ServerState

_FIGURES = (
    ("age", "latent age"),
    ("rate", "loop rate"),
    ("late", "late, p99"),
    ("missed", "missed ticks"),
    ("starved", "without action"),
    ("plans", "plans made"),
    ("thinking", "plan took"),
    ("doing", "the loop"),
)
_NONE = "–"


class CameraPanel:
    """The newest picture of each camera; a camera appears once it has shown something."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._images: dict[str, ui.interactive_image] = {}
        self._stamp_ns = 0
        with ui.element("section").classes("panel w-full"):
            ui.label("Cameras").classes("panel-title")
            self._row = ui.element("div").classes("cameras mt-1 w-full")

    def refresh(self) -> None:
        """Ask the browser for new pictures, if there are any."""
        stamp_ns = self._state.observation_stamp_ns()
        if stamp_ns is None or stamp_ns == self._stamp_ns:
            return
        self._stamp_ns = stamp_ns
        for name in self._state.camera_names():
            # The stamp makes each picture a new address, so that no cache answers.
            self._image(name).set_source(f"/camera/{name}.jpg?{stamp_ns}")

    def _image(self, name: str) -> ui.interactive_image:
        if name not in self._images:
            with self._row, ui.element("figure").classes("m-0 min-w-0"):
                self._images[name] = ui.interactive_image(sanitize=False).classes(
                    "w-full rounded aspect-square"
                )
                ui.label(name).classes("muted text-sm")
        return self._images[name]


class SubtaskPanel:
    """The plan: each subtask with its state."""

    def __init__(self) -> None:
        self._shown: list[tuple[str, str]] | None = None
        with ui.element("section").classes("panel w-full"):
            ui.label("Subtasks").classes("panel-title")
            self._list = ui.element("ol").classes("list-none p-0 m-0 mt-1")

    def refresh(self, status: Status) -> None:
        """Draw the list anew, if it has changed."""
        wanted = [(str(each["text"]), str(each["state"])) for each in subtasks_of(status)]
        if wanted == self._shown:
            return
        self._shown = wanted
        self._list.clear()
        with self._list:
            for text, state in wanted:
                with ui.element("li").classes(f"flex gap-2 items-baseline state-{state}"):
                    ui.label(MARKS[state]).classes("w-4 text-center shrink-0")
                    ui.label(text).classes("grow min-w-0")
                    ui.label(state).classes("text-xs")
            if not wanted:
                ui.label("No plan yet.").classes("muted")


class ThoughtPanel:
    """The chain of thought as it is written."""

    def __init__(self) -> None:
        self._texts: dict[str, ui.label] = {}
        self._goal_id = ""
        with ui.element("section").classes("panel w-full"):
            ui.label("Thoughts").classes("panel-title")
            self._list = ui.element("div").classes("mt-1 min-h-40")

    def refresh(self, status: Status) -> None:
        """Let each thought say what it says by now; those of an older plan go."""
        thoughts = dict(thoughts_of(status))
        goal_id = str(part_of(status, "goal").get("id", ""))
        is_new = goal_id != self._goal_id
        if not thoughts and not is_new:
            # Between two plans the old thoughts stay to be read.
            return
        if is_new or not set(self._texts) <= set(thoughts):
            self._list.clear()
            self._texts, self._goal_id = {}, goal_id
        for field, text in thoughts.items():
            self._label(field).set_text(text)

    def _label(self, field: str) -> ui.label:
        if field not in self._texts:
            with self._list, ui.element("div").classes("py-0.5"):
                ui.label(field.capitalize()).classes("muted text-xs")
                self._texts[field] = ui.label().classes("thought text-sm")
        return self._texts[field]


class FigurePanel:
    """How old the latent is and how well the loop keeps time."""

    def __init__(self) -> None:
        self._values: dict[str, ui.label] = {}
        with ui.element("section").classes("panel w-full later"):
            ui.label("Cadence").classes("panel-title")
            with ui.element("div").classes("figures mt-1"):
                for key, title in _FIGURES:
                    with ui.element("div").classes("min-w-0"):
                        self._values[key] = ui.label(_NONE).classes("figure-value")
                        ui.label(title).classes("muted text-xs")

    def refresh(self, status: Status) -> None:
        """Show this moment's figures."""
        for key, text in figures_of(status).items():
            self._values[key].set_text(text)


def figures_of(status: Status) -> dict[str, str]:
    """Each figure of the page in words; what is not known is a dash."""
    loop, planning = part_of(status, "loop"), part_of(status, "planning")
    return {
        "age": _number(status["latent_age_s"], "{:.1f} s"),
        "rate": _number(loop.get("effective_rate_hz"), "{:.0f} Hz"),
        "late": _number(loop.get("lateness_p99_ms"), "{:.1f} ms"),
        "missed": _number(loop.get("missed_ticks"), "{:d}"),
        "starved": _number(loop.get("starved_ticks"), "{:d}"),
        "plans": _number(planning.get("plans_made"), "{:d}"),
        "thinking": _number(planning.get("plan_latency_s"), "{:.2f} s"),
        "doing": str(loop.get("last_decision", _NONE)).replace("_", " "),
    }


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else form.format(value)
