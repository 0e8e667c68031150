"""Who is restarted and when everything stops: pure decisions, no processes, no clock.

A runtime tells the supervisor what happened to a node and carries out what it answers. The rule
behind it: only what the robot can do without is brought back while it moves; when the robot, the
control loop or the watchdog is gone, the run ends and the robot is brought to rest.
"""

from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

from agent.config import RuntimeConfig
from agent.graph_parts import NodeSpec
from bridge.clock import seconds_between
from bridge.messages import NodeHealth

_NS_PER_S = 1_000_000_000


class NodeDown(NamedTuple):
    """A node raised, its process died, or it gave no sign of life for too long."""

    node: str
    kind: Literal["raised", "died", "hung"]
    reason: str
    stamp_ns: int


class Restart(NamedTuple):
    """Start the node anew, not before `at_ns`."""

    node: str
    at_ns: int
    attempt: int


class GoWithout(NamedTuple):
    """Leave the node down; the run goes on without it."""

    node: str
    reason: str


class StopAll(NamedTuple):
    """End the run: stop the robot, then every process."""

    reason: str


SupervisorDecision = Restart | GoWithout | StopAll


class Supervisor:
    """Counts each node's failures and answers what to do about the newest."""

    def __init__(self, nodes: Iterable[NodeSpec], config: RuntimeConfig) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._config = config
        self._failures: dict[str, deque[int]] = {name: deque() for name in self._nodes}

    def on_node_down(self, event: NodeDown) -> SupervisorDecision:
        """Decide what follows; called once per failure, in order of time."""
        node = self._nodes[event.node]
        attempt = self._count(event)
        what = f"{event.node} {event.kind}: {event.reason}"
        if node.restart == "on_failure" and attempt <= self._config.max_restarts:
            return Restart(event.node, event.stamp_ns + self._backoff_ns(attempt), attempt)
        if node.restart == "on_failure":
            what += f" ({attempt} times within {self._config.restart_window_s:g} s)"
        return GoWithout(event.node, what) if node.optional else StopAll(what)

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
        limit_s = self._nodes[node].hang_after_s if is_up else self._config.start_timeout_s
        silent_s = seconds_between(last_ns, now_ns)
        return f"silent for {silent_s:.1f} s" if silent_s > limit_s else ""

    def _count(self, event: NodeDown) -> int:
        """How many failures of this node lie within the window, this one included."""
        stamps = self._failures[event.node]
        window_ns = round(self._config.restart_window_s * _NS_PER_S)
        while stamps and event.stamp_ns - stamps[0] > window_ns:
            stamps.popleft()
        stamps.append(event.stamp_ns)
        return len(stamps)

    def _backoff_ns(self, attempt: int) -> int:
        # The exponent is capped as well: 2.0 ** 2000 overflows.
        grown_s = self._config.restart_backoff_s * 2.0 ** min(attempt - 1, 30)
        return round(min(grown_s, self._config.restart_backoff_max_s) * _NS_PER_S)
