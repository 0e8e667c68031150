"""The graph as processes: one per node, mailboxes in shared memory, real time.

Ray starts the processes and says when one has ended; nothing that the loop needs passes through
it. It is imported by `embedded_ray.py` and `ray_actors.py` alone.
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from agent.embedded_ray import EmbeddedRay
from agent.graph_parts import Graph
from agent.logs import get_logger
from agent.node_process import RunPhase
from agent.ray_actors import NodeActors
from agent.ray_watch import Watch
from agent.shared_mailboxes import SharedMailboxes
from agent.spec_checks import check_specs
from agent.supervisor import Incident
from bridge.clock import SystemClock
from bridge.errors import ConfigError, RuntimeStopped
from bridge.messages import NodeHealth, StopRequest

_NS_PER_S = 1_000_000_000
_POLL_S = 0.05
_log = get_logger("runtime")


class RayRuntime:
    """Runs a graph as processes in real time; implements `Runtime`.

    `publish`, `read`, `health` and `stop` may be called from any thread. A thread of its own
    watches the processes and carries out what the supervisor decides.
    """

    def __init__(self, graph: Graph) -> None:
        """Make a run that has not started.

        Raises:
            ConfigError: The graph is to be run in a way that only virtual time has.
        """
        if graph.runtime.coupling != "asynchronous":
            raise ConfigError(
                f"runtime.coupling is {graph.runtime.coupling!r}, which is for comparisons in "
                "virtual time; processes never wait for each other. Leave it out, or `agent eval`."
            )
        self._graph = graph
        self._clock = SystemClock()
        self._embedded: EmbeddedRay | None = None
        self._mail: SharedMailboxes | None = None
        self._actors: NodeActors | None = None
        self._watch: Watch | None = None
        self._watcher: threading.Thread | None = None
        self._ending = threading.Lock()
        self._specs: Mapping[str, object] = {}
        self._has_begun = False
        self._stopped_because = ""

    @property
    def clock(self) -> SystemClock:
        """The machine's monotonic clock, the same in all processes."""
        return self._clock

    @property
    def stopped_because(self) -> str:
        """Why the run has ended; empty while it runs."""
        return self._stopped_because

    @property
    def specs(self) -> Mapping[str, object]:
        """What each node declares about its plug-in, by node; nothing before the start."""
        return self._specs

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell, and what was decided about it, oldest first."""
        return self._watch.incidents if self._watch else ()

    def start(self) -> None:
        """Start Ray and every node's process, check that they fit, and let them run.

        Raises:
            ContractError: Two nodes do not fit; nothing has moved.
            ConfigError: A node was not ready in time, or the run was started before.
            TandemError: Whatever a node raised while it started; everything is closed again.
        """
        if self._mail is not None:
            raise ConfigError("This run has been started before: make a new one.")
        try:
            embedded = self._embedded = EmbeddedRay()
            mail = self._mail = SharedMailboxes(self._graph)
            actors = self._actors = NodeActors(mail, self._clock)
            for spec in self._graph.nodes:
                actors.launch(spec)
            self._wait_until_ready(actors, mail)
            self._specs = actors.declared_specs(self._graph.runtime.start_timeout_s)
            check_specs(self._specs)
            watch = self._watch = Watch(self._graph, embedded, actors, mail, self._clock)
            self._has_begun = True
            mail.set_phase(RunPhase(is_running=True, owner_pid=os.getpid()))
        except BaseException as error:
            self._end(f"it did not start: {error}", self._graph.runtime.stop_timeout_s)
            raise
        self._watcher = threading.Thread(
            target=self._keep_watch, args=(watch,), name="agent.watch", daemon=True
        )
        self._watcher.start()

    def publish(self, name: str, message: Any) -> None:  # noqa: ANN401  # The mailbox's own type.
        """Put a message into an external mailbox."""
        self._running_mail().publish(name, message)

    def read(self, name: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
        """The newest message of any mailbox; the last there was when the run has ended."""
        if self._mail is None:
            raise ConfigError("The run has not been started: call start() first.")
        return self._mail.read(name)

    def health(self) -> Mapping[str, NodeHealth]:
        """The last sign of life of each node that gave one."""
        mail = self._mail
        signs = {name: mail.health(name) if mail else None for name in self._graph.node_names()}
        return {name: sign for name, sign in signs.items() if sign is not None}

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the predicate holds; it is asked every 20 ms."""
        end_ns = self._clock.now_ns() + round(timeout_s * _NS_PER_S)
        while not predicate():
            self._running_mail()
            now_ns = self._clock.now_ns()
            if now_ns >= end_ns:
                return False
            self._clock.sleep_until_ns(min(now_ns + _NS_PER_S // 50, end_ns))
        return True

    def stop(self, timeout_s: float | None = None) -> None:
        """End the run: stop the robot, end the nodes, the robot last, then Ray."""
        limit_s = self._graph.runtime.stop_timeout_s if timeout_s is None else timeout_s
        self._end("it was asked to", limit_s)
        watcher = self._watcher
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(timeout=limit_s)

    def _wait_until_ready(self, actors: NodeActors, mail: SharedMailboxes) -> None:
        """Wait for each node's first sign of life; raise what a node raised instead."""
        limit_s = self._graph.runtime.start_timeout_s
        end_ns = self._clock.now_ns() + round(limit_s * _NS_PER_S)
        while waiting := [
            name
            for name in actors.names
            if not _is_ready(mail.health(name), actors.launched_ns(name))
        ]:
            actors.raise_causes(_POLL_S)
            if self._clock.now_ns() > end_ns:
                raise ConfigError(
                    f"Not ready after {limit_s:g} s: {', '.join(waiting)}. "
                    "Allow more with runtime.start_timeout_s."
                )

    def _keep_watch(self, watch: Watch) -> None:
        """Look after the processes until the run ends."""
        while not self._stopped_because:
            try:
                reason = watch.look()
            except Exception as error:  # noqa: BLE001  # Said below, and the run ends.
                # A supervisor that fails must not leave a robot moving unwatched. Once the run has
                # ended, what it looks at is gone.
                if self._stopped_because:
                    return
                _log.exception("supervisor_failed")
                reason = f"the supervisor failed: {error}"
            if reason:
                self._end(reason, self._graph.runtime.stop_timeout_s)

    def _running_mail(self) -> SharedMailboxes:
        if self._stopped_because:
            raise RuntimeStopped(reason=self._stopped_because)
        if self._mail is None:
            raise ConfigError("The run has not been started: call start() first.")
        return self._mail

    def _end(self, reason: str, timeout_s: float) -> None:
        """End everything once; whoever comes second waits until the first is through."""
        with self._ending:
            if self._stopped_because:
                return
            self._stopped_because = reason
            if self._watch is not None:
                self._watch.end()
            try:
                if self._mail is not None and self._actors is not None:
                    self._end_nodes(self._mail, self._actors, timeout_s)
            finally:
                if self._embedded is not None:
                    self._embedded.close()
                if self._mail is not None:
                    self._mail.close()

    def _end_nodes(self, mail: SharedMailboxes, actors: NodeActors, timeout_s: float) -> None:
        """Stop the robot, let the others end, then the robot, then whoever only looks on."""
        now_ns = self._clock.now_ns()
        reason = self._stopped_because
        mail.emit("run.ending", now_ns, reason=reason)
        mail.publish(
            "stop", StopRequest(reason=reason, source="runtime", latched=True, stamp_ns=now_ns)
        )
        ending: list[str] = []
        for names in filter(None, self._graph.end_order()):
            ending += names
            mail.set_phase(RunPhase(is_running=self._has_begun, ending=tuple(ending)))
            for name in actors.outliving(ending, timeout_s / 2):
                _log.warning("node_killed", node=name, after_s=timeout_s / 2)
                actors.kill(name)


def _is_ready(sign: NodeHealth | None, launched_ns: int) -> bool:
    return sign is not None and sign.ready and sign.stamp_ns >= launched_ns
