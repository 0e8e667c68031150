import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.config import RuntimeConfig
from agent.graph import Graph, MailboxSpec, NodeSpec
from agent.runtime import Runtime
from agent.runtime_ray import RayRuntime
from bridge.errors import ContractError, RuntimeStopped
from bridge.messages import Goal, StopRequest
from bridge.transports.segments import list_segments

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def node(name: str, kind: str = "Counter", **more: Any) -> NodeSpec:
    """A toy node of 50 Hz; its output is a mailbox of its own name."""
    return NodeSpec(
        name=name,
        node_class=f"toy_nodes:{kind}",
        config=None,
        rate_hz=50.0,
        outputs={"out": name},
        **more,
    )


def run_of(*nodes: NodeSpec, **settings: Any) -> RayRuntime:
    """A run of toy nodes, with a `goal` and a `stop` from outside."""
    mailboxes = [MailboxSpec(name=spec.name, kind=Goal, capacity_bytes=4096) for spec in nodes]
    mailboxes += [
        MailboxSpec(name="goal", kind=Goal, capacity_bytes=4096, external=True),
        MailboxSpec(name="stop", kind=StopRequest, capacity_bytes=4096, external=True),
    ]
    quick = {"stop_timeout_s": 4.0, "restart_backoff_s": 0.1, **settings}
    return RayRuntime(
        Graph(nodes=nodes, mailboxes=tuple(mailboxes), runtime=RuntimeConfig(**quick))
    )


def steps_of(run: RayRuntime, name: str) -> int:
    """How far a counter has counted."""
    message = run.read(name)
    return 0 if message is None else int(message.text)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """After each test no process, no shared memory and no folder of the run is left."""
    before = set(psutil.Process().children(recursive=True))
    folders = set(Path("/tmp").glob("tandem-ray-*"))  # noqa: S108  # Only looked at.
    yield
    _, left = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - before, 2)
    assert left == []
    assert [path for path in list_segments() if f"-{os.getpid()}-" in path.name] == []
    assert set(Path("/tmp").glob("tandem-ray-*")) <= folders  # noqa: S108


def test_a_run_of_processes_counts_restarts_and_ends() -> None:
    """Nodes run in processes of their own on loopback; a killed one comes back, others go on."""
    run = run_of(
        node("a"), node("e", "Echo", inputs={"in": "goal"}), node("k", restart="on_failure")
    )
    assert isinstance(run, Runtime)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        run.start()
        assert signal.getsignal(signal.SIGTERM) is handler
        assert run.run_until(lambda: steps_of(run, "a") > 10 and steps_of(run, "k") > 10, 10)
        run.publish("goal", Goal(text="hello", id="g", source="test", stamp_ns=run.clock.now_ns()))
        assert run.run_until(lambda: run.read("e") is not None, 5)
        assert run.read("e").text == "hello"
        pids = {name: sign.pid for name, sign in run.health().items()}
        assert len({os.getpid(), *pids.values()}) == 4
        assert listening_elsewhere() == set()

        os.kill(pids["k"], signal.SIGKILL)
        assert run.run_until(lambda: run.health()["k"].pid != pids["k"], 15)
        before = steps_of(run, "a")
        assert run.run_until(lambda: steps_of(run, "a") > before + 10, 5)
        assert {name: sign.pid for name, sign in run.health().items() if name != "k"} == {
            "a": pids["a"],
            "e": pids["e"],
        }
    finally:
        run.stop()
    assert run.stopped_because == "it was asked to"
    assert steps_of(run, "a") > 0
    assert not run.health()["a"].ready
    with pytest.raises(RuntimeStopped):
        run.publish("goal", Goal(text="", id="", source="", stamp_ns=0))


def test_a_node_that_nothing_goes_without_ends_the_run() -> None:
    """When such a node raises, everything ends, and the reason is what it raised."""
    run = run_of(node("a"), node("r", "Raising"))
    run.start()
    try:
        with pytest.raises(RuntimeStopped, match="r raised: RuntimeError: the third step"):
            run.run_until(lambda: False, 15)
    finally:
        run.stop()
    assert run.stopped_because.startswith("r raised")


def test_a_node_that_hangs_is_killed_and_the_others_go_on() -> None:
    """A silent node is noticed and given up; the stop at the end is not held up by it."""
    run = run_of(node("a"), node("h", "Hanging", optional=True, hang_after_s=1.0))
    run.start()
    try:
        assert run.run_until(lambda: steps_of(run, "h") == 1, 5)
        before = steps_of(run, "a")
        pid = run.health()["h"].pid
        assert run.run_until(lambda: not psutil.pid_exists(pid), 10)
        assert run.run_until(lambda: steps_of(run, "a") > before + 20, 5)
    finally:
        run.stop()


def test_parts_that_do_not_fit_never_move() -> None:
    """A mismatch found at the start is raised as itself, and nothing has stepped."""
    run = run_of(node("planner", "WidePlanner"), node("policy", "NarrowPolicy"))
    with pytest.raises(ContractError, match="planner latent"):
        run.start()
    assert run.read("planner") is None


def test_a_node_that_does_not_start_says_why() -> None:
    """What a node raised in its own process arrives here as what it was."""
    run = run_of(node("a"), node("n", "NotStarting"))
    with pytest.raises(RuntimeError, match="no such camera"):
        run.start()
    assert run.stopped_because == "it did not start: no such camera"


def listening_elsewhere() -> set[str]:
    """Addresses other than loopback that our processes listen on."""
    loopback = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    return {
        f"{process.name()} {connection.laddr.ip}:{connection.laddr.port}"
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip not in loopback
    }
