"""What a person may ask for: goals, remarks, pause, hold, resume; and what was asked before."""

from collections.abc import Callable
from functools import partial

from nicegui import ui

from agent.goal_history import GoalRecord
from agent.page.frame import WATCHING
from agent.page.panels import panel
from agent.page.run_view import RunView
from agent.server_guard import Role
from agent.server_state import ServerState
from bridge.errors import TandemError

_SOURCE = "page"
_MARKS = {"under way": "▶", "done": "✔", "failed": "✘", "replaced": "↷"}
_STATES = {"under way": "active", "done": "done", "failed": "failed", "replaced": "skipped"}


class AlarmBar:
    """Why the robot stands still by order, and the button that ends that."""

    def __init__(self, state: ServerState, role: Role, refresh: Callable[[], None]) -> None:
        self._state = state
        self._refresh = refresh
        self._role = role
        row = ui.row().classes("items-center w-full px-4 py-2 mb-3 rounded bg-negative text-white")
        with row.props('role="alert" data-testid="alarm"'):
            self._text = ui.label().classes("grow wrap")
            self._button = ui.button("Release the stop", on_click=self._release)
            self._button.props('outline color=white data-testid="release"')
        self._row = row

    def show(self, view: RunView) -> None:
        """Appear if there is something to tell."""
        self._text.set_text(view.alarm)
        self._row.set_visibility(bool(view.alarm))
        may_release = view.is_stopped and not view.has_ended and self._role is Role.CONTROL
        self._button.set_visibility(may_release)

    def _release(self) -> None:
        tell_refusal(lambda: self._state.release(_SOURCE))
        self._refresh()


class GoalPanel:
    """The goal, what is said about it, and the verbs; without control rights only what is said."""

    def __init__(self, state: ServerState, role: Role, refresh: Callable[[], None]) -> None:
        self._state = state
        self._refresh = refresh
        self._history: tuple[GoalRecord, ...] | None = None
        with panel("Goal", "goal"):
            self._goal = ui.label().classes("text-base font-medium wrap")
            self._goal.props('data-testid="goal-text"')
            self._reason = ui.label().classes("muted text-sm wrap")
            self._buttons: dict[str, ui.button] = {}
            if role is Role.CONTROL:
                self._draw_controls()
            else:
                ui.label(WATCHING).classes("muted mt-2").props('data-testid="watching"')
            with ui.element("details").classes("mt-3").props('data-testid="goal-history"'):
                with ui.element("summary").classes("muted cursor-pointer"):
                    ui.label("Goals before").classes("inline")
                self._list = ui.element("ol").classes("steps")

    def show(self, view: RunView) -> None:
        """Bring it up to this moment."""
        self._goal.set_text(view.goal or "No goal yet.")
        self._reason.set_text(view.waiting or view.reason)
        for name, button in self._buttons.items():
            is_waiting = bool(view.waiting)
            may = is_waiting if name == "resume" else not is_waiting
            button.set_enabled(may and not view.has_ended)
        history = self._state.goal_history()
        if history != self._history:
            self._history = history
            self._draw_history(history)

    def _draw_controls(self) -> None:
        self._words = _line("New goal", "put the cube in the drawer", "goal", "Go", self._ask)
        self._refusal = ui.label().classes("state-failed text-sm mt-1").props('role="alert"')
        self._refusal.set_visibility(False)
        self._remark = _line("Talk to the planner", "no, the other one", "remark", "Say", self._say)
        with ui.row().classes("gap-2 mt-2"):
            for name, icon, tip in (
                ("pause", "pause", "Come to rest and wait; no time limit runs on"),
                ("hold", "back_hand", "Come to rest; the planner goes on thinking"),
                ("resume", "play_arrow", "Go on with the same goal and subtask"),
            ):
                button = ui.button(name, icon=icon, color=None, on_click=partial(self._do, name))
                button.props(
                    f'outline no-caps dense color=link aria-label="{tip}" data-testid="{name}"'
                )
                self._buttons[name] = button.classes("px-2").tooltip(tip)

    def _draw_history(self, history: tuple[GoalRecord, ...]) -> None:
        self._list.clear()
        with self._list:
            for record in history:
                with ui.element("li").classes(f"state-{_STATES[record.outcome]}"):
                    because = f": {record.reason}" if record.reason else ""
                    words = f"{_MARKS[record.outcome]} {record.goal.text} – {record.outcome}"
                    ui.label(words + because).classes("wrap text-sm")
                    for remark in record.remarks:
                        ui.label(f"“{remark.text}” ({remark.source})").classes("muted text-sm pl-5")
            if not history:
                ui.label("None yet.").classes("muted")

    def _ask(self) -> None:
        self._send(self._words, self._state.submit)

    def _say(self) -> None:
        self._send(self._remark, self._state.remark)

    def _send(self, line: ui.input, verb: Callable[[str, str], object]) -> None:
        text = str(line.value or "")
        if not text.strip():
            return
        refusal = refused(lambda: verb(text, _SOURCE))
        self._refusal.set_text(refusal)
        self._refusal.set_visibility(bool(refusal))
        if not refusal:
            line.set_value("")
        self._refresh()

    def _do(self, name: str) -> None:
        verbs = {
            "pause": self._state.pause,
            "hold": self._state.hold,
            "resume": self._state.resume,
        }
        tell_refusal(lambda: verbs[name](_SOURCE))
        self._refresh()


def _line(label: str, example: str, name: str, verb: str, send: Callable[[], None]) -> ui.input:
    """A line to write in, sent by Enter or its button."""
    with ui.row().classes("w-full items-center no-wrap gap-2 mt-2"):
        line = ui.input(placeholder=example).props(
            f'dense outlined aria-label="{label}" maxlength=500 data-testid="{name}-input"'
        )
        line.classes("grow min-w-0").on("keydown.enter", send)
        ui.button(verb, on_click=send).props(
            f'unelevated aria-label="{label}: {verb}" data-testid="{name}-send"'
        )
    return line


def tell_refusal(verb: Callable[[], object]) -> None:
    """Do it, and say why if it was refused."""
    refusal = refused(verb)
    if refusal:
        ui.notify(refusal, type="negative", multi_line=True)


def refused(verb: Callable[[], object]) -> str:
    """Do it, and return why it was refused, or nothing."""
    try:
        verb()
    except TandemError as error:
        return str(error)
    return ""
