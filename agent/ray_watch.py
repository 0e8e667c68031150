"""Looks after the processes of a run, and carries out what the supervisor decides about one."""

from collections.abc import Iterator

from agent.embedded_ray import EmbeddedRay
from agent.graph_parts import Graph
from agent.logs import get_logger
from agent.ray_actors import NodeActors
from agent.shared_mailboxes import SharedMailboxes
from agent.supervisor import Incident, NodeDown, Restart, StopAll, Supervisor
from bridge.clock import SystemClock
from bridge.messages import NodeHealth

# How long a look waits for a process to end [s]; other signs are seen that much later.
_LOOK_S = 0.05
# Trouble that changes all the time is not told more often than this.
_TROUBLE_PERIOD_NS = 1_000_000_000
_log = get_logger("runtime")


class Watch:
    """Called again and again from one thread; says when the run has to end, and why."""

    def __init__(
        self,
        graph: Graph,
        embedded: EmbeddedRay,
        actors: NodeActors,
        mail: SharedMailboxes,
        clock: SystemClock,
    ) -> None:
        self._embedded = embedded
        self._graph = graph
        self._actors = actors
        self._mail = mail
        self._clock = clock
        self._supervisor = Supervisor(graph)
        self._restarts: dict[str, int] = {}
        self._told: dict[str, str] = {}
        self._troubles: dict[str, tuple[str, int]] = {}
        self._is_over = False

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell, and what was decided about it, oldest first."""
        return self._supervisor.incidents

    def end(self) -> None:
        """From now on nodes end because they are asked to; callable from any thread."""
        self._is_over = True

    def look(self) -> str:
        """Look once, for up to 0.05 s; answer why the run has to end, or nothing."""
        trouble = self._embedded.trouble()
        if trouble:
            return trouble
        for failure in (*self._actors.ended(_LOOK_S), *self._silent_nodes()):
            reason = self._react(failure)
            if reason:
                return reason
        self._tell_signs()
        now_ns = self._clock.now_ns()
        for name in [name for name, at_ns in self._restarts.items() if at_ns <= now_ns]:
            del self._restarts[name]
            self._mail.emit("node.restarted", now_ns, node=name)
            self._actors.launch(self._graph.node(name))
        return ""

    def _silent_nodes(self) -> Iterator[NodeDown]:
        now_ns = self._clock.now_ns()
        for name in self._actors.names:
            launched_ns = self._actors.launched_ns(name)
            sign = self._mail.health(name)
            silence = self._supervisor.silence(name, sign, launched_ns, now_ns)
            if silence:
                yield NodeDown(name, "hung", silence, now_ns)

    def _tell_signs(self) -> None:
        """Say what the nodes' processes have to tell a person."""
        for name in self._actors.names:
            sign = self._mail.health(name)
            if sign is not None and sign.ready:
                self._tell_notice(name, sign)
                self._tell_trouble(name, sign)

    def _tell_notice(self, name: str, sign: NodeHealth) -> None:
        """Say it once."""
        if sign.notice and sign.notice != self._told.get(name):
            self._told[name] = sign.notice
            _log.warning("notice", node=name, text=sign.notice)
            self._mail.emit("node.notice", sign.stamp_ns, node=name, text=sign.notice)

    def _tell_trouble(self, name: str, sign: NodeHealth) -> None:
        """Say what does not end a node: whose plug-in failed, and how. The trace has it from it."""
        text, told_ns = self._troubles.get(name, ("", -_TROUBLE_PERIOD_NS))
        if sign.last_error == text or sign.stamp_ns - told_ns < _TROUBLE_PERIOD_NS:
            return
        self._troubles[name] = (sign.last_error, sign.stamp_ns if sign.last_error else told_ns)
        if sign.last_error:
            _log.warning("node_in_trouble", node=name, reason=sign.last_error)

    def _react(self, failure: NodeDown) -> str:
        if self._is_over or not self._actors.kill(failure.node):
            return ""
        decision = self._supervisor.on_node_down(failure)
        _log.warning("node_down", node=failure.node, reason=failure.reason, then=str(decision))
        self._mail.emit(
            "node.down",
            failure.stamp_ns,
            node=failure.node,
            how=failure.kind,
            reason=failure.reason,
            then=type(decision).__name__,
        )
        match decision:
            case Restart(at_ns=at_ns):
                for name in decision.nodes:
                    self._actors.kill(name)
                    self._restarts[name] = at_ns
            case StopAll(reason=reason):
                return reason
            case _:
                pass
        return ""
