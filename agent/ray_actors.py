# pyright: basic
"""The nodes as Ray actors: launched, asked, waited for and killed; nothing is decided here."""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from agent.embedded_ray import RayError, RayTaskError, ray
from agent.graph_parts import NodeSpec
from agent.logs import get_logger
from agent.node_process import NodeProcess
from agent.shared_mailboxes import SharedMailboxes
from agent.supervisor import NodeDown
from bridge.clock import SystemClock
from bridge.errors import ConfigError
from bridge.messages import NodeHealth

# Ray's reference to the result of a call.
_Life = Any
_log = get_logger("runtime")


@dataclass
class _Actor:
    """An actor and the one call that is its life."""

    handle: Any
    life: _Life
    launched_ns: int


class NodeActors:
    """The processes that are up, by node. Ray restarts none of them: the supervisor does."""

    def __init__(self, mail: SharedMailboxes, clock: SystemClock) -> None:
        self._mail = mail
        self._clock = clock
        self._actors: dict[str, _Actor] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes that have a process, as far as is known."""
        return tuple(self._actors)

    def launched_ns(self, name: str) -> int:
        """When a node's process was launched [ns]."""
        return self._actors[name].launched_ns

    def launch(self, spec: NodeSpec) -> None:
        """Start a process for a node; returns before it is ready."""
        actor_class: Any = ray.remote(NodeProcess)
        handle = actor_class.options(
            num_cpus=0,
            max_concurrency=2,
            # One owner of restarts: docs/decisions/003-one-supervisor.md.
            max_restarts=0,
            max_task_retries=0,
            name=f"{self._mail.run_id}.{spec.name}.{secrets.token_hex(2)}",
            runtime_env={"env_vars": _environment()},
        ).remote(spec, **self._mail.of_node(spec))
        self._actors[spec.name] = _Actor(handle, handle.live.remote(), self._clock.now_ns())

    def kill(self, name: str) -> bool:
        """End a node's process at once; False if it has none."""
        actor = self._actors.pop(name, None)
        if actor is None:
            return False
        # Ray only asks the process to exit, which one that was stopped or hangs does not hear, and
        # without its head it asks nobody: so only for one that has given no sign yet.
        if not _kill_child(self._mail.health(name), actor.launched_ns):
            ray.kill(actor.handle, no_restart=True)
        return True

    def ended(self, timeout_s: float) -> list[NodeDown]:
        """Wait up to `timeout_s` [s]; the nodes whose life is over although nobody asked for it."""
        names = {actor.life: name for name, actor in self._actors.items()}
        if not names:
            self._clock.sleep_until_ns(self._clock.now_ns() + round(timeout_s * 1e9))
            return []
        over, _ = ray.wait(list(names), num_returns=1, timeout=timeout_s)
        return [_why_ended(names[life], life, self._clock.now_ns()) for life in over]

    def raise_causes(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` [s], and raise what a node raised while it started.

        Raises:
            ConfigError: A node ended without a word.
            TandemError: Whatever the node raised.
        """
        over, _ = ray.wait([actor.life for actor in self._actors.values()], timeout=timeout_s)
        for life in over:
            _raise_cause(life)

    def outliving(self, names: Iterable[str], timeout_s: float) -> list[str]:
        """Wait up to `timeout_s` [s] for these to end; those that did not."""
        lives = {self._actors[name].life: name for name in names if name in self._actors}
        if not lives:
            return []
        _, late = ray.wait(list(lives), num_returns=len(lives), timeout=timeout_s)
        return [lives[life] for life in late]

    def declared_specs(self, timeout_s: float) -> dict[str, object]:
        """What each node declares about its plug-in, by node."""
        asked = {name: actor.handle.declared_spec.remote() for name, actor in self._actors.items()}
        return dict(zip(asked, ray.get(list(asked.values()), timeout=timeout_s), strict=True))


def _kill_child(sign: NodeHealth | None, launched_ns: int) -> bool:
    """Kill the process that gave this sign of life, if it is one of ours and of this launch.

    Returns:
        Whether it is gone now.
    """
    if sign is None or sign.stamp_ns < launched_ns:
        return False
    for child in psutil.Process().children(recursive=True):
        if child.pid == sign.pid:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    return True


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


def _raise_cause(life: _Life) -> None:
    """Raise what a node raised while it started, as itself."""
    try:
        ray.get(life)
    except RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise
    raise ConfigError("A node ended by itself while it started.")


def _why_ended(name: str, life: _Life, now_ns: int) -> NodeDown:
    try:
        ray.get(life)
    except RayTaskError as error:
        cause = error.cause
        _log.error("node_raised", node=name, trace=str(error))
        return NodeDown(name, "raised", f"{type(cause).__name__}: {cause}", now_ns)
    except RayError as error:
        # The first line says what happened; the last is the error of one that did not come up.
        first, *more = str(error).strip().splitlines()
        cause = [line for line in more[-1:] if "Error: " in line]
        return NodeDown(name, "died", " ".join([first, *cause]), now_ns)
    return NodeDown(name, "died", "it ended by itself", now_ns)
