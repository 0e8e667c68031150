"""Who is restarted and when everything stops: pure decisions, no processes, no clock.

A runtime tells the supervisor what happened to a node and carries out what it answers. The rule
behind it: only what the robot can do without is brought back while it moves; when the robot or the
control loop is gone, the run ends and the robot is brought to rest. Nobody else restarts anything
(docs/decisions/003-one-supervisor.md).
"""

from collections import deque
from typing import Literal, NamedTuple

from agent.config import RestartRule
from agent.graph_parts import Graph
from bridge.clock import seconds_between
from bridge.messages import NodeHealth

_NS_PER_S = 1_000_000_000
# What is remembered to be shown; a robot that falls more often is looked at long before.
_MOST_INCIDENTS = 200


class NodeDown(NamedTuple):
    """A node raised, its process died, or it gave no sign of life for too long."""

    node: str
    kind: Literal["raised", "died", "hung"]
    reason: str
    stamp_ns: int


class Restart(NamedTuple):
    """Start the node anew, not before `at_ns`, and its dependents, which are taken down now."""

    node: str
    at_ns: int
    attempt: int
    dependents: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Everything that is to be started anew, the one that fell first."""
        return (self.node, *self.dependents)


class GoWithout(NamedTuple):
    """Leave the node down; the run goes on without it."""

    node: str
    reason: str


class StopAll(NamedTuple):
    """End the run: stop the robot, then every process."""

    reason: str


SupervisorDecision = Restart | GoWithout | StopAll


class Incident(NamedTuple):
    """A failure, and what was decided about it."""

    failure: NodeDown
    decision: SupervisorDecision


class Supervisor:
    """Counts each node's failures and answers what to do about the newest."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rules = {name: graph.restart_rule(name) for name in graph.node_names()}
        self._failures: dict[str, deque[int]] = {name: deque() for name in self._rules}
        self._incidents: deque[Incident] = deque(maxlen=_MOST_INCIDENTS)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell and what followed, oldest first; the newest 200."""
        return tuple(self._incidents)

    def on_node_down(self, event: NodeDown) -> SupervisorDecision:
        """Decide what follows; called once per failure, in order of time.

        A dependent that is taken down with another has not failed, and is not told of here.
        """
        decision = self._decide(event)
        self._incidents.append(Incident(event, decision))
        return decision

    def silence(self, node: str, sign: NodeHealth | None, launched_ns: int, now_ns: int) -> str:
        """Say for how long a node has been silent if that is too long, else an empty text.

        Args:
            node: Which one.
            sign: Its last sign of life, perhaps from before it was launched anew.
            launched_ns: When its process was launched [ns]; loading has a limit of its own.
            now_ns: Now [ns].
        """
        is_up = sign is not None and sign.ready and sign.stamp_ns >= launched_ns
        last_ns = sign.stamp_ns if sign is not None and is_up else launched_ns
        loading_s = self._graph.runtime.start_timeout_s
        limit_s = self._graph.node(node).hang_after_s if is_up else loading_s
        silent_s = seconds_between(last_ns, now_ns)
        if silent_s <= limit_s:
            return ""
        return f"silent for {silent_s:.1f} s{self._blame(node, limit_s, is_up=is_up)}"

    def _blame(self, node: str, limit_s: float, *, is_up: bool) -> str:
        """Whose code it is that does not come back, and what it is allowed."""
        plugin, _, verb = self._graph.node(node).plugin.rpartition(".")
        if not plugin:
            return ""
        return f", limit {limit_s:g} s: plug-in {plugin}.{verb if is_up else '__init__'}"

    def _decide(self, event: NodeDown) -> SupervisorDecision:
        rule = self._rules[event.node]
        what = f"{event.node} {event.kind}: {event.reason}"
        if rule.when == "on_failure":
            attempt = self._count(event, rule)
            if attempt <= rule.max_restarts:
                at_ns = event.stamp_ns + _backoff_ns(attempt, rule)
                dependents = self._graph.dependents_of(event.node)
                return Restart(event.node, at_ns, attempt, dependents)
            what += f" ({attempt} times within {rule.window_s:g} s)"
        is_optional = self._graph.node(event.node).optional
        return GoWithout(event.node, what) if is_optional else StopAll(what)

    def _count(self, event: NodeDown, rule: RestartRule) -> int:
        """How many failures of this node lie within the window, this one included."""
        stamps = self._failures[event.node]
        window_ns = round(rule.window_s * _NS_PER_S)
        while stamps and event.stamp_ns - stamps[0] > window_ns:
            stamps.popleft()
        stamps.append(event.stamp_ns)
        return len(stamps)


def _backoff_ns(attempt: int, rule: RestartRule) -> int:
    # The exponent is capped as well: 2.0 ** 2000 overflows.
    grown_s = rule.backoff_s * 2.0 ** min(attempt - 1, 30)
    return round(min(grown_s, rule.backoff_max_s) * _NS_PER_S)
