# pyright: basic
"""The graph as Ray actors: one process per node, mailboxes in shared memory, real time.

Ray places, starts, restarts and watches; nothing that the loop needs passes through it. It is
embedded: started for the run, on loopback, in a folder of its own, and gone afterwards.
"""

import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when Ray is imported. Listen on loopback only, on Linux as well; don't call home; a token of
# this process's own instead of one in the user's home (docs/decisions/002-ray-on-loopback.md).
# And who yields to whom is ours to say: Ray makes each of its workers as nice as 15.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import psutil
import ray
from ray.exceptions import RayError, RayTaskError

from agent.graph_parts import Graph, NodeSpec
from agent.logs import get_logger
from agent.node_process import NodeProcess, RunPhase
from agent.shared_mailboxes import SharedMailboxes
from agent.spec_checks import check_specs
from agent.supervisor import NodeDown, Restart, StopAll, Supervisor
from bridge.clock import SystemClock
from bridge.errors import ConfigError, RuntimeStopped
from bridge.messages import NodeHealth, StopRequest

_NS_PER_S = 1_000_000_000
_POLL_S = 0.05
# Ray's own object store is not used for data: its smallest size will do [bytes].
_OBJECT_STORE_BYTES = 80 * 1024 * 1024
# Followed by the pid of the process that started Ray.
_FOLDER = "tandem-ray-"
_log = get_logger("runtime")


@dataclass
class _Process:
    """An actor and the one call that is its life."""

    spec: NodeSpec
    actor: Any
    life: ray.ObjectRef
    launched_ns: int


class RayRuntime:
    """Runs a graph as processes in real time; implements `Runtime`.

    `publish`, `read`, `health` and `stop` may be called from any thread. A thread of its own
    watches the processes and carries out what the supervisor decides.
    """

    def __init__(self, graph: Graph) -> None:
        """Make a run that has not started."""
        self._graph = graph
        self._clock = SystemClock()
        self._supervisor = Supervisor(graph.nodes, graph.runtime)
        self._processes: dict[str, _Process] = {}
        self._restarts: dict[str, int] = {}
        self._mail: SharedMailboxes | None = None
        self._embedded: _EmbeddedRay | None = None
        self._watcher: threading.Thread | None = None
        self._ending = threading.Lock()
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
            self._embedded = _EmbeddedRay()
            self._mail = SharedMailboxes(self._graph)
            for spec in self._graph.nodes:
                self._launch(spec)
            self._wait_until_ready()
            check_specs(self._declared_specs())
            self._has_begun = True
            self._mail.set_phase(RunPhase(is_running=True))
        except BaseException as error:
            self._end(f"it did not start: {error}", self._graph.runtime.stop_timeout_s)
            raise
        self._watcher = threading.Thread(target=self._watch, name="agent.watch", daemon=True)
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

    def _launch(self, spec: NodeSpec) -> None:
        mail = self._running_mail()
        actor_class: Any = ray.remote(NodeProcess)
        actor = actor_class.options(
            num_cpus=0,
            max_concurrency=2,
            max_restarts=0,
            name=f"{mail.run_id}.{spec.name}.{secrets.token_hex(2)}",
            runtime_env={"env_vars": _environment()},
        ).remote(spec, **mail.of_node(spec))
        self._processes[spec.name] = _Process(
            spec, actor, actor.live.remote(), self._clock.now_ns()
        )

    def _wait_until_ready(self) -> None:
        """Wait for each node's first sign of life; raise what a node raised instead."""
        limit_s = self._graph.runtime.start_timeout_s
        end_ns = self._clock.now_ns() + round(limit_s * _NS_PER_S)
        while waiting := [name for name in self._processes if not self._is_ready(name)]:
            lives = [process.life for process in self._processes.values()]
            ended, _ = ray.wait(lives, timeout=_POLL_S)
            for life in ended:
                _raise_cause(life)
            if self._clock.now_ns() > end_ns:
                raise ConfigError(
                    f"Not ready after {limit_s:g} s: {', '.join(waiting)}. "
                    "Allow more with runtime.start_timeout_s."
                )

    def _is_ready(self, name: str) -> bool:
        sign = self._running_mail().health(name)
        return (
            sign is not None and sign.ready and sign.stamp_ns >= self._processes[name].launched_ns
        )

    def _declared_specs(self) -> dict[str, object]:
        asked = {n: process.actor.declared_spec.remote() for n, process in self._processes.items()}
        limit_s = self._graph.runtime.start_timeout_s
        return dict(zip(asked, ray.get(list(asked.values()), timeout=limit_s), strict=True))

    def _watch(self) -> None:
        """Look after the processes until the run ends."""
        while not self._stopped_because:
            try:
                self._look_once()
            except RuntimeStopped:
                return
            except Exception as error:  # noqa: BLE001  # Said below, and the run ends.
                # A supervisor that fails must not leave a robot moving unwatched.
                _log.exception("supervisor_failed")
                self._end(f"the supervisor failed: {error}", self._graph.runtime.stop_timeout_s)

    def _look_once(self) -> None:
        for failure in (*self._ended_lives(), *self._silent_nodes()):
            self._react(failure)
        now_ns = self._clock.now_ns()
        for name in [name for name, at_ns in self._restarts.items() if at_ns <= now_ns]:
            del self._restarts[name]
            self._launch(self._graph.node(name))

    def _ended_lives(self) -> Iterator[NodeDown]:
        """The nodes whose life is over although nobody asked for it."""
        names = {process.life: name for name, process in self._processes.items()}
        if not names:
            self._clock.sleep_until_ns(self._clock.now_ns() + round(_POLL_S * _NS_PER_S))
            return
        ended, _ = ray.wait(list(names), num_returns=len(names), timeout=_POLL_S)
        for life in ended:
            if not self._stopped_because:
                yield _why_ended(names[life], life, self._clock.now_ns())

    def _silent_nodes(self) -> Iterator[NodeDown]:
        now_ns = self._clock.now_ns()
        for name, process in list(self._processes.items()):
            sign = self._running_mail().health(name)
            silence = self._supervisor.silence(name, sign, process.launched_ns, now_ns)
            if silence:
                yield NodeDown(name, "hung", silence, now_ns)

    def _react(self, failure: NodeDown) -> None:
        process = self._processes.pop(failure.node, None)
        if process is None or self._stopped_because:
            return
        ray.kill(process.actor, no_restart=True)
        decision = self._supervisor.on_node_down(failure)
        _log.warning("node_down", node=failure.node, reason=failure.reason, then=str(decision))
        match decision:
            case Restart(at_ns=at_ns):
                self._restarts[failure.node] = at_ns
            case StopAll(reason=reason):
                self._end(reason, self._graph.runtime.stop_timeout_s)
            case _:
                pass

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
            try:
                if self._mail is not None:
                    self._end_nodes(self._mail, reason, timeout_s)
            finally:
                self._processes.clear()
                if self._embedded is not None:
                    self._embedded.close()
                if self._mail is not None:
                    self._mail.close()

    def _end_nodes(self, mail: SharedMailboxes, reason: str, timeout_s: float) -> None:
        """Stop the robot, let the others end, then the robot: it is the first of the graph."""
        now_ns = self._clock.now_ns()
        robot, *others = self._graph.node_names()
        mail.publish(
            "stop", StopRequest(reason=reason, source="runtime", latched=True, stamp_ns=now_ns)
        )
        for ending in (others, [*others, robot]):
            mail.set_phase(RunPhase(is_running=self._has_begun, ending=tuple(ending)))
            here = [self._processes[name] for name in ending if name in self._processes]
            lives = [process.life for process in here]
            if lives:
                _, late = ray.wait(lives, num_returns=len(lives), timeout=timeout_s / 2)
                for process in (process for process in here if process.life in late):
                    _log.warning("node_killed", node=process.spec.name, after_s=timeout_s / 2)
                    ray.kill(process.actor, no_restart=True)


