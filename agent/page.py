"""The web page of a run: cameras, subtasks, thoughts and the loop's cadence; goal box and stop.

Drawn on the server and pushed to the browser; it works in light and dark, on a phone and a desk.
"""

from collections.abc import Callable

from fastapi import FastAPI
from nicegui import ui

from agent.page_panels import CameraPanel, FigurePanel, SubtaskPanel, ThoughtPanel
from agent.results import part_of, reason_of
from agent.server_state import ServerState
from bridge.errors import TandemError

_SOURCE = "page"
_PHASE_COLOURS = {
    "idle": "grey-6",
    "thinking": "purple",
    "acting": "indigo",
    "goal_done": "positive",
    "goal_failed": "negative",
}
_STYLE = """
:root { --panel: #ffffff; --ground: #f3f4f6; --line: #e2e4e9; --muted: #5b6472;
        --active: #1d4ed8; --done: #15803d; --failed: #b91c1c; --skipped: #a16207; }
.body--dark { --panel: #1b1f26; --ground: #111419; --line: #2c323c; --muted: #9aa4b2;
              --active: #7db2ff; --done: #5fd38a; --failed: #ff8a8a; --skipped: #e8b84a; }
body { background: var(--ground); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
         padding: 14px 16px; min-width: 0; }
.panel-title { font-size: 12px; letter-spacing: .06em; text-transform: uppercase;
               color: var(--muted); }
.muted, .state-pending { color: var(--muted); }
.state-active { color: var(--active); font-weight: 600; }
.state-done { color: var(--done); }
.state-failed { color: var(--failed); }
.state-skipped { color: var(--skipped); }
.columns { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); width: 100%; }
.side { display: contents; }
.later { order: 1; }
.cameras { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
@media (min-width: 900px) {
  .columns { grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); align-items: start; }
  .side { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); }
}
.figures { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); }
.figure-value { font-size: 20px; font-variant-numeric: tabular-nums; line-height: 1.2; }
.thought { overflow-wrap: anywhere; }
"""


def add_page(app: FastAPI) -> None:
    """Show the page at `/` of an app that `make_app` made; everything else stays as it is.

    Only once a process: the library has one set of pages, and cannot add to it once it is served.
    """
    state: ServerState = app.state.tandem

    @ui.page("/")
    def show() -> None:  # pyright: ignore[reportUnusedFunction]  # Called by the library.
        RunPage(state)

    ui.run_with(  # pyright: ignore[reportUnknownMemberType]  # Typed in part by the library.
        app, title=f"Tandem · {state.config.robot.kind}", dark=None, show_welcome_message=False
    )


class RunPage:
    """One browser's view of the run; built when the browser opens it."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        ui.add_css(_STYLE)
        # Dark enough for white letters on them.
        ui.colors(primary="#1e40af", positive="#15803d", negative="#b91c1c")
        self._header()
        with ui.element("main").classes("columns max-w-6xl mx-auto"):
            with ui.element("div").classes("side"):
                self._cameras = CameraPanel(state)
                self._figures = FigurePanel()
            with ui.element("div").classes("side"):
                self._goal_box()
                self._subtasks = SubtaskPanel()
                self._thoughts = ThoughtPanel()
        self.refresh()
        ui.timer(1 / state.config.serve.video_rate_hz, self.refresh)

    def refresh(self) -> None:
        """Bring everything up to this moment."""
        status = self._state.status()
        phase = part_of(status, "planning").get("phase", "")
        self._phase.set_text((phase or "no planner").replace("_", " "))
        self._phase.props(f"color={_PHASE_COLOURS.get(phase, 'grey-6')}")
        self._goal.set_text(part_of(status, "goal").get("text", "No goal yet."))
        self._reason.set_text(reason_of(status))
        stop = part_of(status, "stop")
        self._alarm_text.set_text(_alarm(status["ended"], stop))
        self._alarm.set_visibility(bool(stop or status["ended"]))
        self._resume.set_visibility(bool(stop) and not status["ended"])
        self._cameras.refresh()
        self._figures.refresh(status)
        self._subtasks.refresh(status)
        self._thoughts.refresh(status)

    def _header(self) -> None:
        self._dark = ui.dark_mode(None)
        with ui.header().classes("items-center gap-3 px-4 py-2 no-wrap"):
            ui.label("Tandem").classes("text-lg font-semibold")
            ui.label(self._state.config.robot.kind).classes("opacity-80 ellipsis max-sm:hidden")
            self._phase = ui.badge("").classes("text-sm px-2 py-1")
            ui.space()
            ui.button(icon="contrast", on_click=self._switch_light).props(
                'flat round color=white aria-label="Light or dark"'
            )
            ui.button("Stop", icon="front_hand", on_click=self._stop).props(
                'color=negative unelevated no-wrap aria-label="Stop the robot"'
            )
        with ui.row().classes("items-center w-full px-4 py-2 bg-negative text-white") as alarm:
            self._alarm_text = ui.label().classes("grow")
            self._resume = ui.button("Release the stop", on_click=self._release)
            self._resume.props("flat color=white")
        self._alarm = alarm

    def _goal_box(self) -> None:
        with ui.element("section").classes("panel w-full"):
            ui.label("Goal").classes("panel-title")
            self._goal = ui.label().classes("text-base font-medium")
            self._reason = ui.label().classes("muted text-sm")
            with ui.row().classes("w-full items-center no-wrap mt-1"):
                self._words = ui.input(placeholder="put the cube in the drawer").props(
                    'dense outlined aria-label="New goal" maxlength=500'
                )
                self._words.classes("grow").on("keydown.enter", self._ask)
                ui.button("Go", on_click=self._ask).props("unelevated")
            self._refusal = ui.label().classes("state-failed text-sm mt-1")
            self._refusal.set_visibility(False)

    def _ask(self) -> None:
        text = str(self._words.value or "")
        if not text.strip():
            return
        refusal = self._refused(lambda: self._state.submit(text, _SOURCE))
        self._refusal.set_text(refusal)
        self._refusal.set_visibility(bool(refusal))
        if not refusal:
            self._words.set_value("")
        self.refresh()

    def _stop(self) -> None:
        reason = "a person pressed the button"
        self._notify(self._refused(lambda: self._state.stop(reason, _SOURCE)))

    def _release(self) -> None:
        self._notify(self._refused(lambda: self._state.release(_SOURCE)))

    def _notify(self, refusal: str) -> None:
        if refusal:
            ui.notify(refusal, type="negative", multi_line=True)
        self.refresh()

    def _switch_light(self) -> None:
        """Through what the system wants, dark, and light."""
        following: dict[bool | None, bool | None] = {None: True, True: False, False: None}
        self._dark.set_value(following[self._dark.value])

    @staticmethod
    def _refused(verb: Callable[[], object]) -> str:
        """Do it, and return why it was refused, or nothing."""
        try:
            verb()
        except TandemError as error:
            return str(error)
        return ""


def _alarm(ended: str, stop: dict[str, str]) -> str:
    if ended:
        return f"The run has ended: {ended}"
    return f"Stopped by {stop['source']}: {stop['reason']}" if stop else ""
