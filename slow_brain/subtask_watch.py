"""The monitors beside the planner: what they are shown, what they find, and who is to blame."""

from bridge.errors import TandemError
from bridge.evidence import Evidence
from bridge.messages import Observation
from bridge.nodes import Mailboxes, read_input
from bridge.protocols import Clock
from bridge.trace import emit
from slow_brain.monitors.combination import MonitorSet, make_watchers
from slow_brain.monitors.config import MonitoringConfig
from slow_brain.planning_loop import PlanningLoop


class SubtaskWatch:
    """Shows the monitors the newest of everything, and tells the loop what they find.

    Reads `observation`, `chunk`, `loop_status` and, only where the settings allow it, `world`.
    """

    def __init__(
        self, config: MonitoringConfig, *, inputs: Mailboxes, outputs: Mailboxes, clock: Clock
    ) -> None:
        self._config = config
        self._inputs = inputs
        self._outputs = outputs
        self._clock = clock
        self._monitors = MonitorSet(config, (), clock=clock)
        self._rested_ns = 0
        self.last_error = ""

    def start(self) -> None:
        """Make the monitors.

        Raises:
            TandemError: One cannot be made, or may not be used here.
        """
        watchers = make_watchers(self._config)
        self._monitors = MonitorSet(self._config, watchers, clock=self._clock, blame=self._blame)
        if self._config.may_ask_simulator:
            names = [watcher.name for watcher in watchers]
            emit(self._outputs, "monitor.may_ask_simulator", self._clock.now_ns(), monitors=names)

    def look(self, loop: PlanningLoop) -> None:
        """Let the monitors look at the subtask under way, and let what they find take effect.

        Cheap when it is not time yet, so that it can be called at any time.
        """
        now_ns = self._clock.now_ns()
        if loop.pauses.is_waiting:
            # A robot that is made to wait is not stuck, and its subtask's time stands still.
            return
        self._let_rest(loop.pauses.rested_ns, now_ns)
        self._monitors.watch(loop.active, now_ns)
        if not self._monitors.is_due(now_ns):
            return
        observation: Observation | None = read_input(self._inputs, "observation")
        if observation is None:
            return
        report = self._monitors.check(self._evidence(loop, observation), now_ns)
        if report is None:
            return
        # What they found, they found in this.
        loop.see(observation)
        loop.report(report, now_ns)
        emit(
            self._outputs,
            "monitor.report",
            now_ns,
            subtask_id=report.subtask_id,
            state=str(report.state),
            reason=report.reason,
            observation_sequence=observation.sequence,
        )

    def _let_rest(self, rested_ns: int, now_ns: int) -> None:
        """Tell the monitors how long the robot was made to wait since they looked last."""
        if rested_ns > self._rested_ns:
            self._monitors.rest(rested_ns - self._rested_ns, now_ns)
        self._rested_ns = rested_ns

    def _evidence(self, loop: PlanningLoop, observation: Observation) -> Evidence:
        may_ask = self._config.may_ask_simulator
        return Evidence(
            observation=observation,
            plan=loop.plan,
            chunk=read_input(self._inputs, "chunk"),
            loop_status=read_input(self._inputs, "loop_status"),
            world=read_input(self._inputs, "world") if may_ask else None,
        )

    def _blame(self, plugin: str, error: TandemError) -> None:
        """A monitor is in trouble: told, and no reason to stop."""
        self.last_error = f"{type(error).__name__}: {error}"
        facts = {"plugin": plugin, "error": self.last_error}
        emit(self._outputs, "monitor.failed", self._clock.now_ns(), **facts)
