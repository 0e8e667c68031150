"""The live run for all open tabs: noted once a beat, whoever looks; a tab only draws it."""

import json
from typing import NamedTuple

from agent.page.charts import Options, change_to, curves_of, timeline_options
from agent.page.history import Newest, RunHistory
from agent.page.run_view import RunView
from agent.page_hub import Snapshot
from agent.server_state import ServerState

# Charts are heavier than words: they are made anew at most so often [s].
_DRAW_EVERY_S = 1.0


class Charts(NamedTuple):
    """The charts of a run, made once for all who look; `number` is another when they are.

    `changes` are what to change in those that were drawn before, as JSON.
    """

    number: int
    timeline: Options
    curves: dict[str, Options]
    changes: dict[str, str]


class Feed:
    """What the newest status shows, and the last minutes of it. For the server's event loop."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self.history = RunHistory()
        self.view = RunView(at_s=0.0)
        self._charts: Charts | None = None
        self._drawn_s = 0.0

    def take(self, snapshot: Snapshot) -> None:
        """Take in the status of a beat."""
        state = self._state
        newest = Newest(
            chunk=state.newest("chunk"),
            decision=state.newest("command"),
            faults=state.faults(),
            memory=state.newest("memory_report"),
            action_names=state.action_names(),
        )
        stamp_ns = state.observation_stamp_ns()
        # The stamp makes each picture a new address, so that no cache answers.
        cameras = {
            name: f"/camera/{name}.jpg?{stamp_ns}" for name in snapshot.status.get("cameras", [])
        }
        self.view = self.history.note(snapshot.status, newest, cameras)

    def charts(self) -> Charts:
        """The charts of the last minutes, at most a second old."""
        before = self._charts
        if before is not None and self.view.at_s - self._drawn_s < _DRAW_EVERY_S:
            return before
        chronicle, number = self.history.chronicle(), before.number + 1 if before else 0
        self._drawn_s = self.view.at_s
        timeline, curves = timeline_options(chronicle, None), curves_of(chronicle, "late, p99")
        changes = {"timeline": timeline, **curves}
        encoded = {name: json.dumps(change_to(each)) for name, each in changes.items()}
        self._charts = Charts(number, timeline, curves, encoded)
        return self._charts
