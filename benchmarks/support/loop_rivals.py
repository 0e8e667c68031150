"""The rivals' designs around the same control loop, robot and policy, each in a fresh process.

`thread`: the loop is a thread of the planner's process. `asyncio`: it is a task of an event loop
beside which the planner works in a thread. `ray`: it asks the policy by one Ray call a tick, and
the planner is another actor. As rivals ship them, none tells the kernel who matters; "thread, with
priority" does, to see what that alone is worth.
"""

import asyncio
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.support.loop_nodes import TimedControl, TimedControlNode, plan_writer
from bridge.clock import SystemClock
from bridge.messages import ActionChunk, Goal, Observation
from bridge.transports.in_process import InProcessLatestValue
from fast_brain.config import FastBrainConfig, FastBrainNodeConfig, RobotConfig
from fast_brain.policy_node import PolicyNode
from fast_brain.rate_keeper import RateKeeper
from fast_brain.realtime import become_realtime, read_realtime, run_at_rate
from fast_brain.robot_node import RobotNode

DESIGNS = ("thread", "thread, with priority", "asyncio", "ray")
RATE_HZ = 100.0
_NS_PER_S = 1_000_000_000
_SETTLE_S = 3.0
_PATIENCE_S = 60.0
_POLICY_EVERY_TICKS = 20
_MAILBOXES = (
    "goal", "stop", "watchdog_stop", "observation", "planning", "latent", "chunk", "memory",
    "command", "loop_status", "world",
)  # fmt: skip
Ask = Callable[[Observation], ActionChunk | None]


class RivalLoop:
    """Robot, policy and control loop in one thread; a tick is `step`.

    Args:
        log_path: Where the log of the ticks goes.
        most_ticks: How many it has room for.
        ask: Answers an observation with a chunk, at each tick; None for a policy in this thread
            that acts five times a second, as in ours.
    """

    def __init__(self, log_path: Path, most_ticks: int, ask: Ask | None = None) -> None:
        clock = SystemClock()
        mail = {name: InProcessLatestValue[Any]() for name in _MAILBOXES}
        settings = node_settings()
        nodes: dict[str, Any] = {"inputs": mail, "outputs": mail, "clock": clock}
        self._robot = RobotNode(config=settings, **nodes)
        self._policy = PolicyNode(config=settings, **nodes)
        self._control = TimedControlNode(
            config=TimedControl(settings, log_path, most_ticks), **nodes
        )
        self._mail, self._ask, self._ticks = mail, ask, 0
        for node in (self._robot, self._policy, self._control):
            node.start()
        mail["goal"].publish(Goal(text="stay", id="g", source="bench", stamp_ns=clock.now_ns()))

    def step(self, now_ns: int) -> None:
        """One tick: look, perhaps act, decide, command."""
        self._robot.step(now_ns)
        if self._ask is not None:
            chunk = self._ask(self._mail["observation"].read())
            if chunk is not None:
                self._mail["chunk"].publish(chunk)
        elif self._ticks % _POLICY_EVERY_TICKS == 0:
            self._policy.step(now_ns)
        self._ticks += 1
        self._control.step(now_ns)

    def close(self) -> None:
        """Write the log, and let go."""
        for node in (self._control, self._policy, self._robot):
            node.close()


class RemotePolicy:
    """The same policy node, asked by calls."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._mail = {name: InProcessLatestValue[Any]() for name in _MAILBOXES}
        self._node = PolicyNode(
            config=node_settings(), inputs=self._mail, outputs=self._mail, clock=self._clock
        )
        self._node.start()
        goal = Goal(text="stay", id="g", source="bench", stamp_ns=self._clock.now_ns())
        self._mail["goal"].publish(goal)

    def act(self, observation: Observation) -> ActionChunk | None:
        """A chunk for an observation."""
        self._mail["observation"].publish(observation)
        self._node.step(self._clock.now_ns())
        return self._mail["chunk"].read()


class RemotePlanner:
    """The same model, writing plans without pause."""

    def __init__(self) -> None:
        self._write = plan_writer()

    def write_for(self, seconds: float) -> None:
        """Write plans for a time [s]."""
        clock = SystemClock()
        end_ns = clock.now_ns() + round(seconds * _NS_PER_S)
        while clock.now_ns() < end_ns:
            self._write()


def node_settings() -> FastBrainNodeConfig:
    """The same robot and policy as in ours, without a planner's subtask to wait for."""
    fast_brain = FastBrainConfig(policy="hold", mode="flat", control_rate_hz=RATE_HZ)
    return FastBrainNodeConfig(robot=RobotConfig(kind="point_arm"), fast_brain=fast_brain)


