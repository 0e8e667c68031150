"""The page of the run that goes on now."""

from nicegui import ui

from agent.page.controls import AlarmBar, GoalPanel
from agent.page.feed import Feed
from agent.page.frame import frame
from agent.page.over_time import CurvePanels, TimelinePanel
from agent.page.panels import CameraPanel, FigurePanel, SubtaskPanel, ThoughtPanel
from agent.page.run_view import RunView
from agent.server_guard import Role
from agent.server_state import ServerState

_PHASE_COLOURS = {
    "thinking": "purple",
    "acting": "indigo",
    "done": "positive",
    "failed": "negative",
}


# In the browser, which alone can know that nothing comes any more, whoever is to blame.
_WATCH_FOR_OLD = """
let said = '', since = performance.now();
setInterval(() => {
  const beat = document.querySelector('[data-testid=beat]');
  const bar = document.querySelector('[data-testid=stale]');
  if (!beat || !bar) return;
  if (beat.textContent !== said) { said = beat.textContent; since = performance.now(); }
  const old = Math.floor((performance.now() - since) / 1000);
  bar.toggleAttribute('data-old', old >= 3);
  if (old >= 3) bar.textContent = `What is shown is ${old} s old: nothing comes from the server.`;
}, 500);
"""

_STEP_S = 5.0


class LivePage:
    """One browser's view of the run; built when the browser opens it."""

    def __init__(self, state: ServerState, feed: Feed, role: Role) -> None:
        self._state = state
        self._feed = feed
        self._shown: RunView | None = None
        # A moment that is looked back at [s]; None is now.
        self._back_s: float | None = None
        charts = feed.charts()
        self._drawn = charts.number
        with frame(state.config.robot.kind, "/", role) as slot:
            with slot:
                self._phase = ui.badge("").classes("text-sm px-2 py-1 ellipsis")
                self._phase.props('data-testid="phase" role="status"')
            self._draw_age()
            self._alarm = AlarmBar(state, role, self.refresh)
            with ui.element("div").classes("columns"):
                with ui.element("div").classes("side"):
                    self._cameras = CameraPanel()
                    self._goal = GoalPanel(state, role, self.refresh)
                with ui.element("div").classes("side"):
                    self._subtasks = SubtaskPanel()
                    self._thoughts = ThoughtPanel()
                    self._figures = FigurePanel()
                self._timeline = TimelinePanel(charts.timeline, self._look_back)
                self._curves = CurvePanels(charts.curves)
        self._draw_way_back()
        self._figures.show(feed.view)
        self.refresh()
        ui.timer(1 / state.config.serve.video_rate_hz, self.refresh)

    def refresh(self) -> None:
        """Bring everything up to this moment, or leave it at the one that is looked back at."""
        view = self._feed.view
        if view is self._shown:
            return
        self._shown = view
        self._beat.set_text(f"{view.at_s:.1f}")
        self._phase.set_text(view.phase)
        self._phase.props(f"color={_PHASE_COLOURS.get(view.phase, 'grey-7')}")
        self._alarm.show(view)
        self._goal.show(view)
        if self._back_s is None:
            self._show(view)
        charts = self._feed.charts()
        if charts.number != self._drawn:
            self._drawn = charts.number
            # Numbers that change faster than they can be read are only work for all ten tabs.
            self._figures.show(self._at(self._back_s))
            self._timeline.change(charts.changes["timeline"])
            self._curves.change(charts.curves, charts.changes)

    def _draw_age(self) -> None:
        """A bar that the browser shows by itself when nothing comes any more."""
        ui.element("div").classes("stale").props('role="alert" data-testid="stale"')
        self._beat = ui.label().classes("sr-only").props('aria-hidden="true" data-testid="beat"')
        ui.add_body_html(f"<script>{_WATCH_FOR_OLD}</script>")

    def _show(self, view: RunView) -> None:
        for each in (self._cameras, self._subtasks, self._thoughts):
            each.show(view)

    def _draw_way_back(self) -> None:
        with self._timeline.below, ui.row().classes("items-center gap-2 w-full"):
            self._step("replay_5", "Five seconds back", "step-back", -_STEP_S)
            self._step("forward_5", "Five seconds on", "step-forward", _STEP_S)
            self._moment = ui.label().classes("muted text-sm wrap").props('data-testid="moment"')
            self._recorded = ui.link("Pictures of then, and why", "/runs/last").classes("link")
            self._recorded.props('data-testid="recorded-then"')
            self._now = ui.button("Back to now", color=None, on_click=lambda: self._look_back(None))
            self._now.props('outline dense no-caps color=link data-testid="back-to-now"')
        self._say_moment()

    def _step(self, icon: str, words: str, name: str, step_s: float) -> None:
        """A way through time for who has no mouse."""
        button = ui.button(
            icon=icon,
            color=None,
            on_click=lambda: self._look_back((self._back_s or self._feed.view.at_s) + step_s),
        )
        button.props(f'flat round dense color=link aria-label="{words}" data-testid="{name}"')

    def _look_back(self, at_s: float | None) -> None:
        """Show what was shown at a moment; the controls stay those of now."""
        view = self._at(at_s)
        is_now = view is self._feed.view or (at_s or 0.0) >= self._feed.view.at_s
        self._back_s = None if is_now else view.at_s
        self._show(view)
        self._figures.show(view)
        self._timeline.move(self._back_s)
        self._say_moment()

    def _at(self, at_s: float | None) -> RunView:
        """What was shown at a moment; what is shown now where that is not kept any more."""
        back = None if at_s is None else self._feed.history.view_at(at_s)
        return back or self._feed.view

    def _say_moment(self) -> None:
        back_s = self._back_s
        self._now.set_visibility(back_s is not None)
        is_recorded = self._state.config.recording.enabled
        self._recorded.set_visibility(back_s is not None and is_recorded)
        if back_s is None:
            words = "Now. Click into the timeline to look back; drag the bar below it to zoom."
        else:
            words = f"Looking back at {back_s:.1f} s, {self._feed.view.at_s - back_s:.0f} s ago."
            stamp_ns = self._feed.history.stamp_ns(back_s)
            self._recorded.props(f'href="/runs/last?stamp_ns={stamp_ns}"')
        self._moment.set_text(words)
