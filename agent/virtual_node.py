"""One node in virtual time: when it is due, how long it is busy, and whether it is down."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from agent.graph_parts import NodeSpec
from agent.logs import get_logger
from agent.node_host import NodeHost
from agent.supervisor import NodeDown
from agent.virtual_clock import WorkingClock
from agent.virtual_mailbox import DelayedLatestValue
from bridge.clock import ManualClock
from bridge.messages import NodeHealth
from bridge.protocols import Clock
from bridge.transports.in_process import InProcessLatestValue

_NS_PER_S = 1_000_000_000
_NEVER_NS = sys.maxsize
_log = get_logger("runtime")


class VirtualNode:
    """Keeps the times of one node and turns what it raises into an event."""

    def __init__(self, spec: NodeSpec, clock: ManualClock, *, measured: bool) -> None:
        """Make a node that is not up yet; `measured` as in `LocalRuntime`."""
        self._spec = spec
        self._clock = clock
        self._takes_time = spec.virtual_latency_s is not None
        self._measured = measured
        self._declared_latency_ns = round((spec.virtual_latency_s or 0.0) * _NS_PER_S)
        self._period_ns = round(_NS_PER_S / spec.rate_hz)
        self._other_inputs: dict[str, Any] = {}
        self._outputs: list[DelayedLatestValue[Any]] = []
        # What the step under way has published, and how long it had taken by then [ns].
        self._outbox: list[tuple[DelayedLatestValue[Any], Any, int]] = []
        self._host: NodeHost | None = None
        self._due_ns = self._restart_ns = self._hung_ns = self._died_ns = _NEVER_NS
        self._first_due_ns = self._ready_ns = 0
        # How much longer its work takes than declared, for as long as somebody wants it [ns].
        self.extra_latency_ns = 0
        self._step_began_ns = 0
        self.health = InProcessLatestValue[NodeHealth]()

    @property
    def node(self) -> Any:  # noqa: ANN401  # Whatever class the spec names; None while it is down.
        """The node itself."""
        return self._host.node if self._host else None

    @property
    def declared_spec(self) -> object:
        """What the node declares about its part, or None."""
        return self._host.declared_spec if self._host else None

    @property
    def next_event_ns(self) -> int:
        """When something happens to this node next."""
        return min(self._due_ns, self._restart_ns, self._hung_ns, self._died_ns)

    @property
    def busy_until_ns(self) -> int:
        """When the step under way will be over, or taken for hung; in the past when none is."""
        return min(self._ready_ns, self._hung_ns)

    def read_instead(self, role: str, mailbox: Any) -> None:  # noqa: ANN401  # A mailbox of any type.
        """Let the node find another mailbox in this role than the graph says; before its start."""
        self._other_inputs[role] = mailbox

    def hold_back_until(self, at_ns: int) -> None:
        """Do not step the node before a time; it is due then, or when it is done if that is later.

        A node that is down stays so.
        """
        if self._host is not None:
            self._first_due_ns = self._due_ns = max(at_ns, self._ready_ns)

    def make_output(self, name: str) -> Any:  # noqa: ANN401  # A mailbox of any type.
        """A mailbox for what this node publishes."""
        del name
        if not self._takes_time:
            return InProcessLatestValue[Any]()
        mailbox = DelayedLatestValue[Any](self._clock, self._take)
        self._outputs.append(mailbox)
        return mailbox

    def start(self, mailboxes: Mapping[str, Any]) -> None:
        """Make the node and let it load; it is due at once.

        Raises:
            TandemError: Whatever the node raises.
        """
        self._restart_ns = _NEVER_NS
        self._host = NodeHost(
            self._spec,
            inputs={role: mailboxes[name] for role, name in self._spec.inputs.items()}
            | self._other_inputs,
            outputs={role: mailboxes[name] for role, name in self._spec.outputs.items()},
            health=self.health,
            clock=self._node_clock(),
        )
        self._host.start()
        self._host.report(ready=True)
        self._first_due_ns = self._due_ns = self._ready_ns = self._clock.now_ns()

    def live_through(self, now_ns: int, mailboxes: Mapping[str, Any]) -> NodeDown | None:
        """Do what is due now; answer with the failure if there was one."""
        try:
            if self._restart_ns <= now_ns:
                self.start(mailboxes)
            if self._died_ns <= now_ns:
                return NodeDown(self._spec.name, "died", "killed", now_ns)
            if self._hung_ns <= now_ns:
                limit_s = self._spec.hang_after_s
                whose = f": plug-in {self._spec.plugin}" if self._spec.plugin else ""
                reason = f"silent for {limit_s:g} s{whose}"
                return NodeDown(self._spec.name, "hung", reason, now_ns)
            if self._host is not None and self._due_ns <= now_ns:
                self._step(self._host, now_ns)
        except Exception as error:  # noqa: BLE001  # Logged, and the supervisor decides.
            # A node runs other people's code, which may raise anything at all.
            _log.exception("node_raised", node=self._spec.name)
            return NodeDown(self._spec.name, "raised", f"{type(error).__name__}: {error}", now_ns)
        return None

    def kill(self) -> None:
        """Die as a process does that is killed: nothing is closed, what was not seen is lost."""
        self._host = None
        self._forget()
        self._died_ns = self._clock.now_ns()

    def freeze(self, duration_s: float) -> None:
        """Do nothing for a while, as a process that is stopped; too long counts as hung."""
        if self._host is None:
            return
        now_ns = self._clock.now_ns()
        hang_ns = now_ns + round(self._spec.hang_after_s * _NS_PER_S)
        until_ns = now_ns + round(duration_s * _NS_PER_S)
        self._due_ns = max(self._due_ns, self._next_beat_ns(until_ns))
        self._hung_ns = hang_ns if until_ns > hang_ns else _NEVER_NS

    def restart_at(self, at_ns: int) -> None:
        """Come back at this time."""
        self._restart_ns = at_ns

    def take_down(self, error: str = "") -> None:
        """Close the node, if it is up, and forget what it had not finished."""
        host, self._host = self._host, None
        self._forget()
        if host is None:
            return
        try:
            host.close()
        except Exception:  # noqa: BLE001  # Logged with its trace.
            # One node that cannot close must not keep the others, and the robot, from closing.
            _log.exception("node_did_not_close", node=self._spec.name)
        host.report(ready=False, error=error)

    def _forget(self) -> None:
        """Let go of everything that was to happen."""
        self._due_ns = self._restart_ns = self._hung_ns = self._died_ns = _NEVER_NS
        self._ready_ns = 0
        self._outbox.clear()
        for mailbox in self._outputs:
            mailbox.forget_waiting()

    def _node_clock(self) -> Clock:
        """For a node that publishes work only, one that knows how long the work took.

        Others stamp with it what they publish before the work, and must see the run's.
        """
        is_all_work = self._takes_time and not self._spec.idle_messages
        return WorkingClock(self._clock, self._worked_ns) if is_all_work else self._clock

    def _worked_ns(self) -> int:
        return max((self._latency_ns(taken_ns) for _, _, taken_ns in self._outbox), default=0)

    def _latency_ns(self, taken_ns: int) -> int:
        own_ns = taken_ns if self._measured else self._declared_latency_ns
        return own_ns + self.extra_latency_ns

    def _step(self, host: NodeHost, now_ns: int) -> None:
        self._step_began_ns = time.perf_counter_ns()
        host.step(now_ns)
        self._ready_ns = self._deliver(now_ns)
        hang_ns = now_ns + round(self._spec.hang_after_s * _NS_PER_S)
        self._hung_ns = hang_ns if self._ready_ns > hang_ns else _NEVER_NS
        self._due_ns = self._next_beat_ns(max(self._ready_ns, now_ns + 1))

    def _take(self, mailbox: DelayedLatestValue[Any], message: Any) -> None:  # noqa: ANN401  # Of the mailbox's type.
        self._outbox.append((mailbox, message, time.perf_counter_ns() - self._step_began_ns))

    def _deliver(self, now_ns: int) -> int:
        """Let what the step published be seen in its time; say when the node is ready again [ns].

        The first messages of a step are those it publishes even with nothing to do: they are seen
        at once, and a step that published no more took no time.
        """
        ready_ns = now_ns
        for number, (mailbox, message, taken_ns) in enumerate(self._outbox):
            is_work = number >= self._spec.idle_messages
            due_ns = now_ns + self._latency_ns(taken_ns) * is_work
            mailbox.deliver(message, due_ns)
            ready_ns = max(ready_ns, due_ns)
        self._outbox.clear()
        return ready_ns

    def _next_beat_ns(self, earliest_ns: int) -> int:
        """The first beat of this node's grid that is not before a time."""
        beats = -(-(earliest_ns - self._first_due_ns) // self._period_ns)
        return self._first_due_ns + beats * self._period_ns