def run_rival(connection: Connection, design: str, path: Path, seconds: float) -> None:
    """Run a design for a time, and send when the measured part began and ended [ns], and how.

    For `other_process`. Beside it the planner writes plans without pause.
    """
    runs = {"asyncio": _run_asyncio, "ray": _run_ray}
    if design in runs:
        window = runs[design](path, seconds)
    else:
        asks = design == "thread, with priority"
        window = _run_thread(path, seconds, asks_for_priority=asks)
    connection.send(window)


def _most_ticks(seconds: float) -> int:
    return round((seconds + _SETTLE_S + _PATIENCE_S) * RATE_HZ)


def _run_thread(path: Path, seconds: float, *, asks_for_priority: bool) -> tuple[int, int, str]:
    clock, told = SystemClock(), list[str]()
    stop = threading.Event()
    planner = threading.Thread(target=_write_until, args=(stop, plan_writer()), daemon=True)
    loop = RivalLoop(path, _most_ticks(seconds))
    planner.start()
    window = _window(clock, seconds)

    def live() -> None:
        granted = become_realtime() if asks_for_priority else read_realtime()
        told.append(str(granted))
        run_at_rate(loop, clock, RATE_HZ, lambda: clock.now_ns() >= window[1])

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    thread.join(seconds + _SETTLE_S + _PATIENCE_S)
    stop.set()
    planner.join(_PATIENCE_S)
    loop.close()
    return (*window, told[0])


def _run_asyncio(path: Path, seconds: float) -> tuple[int, int, str]:
    clock, stop = SystemClock(), threading.Event()
    write = plan_writer()
    loop = RivalLoop(path, _most_ticks(seconds))
    window = _window(clock, seconds)

    async def tick() -> None:
        keeper = RateKeeper(RATE_HZ)
        while clock.now_ns() < window[1]:
            await asyncio.sleep(max(0, keeper.next_deadline_ns - clock.now_ns()) / _NS_PER_S)
            now_ns = clock.now_ns()
            keeper.beat(now_ns)
            loop.step(now_ns)
        stop.set()

    async def live() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(_write_until, stop, write))
            group.create_task(tick())

    asyncio.run(live())
    loop.close()
    return (*window, str(read_realtime()))


def _run_ray(path: Path, seconds: float) -> tuple[int, int, str]:
    from benchmarks.support.ray_session import ray_session

    with ray_session():
        import ray

        remote: Any = ray.remote
        policy = remote(RemotePolicy).options(num_cpus=0).remote()
        planner = remote(RemotePlanner).options(num_cpus=0).remote()
        # Returns once the model is loaded.
        ray.get(planner.write_for.remote(0.0))
        clock = SystemClock()
        loop = RivalLoop(path, _most_ticks(seconds), lambda seen: ray.get(policy.act.remote(seen)))
        planner.write_for.remote(seconds + 2 * _SETTLE_S)
        window = _window(clock, seconds)
        run_at_rate(loop, clock, RATE_HZ, lambda: clock.now_ns() >= window[1])
        loop.close()
        return (*window, str(read_realtime()))


def _window(clock: SystemClock, seconds: float) -> tuple[int, int]:
    """When the measured part begins and ends: what loading has left behind is over by then."""
    begin_ns = clock.now_ns() + round(_SETTLE_S * _NS_PER_S)
    return begin_ns, begin_ns + round(seconds * _NS_PER_S)


def _write_until(stop: threading.Event, write: Callable[[], None]) -> None:
    while not stop.is_set():
        write()
