"""All mailboxes of one run in shared memory, owned by the process that started it."""

import contextlib
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from agent.graph_parts import Graph, MailboxSpec, NodeSpec
from agent.node_process import RunPhase
from agent.runtime import check_external, pick_mailbox
from bridge.errors import TransportError
from bridge.messages import NodeHealth
from bridge.trace import TRACE, TraceFact, emit
from bridge.transports.ring import SharedRing
from bridge.transports.segments import sweep_stale_segments
from bridge.transports.shared_memory import SharedLatestValue

_PHASE = "phase"
_SMALL_BYTES = 4096
# The ring of whoever runs the graph; there is one in a graph that is recorded.
SUPERVISOR_TRACE = "trace.supervisor"


class SharedMailboxes:
    """Makes them, hands each node its own, and removes them; keeps the last messages."""

    def __init__(self, graph: Graph) -> None:
        """Make every mailbox; what a killed run left behind is swept first.

        Raises:
            TransportError: There is not enough shared memory. Nothing is left behind.
        """
        sweep_stale_segments()
        self.run_id = secrets.token_hex(4)
        self._graph = graph
        # A person, a server and the supervisor publish from threads of this process.
        self._publishing = threading.Lock()
        self._last: dict[str, Any] = {}
        self._open: dict[str, SharedLatestValue[Any]] = {}
        self._rings: dict[str, SharedRing[Any]] = {}
        try:
            for spec in graph.mailboxes:
                self._create(spec)
            for name in graph.node_names():
                self._create(_small(health_name(name), NodeHealth))
            self._create(_small(_PHASE, RunPhase))
        except BaseException:
            self.close()
            raise

    def of_node(self, spec: NodeSpec) -> Mapping[str, Any]:
        """The keyword arguments of a `NodeProcess` that are mailboxes."""
        ends: dict[str, Any] = {**self._open, **self._rings}
        return {
            "inputs": {role: ends[name] for role, name in spec.inputs.items()},
            "outputs": {role: ends[name] for role, name in spec.outputs.items()},
            "health": self._open[health_name(spec.name)],
            "phase": self._open[_PHASE],
        }

    def publish(self, name: str, message: object) -> None:
        """Put a message into an external mailbox; callable from any thread.

        Raises:
            ConfigError: There is no external mailbox of that name.
            ContractError: It takes another type.
        """
        check_external(self._graph, name, message)
        with self._publishing:
            self._open[name].publish(message)

    def set_phase(self, phase: RunPhase) -> None:
        """Tell every process what the run asks of it."""
        with self._publishing:
            self._open[_PHASE].publish(phase)

    def emit(self, kind: str, stamp_ns: int, **facts: TraceFact) -> None:
        """Tell the trace what concerns the whole run; callable from any thread, also too late."""
        with self._publishing:
            ring: Any = self._rings.get(SUPERVISOR_TRACE)
            if ring is not None:
                emit({TRACE: ring}, kind, stamp_ns, **facts)

    def read(self, name: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
        """The newest message; the last one there was when the mailboxes are closed.

        Raises:
            ConfigError: There is no mailbox of that name.
        """
        mailbox = self._open.get(name)
        if mailbox is None:
            return pick_mailbox(self._last, name)
        try:
            return mailbox.read()
        except (TransportError, ValueError):
            # Closed between the two lines above, by the thread that ends the run.
            return pick_mailbox(self._last, name)

    def health(self, node: str) -> NodeHealth | None:
        """A node's last sign of life."""
        return self.read(health_name(node))

    def close(self) -> None:
        """Keep what came last and remove every mailbox. Callable any number of times."""
        for name, mailbox in self._open.items():
            with contextlib.suppress(TransportError):
                self._last[name] = mailbox.read()
        for name in list(self._open):
            mailbox = self._open.pop(name)
            mailbox.close()
            mailbox.unlink()
        with self._publishing:
            for name in list(self._rings):
                ring = self._rings.pop(name)
                ring.close()
                ring.unlink()

    def _create(self, spec: MailboxSpec) -> None:
        name, size = segment_name(spec.name), spec.capacity_bytes
        if spec.delivery == "ring":
            self._rings[spec.name] = SharedRing[Any].create(
                name, spec.kind, run_id=self.run_id, capacity_bytes=size
            )
        else:
            self._open[spec.name] = SharedLatestValue[Any].create(
                name, spec.kind, run_id=self.run_id, capacity_bytes=size
            )


def _small(name: str, kind: type[Any]) -> MailboxSpec:
    return MailboxSpec(name=name, kind=kind, capacity_bytes=_SMALL_BYTES)


def health_name(node: str) -> str:
    """The mailbox of a node's health."""
    return f"health.{node}"


def segment_name(mailbox: str) -> str:
    """A mailbox's name as a piece of shared memory may be called."""
    return mailbox.replace(".", "_")
