"""The graph in one process, in virtual time: the same every time, as fast as it computes.

Nodes that are due at an instant are stepped in the order of the graph. What the planner and the
policy publish is seen later by their latency, so a slow brain is slow here as well. With
`runtime.coupling: synchronous` the arm is frozen meanwhile, as rivals do it: for comparison.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, cast

from agent.graph_parts import Graph, MailboxSpec
from agent.logs import get_logger
from agent.runtime import check_external, pick_mailbox
from agent.shared_mailboxes import SUPERVISOR_TRACE
from agent.spec_checks import check_specs
from agent.supervisor import Incident, NodeDown, Restart, StopAll, Supervisor
from agent.virtual_coupling import PausableStop, SynchronousCoupling
from agent.virtual_mailbox import DelayedLatestValue
from agent.virtual_node import VirtualNode
from bridge.clock import ManualClock
from bridge.errors import ConfigError, RuntimeStopped
from bridge.messages import NodeHealth
from bridge.trace import TRACE, emit
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing

_NS_PER_S = 1_000_000_000
_log = get_logger("runtime")


class LocalRuntime:
    """Runs a graph in virtual time. For one thread; implements `Runtime`."""

    def __init__(
        self, graph: Graph, *, clock: ManualClock | None = None, measured_latency: bool = False
    ) -> None:
        """Make a run that has not started.

        Args:
            graph: What to run.
            clock: Virtual time; it begins at 1 s if None, so that no stamp is 0.
            measured_latency: Let planner and policy take as long as they really compute, instead
                of the latency their specs declare. Then runs are no longer the same every time.
        """
        self._graph = graph
        self._clock = clock or ManualClock(_NS_PER_S)
        self._supervisor = Supervisor(graph)
        self._nodes = {
            spec.name: VirtualNode(spec, self._clock, measured=measured_latency)
            for spec in graph.nodes
        }
        self._mailboxes = {spec.name: self._make_mailbox(spec) for spec in graph.mailboxes}
        self._mailboxes |= {f"health.{name}": node.health for name, node in self._nodes.items()}
        self._coupling = self._couple()
        self._is_started = False
        self._stopped_because = ""

    @property
    def clock(self) -> ManualClock:
        """Virtual time; it moves only while `run_for` or `run_until` is called."""
        return self._clock

    @property
    def stopped_because(self) -> str:
        """Why the run has ended; empty while it runs."""
        return self._stopped_because

    def start(self) -> None:
        """Start every node in this process and check that they fit together.

        Raises:
            ContractError: Two nodes do not fit; nothing has moved.
            RuntimeStopped: The run has ended, and does not start again.
        """
        self._check_running()
        try:
            for node in self._nodes.values():
                node.start(self._mailboxes)
            check_specs(self.specs)
        except BaseException as error:
            self._end(f"it did not start: {error}")
            raise
        self._is_started = True

    def node(self, name: str) -> Any:  # noqa: ANN401  # Whatever class the graph names.
        """The node itself, for evaluation: to reset the world, to read what it holds.

        Raises:
            ConfigError: There is no such node, or it is down.
        """
        self._graph.node(name)
        node = self._nodes[name].node
        if node is None:
            raise ConfigError(f"Node {name!r} is not running now.")
        return node

    def kill(self, name: str) -> None:
        """Let a node die now, as by `kill -9`; what follows is the supervisor's business.

        Raises:
            ConfigError: There is no such node.
        """
        self._graph.node(name)
        self._nodes[name].kill()

    def freeze(self, name: str, duration_s: float) -> None:
        """Let a node do nothing for `duration_s` [s], as by SIGSTOP and SIGCONT.

        Raises:
            ConfigError: There is no such node.
        """
        self._graph.node(name)
        self._nodes[name].freeze(duration_s)

    def slow_down(self, name: str, extra_s: float) -> None:
        """From now on the work of a node that takes time takes `extra_s` [s] longer; 0 ends it.

        Raises:
            ConfigError: There is no such node.
        """
        self._graph.node(name)
        self._nodes[name].extra_latency_ns = round(extra_s * _NS_PER_S)

    def publish(self, name: str, message: Any) -> None:  # noqa: ANN401  # The mailbox's own type.
        """Put a message into an external mailbox; nodes see it at their next step."""
        self._check_running()
        check_external(self._graph, name, message)
        self._mailboxes[name].publish(message)

    def leave(self, name: str, message: Any) -> None:  # noqa: ANN401  # The mailbox's own type.
        """Before the start: let any mailbox hold what an agent before this one left in it.

        Raises:
            ConfigError: The run has started, or there is no mailbox of that name.
        """
        if self._is_started:
            raise ConfigError(f"Nothing can be left in {name!r} any more: the run has started.")
        mailbox = pick_mailbox(self._mailboxes, name)
        # One that is written late would hand it to its writer, which is not stepping.
        if isinstance(mailbox, DelayedLatestValue):
            cast("DelayedLatestValue[Any]", mailbox).deliver(message, self._clock.now_ns())
        else:
            mailbox.publish(message)

    def read(self, name: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
        """The newest message that is visible now."""
        mailbox = pick_mailbox(self._mailboxes, name)
        if isinstance(mailbox, LocalRing):
            raise ConfigError(f"{name!r} is a ring, which only its one reader empties.")
        return mailbox.read()

    def health(self) -> Mapping[str, NodeHealth]:
        """The last sign of life of each node."""
        signs = {name: node.health.read() for name, node in self._nodes.items()}
        return {name: sign for name, sign in signs.items() if sign is not None}

    @property
    def specs(self) -> Mapping[str, object]:
        """What each node declares about its plug-in, by node; nothing before the start."""
        return {name: node.declared_spec for name, node in self._nodes.items()}

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell, and what was decided about it, oldest first."""
        return self._supervisor.incidents

    def run_for(self, duration_s: float) -> None:
        """Let `duration_s` [s] of virtual time pass.

        Raises:
            RuntimeStopped: The run ended meanwhile, or before.
            ConfigError: The run was not started.
        """
        self.run_until(lambda: False, duration_s)

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Let virtual time pass until the predicate holds; it is asked after each instant.

        Raises:
            RuntimeStopped: The run ended meanwhile, or before.
            ConfigError: The run was not started.
        """
        end_ns = self._clock.now_ns() + round(timeout_s * _NS_PER_S)
        while not predicate():
            self._check_running()
            if not self._is_started:
                raise ConfigError("The run has not been started: call start() first.")
            instant_ns = min(node.next_event_ns for node in self._nodes.values())
            if instant_ns > end_ns:
                self._clock.sleep_until_ns(end_ns)
                return predicate()
            self._clock.sleep_until_ns(instant_ns)
            self._live_through(self._clock.now_ns())
        return True

    def stop(self, timeout_s: float | None = None) -> None:
        """Close every node, the robot last. `timeout_s` is of no use here: nobody is waited for."""
        del timeout_s
        self._end("it was asked to")

    def _make_mailbox(self, spec: MailboxSpec) -> Any:  # noqa: ANN401  # Of the spec's type.
        if spec.delivery == "ring":
            return LocalRing[Any]()
        writers = self._graph.writers_of(spec.name)
        if not writers:
            return InProcessLatestValue[Any]()
        return self._nodes[writers[0]].make_output(spec.name)

    def _couple(self) -> SynchronousCoupling | None:
        """What freezes the arm while the planner thinks; None when nothing does."""
        nodes = self._nodes
        if self._graph.runtime.coupling != "synchronous" or "planner" not in nodes:
            return None
        stop = PausableStop(self._mailboxes["stop"])
        nodes["control"].read_instead("stop", stop)
        return SynchronousCoupling(nodes["planner"], nodes["policy"], stop)

    def _live_through(self, now_ns: int) -> None:
        """Step, restart or give up on each node that has something due now."""
        for node in self._nodes.values():
            failure = node.live_through(now_ns, self._mailboxes)
            if self._coupling is not None:
                self._coupling.follow(now_ns)
            if failure is not None:
                self._react(node, failure)
            if self._stopped_because:
                return

    def _react(self, node: VirtualNode, failure: NodeDown) -> None:
        node.take_down(failure.reason)
        decision = self._supervisor.on_node_down(failure)
        _log.warning("node_down", node=failure.node, reason=failure.reason, then=str(decision))
        facts = {"node": failure.node, "how": failure.kind, "reason": failure.reason}
        ring = self._mailboxes.get(SUPERVISOR_TRACE)
        emit({} if ring is None else {TRACE: ring}, "node.down", failure.stamp_ns, **facts)
        match decision:
            case Restart(at_ns=at_ns):
                for name in decision.nodes:
                    self._nodes[name].take_down(failure.reason if name == failure.node else "")
                    self._nodes[name].restart_at(at_ns)
            case StopAll(reason=reason):
                self._end(reason)
            case _:
                pass

    def _end(self, reason: str) -> None:
        if self._stopped_because:
            return
        self._stopped_because = reason
        for name in itertools.chain.from_iterable(self._graph.end_order()):
            self._nodes[name].take_down()

    def _check_running(self) -> None:
        if self._stopped_because:
            raise RuntimeStopped(reason=self._stopped_because)