class _EmbeddedRay:
    """Ray for this run only; one that runs already is used and left as it is."""

    def __init__(self) -> None:
        self._is_ours = not ray.is_initialized()
        self._folder: Path | None = None
        self._before = set(psutil.Process().children(recursive=True))
        if self._is_ours:
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        _sweep_stale_folders()
        # Short, because the path of a socket in it may have 107 letters.
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        with _own_signal_handlers():
            ray.init(
                num_cpus=0,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(self._folder),
            )

    def close(self) -> None:
        """Shut Ray down, wait for its processes, and remove its folder."""
        if not self._is_ours:
            return
        children = set(psutil.Process().children(recursive=True)) - self._before
        ray.shutdown()
        _, left = psutil.wait_procs(children, timeout=5)
        for process in left:
            _log.warning("process_killed", pid=process.pid)
            process.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _sweep_stale_folders() -> None:
    """Remove the folders of runs that were killed; another user's stay."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = folder.name.removeprefix(_FOLDER).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep Ray from taking SIGTERM: who started the run decides what it means."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _environment() -> dict[str, str]:
    """What a node's process must find in its environment before it imports anything."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # A plug-in given as `module:Name` must be found there as it is here.
    modules = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return threads | {
        "PYTHONPATH": modules,
        "MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl"),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _raise_cause(life: ray.ObjectRef) -> None:
    """Raise what a node raised while it started, as itself."""
    try:
        ray.get(life)
    except RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise
    raise ConfigError("A node ended by itself while it started.")


def _why_ended(name: str, life: ray.ObjectRef, now_ns: int) -> NodeDown:
    try:
        ray.get(life)
    except RayTaskError as error:
        cause = error.cause
        _log.error("node_raised", node=name, trace=str(error))
        return NodeDown(name, "raised", f"{type(cause).__name__}: {cause}", now_ns)
    except RayError as error:
        return NodeDown(name, "died", str(error).strip().splitlines()[0], now_ns)
    return NodeDown(name, "died", "it ended by itself", now_ns)
