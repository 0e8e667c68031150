"""Several monitors as one: who is asked, whose word counts, and who is to blame.

Pure but for the clock that times each look. A monitor that raises, answers rubbish or takes long
disturbs neither the others nor the planner: it is blamed, and left out when it goes on like that.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from bridge.clock import seconds_between
from bridge.errors import ConfigError, ContractError, PluginSlowError, TandemError
from bridge.evidence import Evidence
from bridge.messages import Subtask, SubtaskReport, SubtaskState
from bridge.nodes import blaming
from bridge.plugins import make_plugin
from bridge.protocols import Clock, RestingMonitor, SubtaskMonitor
from slow_brain.monitors.config import MonitoringConfig

_NS_PER_S = 1_000_000_000
_VERDICTS = (SubtaskState.DONE, SubtaskState.FAILED)

T = TypeVar("T")
# Told of a monitor, by name, and of what it did.
Blame = Callable[[str, TandemError], None]


class Watcher(NamedTuple):
    """One monitor by name; with `alone` its word is enough for a verdict."""

    name: str
    monitor: SubtaskMonitor
    alone: bool = False


def make_watchers(config: MonitoringConfig) -> tuple[Watcher, ...]:
    """Make the monitors that the settings ask for.

    Raises:
        ConfigError: One may decide only in an evaluation, and this is not said to be one.
        TandemError: One cannot be made.
    """
    watchers = tuple(
        Watcher(one.kind, make_plugin("monitor", one.kind, one.options), one.alone)
        for one in config.use
    )
    for watcher in watchers:
        if getattr(watcher.monitor, "evaluation_only", False) and not config.may_ask_simulator:
            raise ConfigError(
                f"Monitor {watcher.name!r} decides by what only a simulator knows. In an "
                "evaluation, say so: slow_brain.monitoring.may_ask_simulator=true"
            )
    return watchers


class MonitorSet:
    """Asks every monitor, counts their votes, and speaks as one. For one thread.

    Args:
        config: Votes, rates and limits.
        watchers: From `make_watchers`.
        clock: Times each look.
        blame: Told of each trouble, if anybody wants to know.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        watchers: tuple[Watcher, ...],
        *,
        clock: Clock,
        blame: Blame | None = None,
    ) -> None:
        self._config = config
        self._watchers = watchers
        self._clock = clock
        self._blame = blame
        self._failures = [0] * len(watchers)
        self._subtask: Subtask | None = None
        self._votes: dict[tuple[SubtaskState, int], SubtaskReport] = {}
        self._looked_ns: int | None = None

    @property
    def left_out(self) -> tuple[str, ...]:
        """The monitors that failed too often to be asked again."""
        return tuple(
            watcher.name for index, watcher in enumerate(self._watchers) if self._is_out(index)
        )

    def watch(self, subtask: Subtask | None, now_ns: int) -> None:
        """Watch this subtask from now on, if it is another one; None watches nothing."""
        if (subtask and subtask.id) == (self._subtask and self._subtask.id):
            return
        self._subtask, self._looked_ns = subtask, None
        self._votes.clear()
        if subtask is None:
            return
        for index, watcher in self._asked():
            monitor = watcher.monitor
            self._attempt(index, "begin", lambda monitor=monitor: monitor.begin(subtask, now_ns))

    def rest(self, rested_ns: int, now_ns: int) -> None:
        """The robot was made to wait that long [ns]: who counts time is told, others begin anew.

        What was voted before no longer counts.
        """
        subtask = self._subtask
        if subtask is None:
            return
        self._votes.clear()
        for index, watcher in self._asked():
            monitor = watcher.monitor
            if isinstance(monitor, RestingMonitor):
                self._attempt(index, "rested", lambda monitor=monitor: monitor.rested(rested_ns))
            else:
                self._attempt(
                    index, "begin", lambda monitor=monitor: monitor.begin(subtask, now_ns)
                )

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Ask, at most `rate_hz` times a second; the verdict, or None while there is none.

        Returns:
            Done or failed, when enough agree; active when one finds that it is stuck. The reason
            names who said so.
        """
        if not self.is_due(now_ns):
            return None
        self._looked_ns = now_ns
        stuck: SubtaskReport | None = None
        for index, _ in self._asked():
            report = self._ask(index, evidence, now_ns)
            if report is None:
                continue
            if report.state is SubtaskState.ACTIVE:
                stuck = stuck or report
            else:
                self._votes[report.state, index] = report
        return self._verdict(now_ns) or stuck

    def is_due(self, now_ns: int) -> bool:
        """Whether it is time to look; never while there is nothing to watch, or nobody to do it."""
        if self._subtask is None or not self._asked():
            return False
        if self._looked_ns is None:
            return True
        return now_ns - self._looked_ns >= _NS_PER_S / self._config.rate_hz

    def _asked(self) -> list[tuple[int, Watcher]]:
        return [
            (index, watcher)
            for index, watcher in enumerate(self._watchers)
            if not self._is_out(index)
        ]

    def _is_out(self, index: int) -> bool:
        return self._failures[index] > self._config.failures_allowed

    def _ask(self, index: int, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        monitor = self._watchers[index].monitor
        report = self._attempt(
            index, "check", lambda: self._checked(monitor.check(evidence, now_ns))
        )
        if report is None:
            return None
        # Who said it stands in the reason: the report is all that goes on from here.
        reason = f"{self._watchers[index].name}: {report.reason}"
        return replace(report, reason=reason, stamp_ns=now_ns)

    def _attempt(self, index: int, verb: str, call: Callable[[], T]) -> T | None:
        """Let one monitor do one thing; what goes wrong is blamed on it, and goes no further."""
        name, began_ns = self._watchers[index].name, self._clock.now_ns()
        result: T | None = None
        error: TandemError | None = None
        try:
            with blaming(name, verb):
                result = call()
        except TandemError as raised:
            error = raised
        taken_s = seconds_between(began_ns, self._clock.now_ns())
        if error is None and taken_s > self._config.look_limit_s:
            limit_s = self._config.look_limit_s
            error = PluginSlowError(plugin=name, verb=verb, taken_s=taken_s, limit_s=limit_s)
        self._failures[index] = 0 if error is None else self._failures[index] + 1
        if error is not None and self._blame is not None:
            self._blame(name, error)
        return result

    def _checked(self, report: SubtaskReport | None) -> SubtaskReport | None:
        """A monitor is other people's code: what it says may be of another subtask, or nothing."""
        wanted = self._subtask.id if self._subtask else ""
        allowed = (*_VERDICTS, SubtaskState.ACTIVE)
        if report is not None and (report.subtask_id != wanted or report.state not in allowed):
            raise ContractError(
                leaf="its report",
                expected=f"done, failed or active for subtask {wanted!r}",
                got=f"{report.state} for {report.subtask_id!r}",
            )
        return report

    def _verdict(self, now_ns: int) -> SubtaskReport | None:
        for state, wanted in zip(
            _VERDICTS, (self._config.done_votes, self._config.failed_votes), strict=True
        ):
            votes = self._fresh_votes(state, now_ns)
            decisive = [report for index, report in votes if self._watchers[index].alone]
            if decisive:
                return decisive[0]
            if len(votes) >= wanted:
                newest = votes[-1][1]
                reasons = "; ".join(report.reason for _, report in votes)
                return SubtaskReport(
                    subtask_id=newest.subtask_id, state=state, reason=reasons, stamp_ns=now_ns
                )
        return None

    def _fresh_votes(self, state: SubtaskState, now_ns: int) -> list[tuple[int, SubtaskReport]]:
        lasts_s = self._config.vote_lasts_s
        return [
            (index, report)
            for (voted, index), report in self._votes.items()
            if voted is state and seconds_between(report.stamp_ns, now_ns) <= lasts_s
        ]
