"""The page of a recorded run: any moment of it, by slider, keys, a click into the timeline."""

from nicegui import events, ui

from agent.page.charts import curves_of, timeline_options
from agent.page.frame import frame
from agent.page.over_time import CurvePanels, TimelinePanel
from agent.page.panels import CameraPanel, FigurePanel, SubtaskPanel, ThoughtPanel, panel
from agent.page.recorded import Asked, Recording
from agent.page.shelf import beside
from agent.server_guard import Role
from agent.tracing.why import Answer
from bridge.errors import TandemError

_STEP_S, _LEAP_S = 0.1, 1.0
_PLAY_PERIOD_S = 0.2


class RecordedPage:
    """One browser's view of a recorded run."""

    def __init__(self, recording: Recording, role: Role, time_s: float) -> None:
        self._recording = recording
        self._at_s = recording.clamped(time_s)
        self._length_s = recording.run.length_s
        self._asked = 0
        self._shown_request: Asked | None = None
        with frame(f"{recording.robot or 'run'} · {recording.run.id}", "/runs", role) as slot:
            self._here = ui.element("div")
            with slot:
                ui.badge("recorded", color="grey-8").props('data-testid="phase"')
            self._draw_head()
            with ui.element("div").classes("columns"):
                self._draw_panels()
        self._keys = ui.keyboard(on_key=self._press, ignore=["input", "select", "textarea"])
        self._player = ui.timer(_PLAY_PERIOD_S, self._play_on, active=False)
        ui.timer(0.05, self._go, once=True)

    def _draw_head(self) -> None:
        story = self._recording.story
        done, begun = story.subtasks
        goals = "; ".join(goal.text for goal in story.goals) or "no goal"
        with panel(f"Run {story.id}", "run", "mb-3"):
            ui.label(goals).classes("text-base font-medium wrap")
            ui.label(
                f"{story.began}, {story.length_s:.1f} s, {story.outcome}, {done} of {begun} "
                f"subtasks done, {story.missed_ticks} of {story.ticks} ticks missed"
            ).classes("muted text-sm wrap")
            for note in story.notes:
                ui.label(note).classes("state-skipped text-sm wrap")

    def _draw_panels(self) -> None:
        chronicle = self._recording.chronicle
        self._timeline = TimelinePanel(timeline_options(chronicle, self._at_s), self.go_to)
        self._timeline.describe(chronicle)
        with self._timeline.below:
            self._draw_scrubber()
        with ui.element("div").classes("side"):
            self._cameras = CameraPanel()
            self._figures = FigurePanel()
        with ui.element("div").classes("side"):
            self._subtasks = SubtaskPanel()
            self._thoughts = ThoughtPanel()
        with panel("What the planner was shown, and what it said", "asked", "wide"):
            self._asked_row = ui.element("div").classes("asked")
        with panel("Why", "why", "wide"):
            self._why = ui.element("div").classes("scroll")
        CurvePanels(curves_of(chronicle, "lateness"))

    def _draw_scrubber(self) -> None:
        with ui.row().classes("items-center gap-2 no-wrap w-full"):
            self._button("skip_previous", "A tenth of a second back", "step-back", -_STEP_S)
            self._play = ui.button(icon="play_arrow", on_click=self._switch_play)
            self._play.props('round dense unelevated aria-label="Play" data-testid="play"')
            self._button("skip_next", "A tenth of a second on", "step-forward", _STEP_S)
            self._slider = ui.slider(
                min=0.0, max=max(self._length_s, _STEP_S), step=_STEP_S, value=self._at_s
            )
            self._slider.classes("grow mx-2").props(
                'color=link aria-label="Moment of the run in seconds" data-testid="scrubber"'
            )
            self._slider.on_value_change(lambda event: self.go_to(float(event.value or 0.0)))
            self._moment = ui.label().classes("times").props('data-testid="moment"')

    def _button(self, icon: str, words: str, name: str, step_s: float) -> None:
        button = ui.button(icon=icon, color=None, on_click=lambda: self.go_to(self._at_s + step_s))
        button.props(f'flat round dense color=link aria-label="{words}" data-testid="{name}"')

    def go_to(self, time_s: float) -> None:
        """Look at another moment [s since the recording began]."""
        at_s = round(self._recording.clamped(time_s), 3)
        if at_s == self._at_s:
            return
        self._at_s = at_s
        self._slider.set_value(at_s)
        # In a place that stays: with the button that was pressed its timer would go.
        with self._here:
            ui.timer(0.0, self._go, once=True)

    async def _go(self) -> None:
        """Show the moment; of several that were asked for meanwhile only the last."""
        self._asked += 1
        asked, at_s = self._asked, self._at_s
        self._moment.set_text(f"{at_s:.2f} / {self._length_s:.1f} s")
        self._timeline.move(at_s)
        try:
            view = await beside(self._recording.view_at, at_s)
            if asked != self._asked:
                return
            for each in (self._cameras, self._subtasks, self._thoughts, self._figures):
                each.show(view)
            request = await beside(self._recording.asked_at, at_s)
            answer = await beside(self._recording.why_at, at_s)
        except TandemError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        if asked == self._asked:
            self._show_asked(request)
            self._show_why(answer)
            address = f"/runs/{self._recording.run.id}?t={at_s:g}"
            ui.navigate.history.replace(address)

    def _show_asked(self, asked: Asked | None) -> None:
        if asked == self._shown_request:
            return
        self._shown_request = asked
        self._asked_row.clear()
        with self._asked_row:
            if asked is None:
                ui.label("The planner had not been asked yet.").classes("muted")
                return
            for camera, address in asked.pictures.items():
                image = ui.interactive_image(address, sanitize=False).classes("asked-picture")
                image.props(f'role="img" aria-label="Camera {camera}, as the planner saw it"')
            with ui.element("div").classes("min-w-0 grow"):
                ui.label(f"{asked.trigger}, at {asked.at_s:.2f} s").classes("muted text-sm wrap")
                reply = asked.reply or "It had not answered yet, or its words are not recorded."
                ui.label(reply).classes("reply wrap").props('data-testid="reply"')

    def _show_why(self, answer: Answer) -> None:
        self._why.clear()
        with self._why, ui.element("table").classes("table"), ui.element("tbody"):
            for number, link in enumerate(answer.links):
                with ui.element("tr").props(f'data-testid="why-{number}"'):
                    with ui.element("th").props('scope="row"'):
                        ui.label(link.what)
                    with ui.element("td"):
                        ui.label(link.says).classes("" if link.is_recorded else "state-skipped")
                    with ui.element("td").classes("times"):
                        self._since(link.at_s)

    def _since(self, at_s: float | None) -> None:
        """Since when a reason holds; a click goes there."""
        if at_s is None:
            return
        button = ui.button(f"{at_s:.3f} s", color=None, on_click=lambda: self.go_to(at_s))
        button.props(f'flat dense no-caps size=sm color=link aria-label="Go to {at_s:.3f} s"')

    def _switch_play(self) -> None:
        is_playing = not self._player.active
        if is_playing and self._at_s >= self._length_s:
            self.go_to(0.0)
        self._player.active = is_playing
        self._play.props(
            f"icon={'pause' if is_playing else 'play_arrow'} "
            f'aria-label="{"Pause" if is_playing else "Play"}"'
        )

    def _play_on(self) -> None:
        if self._at_s >= self._length_s:
            self._switch_play()
        else:
            self.go_to(self._at_s + _PLAY_PERIOD_S)

    def _press(self, event: events.KeyEventArguments) -> None:
        """Arrows step, with Shift by a whole second; Home and End; space plays."""
        if not event.action.keydown:
            return
        step_s = _LEAP_S if event.modifiers.shift else _STEP_S
        if event.key.arrow_left:
            self.go_to(self._at_s - step_s)
        elif event.key.arrow_right:
            self.go_to(self._at_s + step_s)
        elif event.key.home:
            self.go_to(0.0)
        elif event.key.end:
            self.go_to(self._length_s)
