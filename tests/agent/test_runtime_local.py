import time
from typing import Any

import pytest

from agent.config import RestartRule, RuntimeConfig
from agent.graph import Graph, MailboxSpec, NodeSpec
from agent.runtime import Runtime
from agent.runtime_local import LocalRuntime
from bridge.errors import ConfigError, ContractError, PluginError, RuntimeStopped
from bridge.messages import Goal, StopRequest

S = 1_000_000_000
GOAL = Goal(text="hello", id="g", source="test", stamp_ns=0)


def node(name: str, kind: str = "Counter", rate_hz: float = 10.0, **more: Any) -> NodeSpec:
    """A toy node; its output is a mailbox of its own name."""
    return NodeSpec(
        name=name,
        node_class=f"toy_nodes:{kind}",
        config=None,
        rate_hz=rate_hz,
        outputs={"out": name},
        **more,
    )


def run_of(*nodes: NodeSpec, **settings: Any) -> LocalRuntime:
    """A run of toy nodes, with a `goal` and a `stop` from outside."""
    mailboxes = [MailboxSpec(name=spec.name, kind=Goal, capacity_bytes=4096) for spec in nodes]
    mailboxes += [
        MailboxSpec(name="goal", kind=Goal, capacity_bytes=4096, external=True),
        MailboxSpec(name="stop", kind=StopRequest, capacity_bytes=4096, external=True),
    ]
    return LocalRuntime(
        Graph(nodes=nodes, mailboxes=tuple(mailboxes), runtime=RuntimeConfig(**settings))
    )


def started(*nodes: NodeSpec, **settings: Any) -> LocalRuntime:
    """A run that has begun."""
    run = run_of(*nodes, **settings)
    run.start()
    return run


def test_it_is_a_runtime() -> None:
    """Whoever drives a run need not know which kind it is."""
    assert isinstance(run_of(node("a")), Runtime)


def test_nodes_are_stepped_at_their_rates() -> None:
    """In two virtual seconds a 10 Hz node makes 21 steps and a 4 Hz node 9, both ends included."""
    run = started(node("a", rate_hz=10), node("b", rate_hz=4))
    run.run_for(2.0)
    assert len(run.node("a").stepped_ns) == 21
    assert len(run.node("b").stepped_ns) == 9


def test_a_run_is_the_same_every_time() -> None:
    """Two runs of one graph step the same nodes at the same times."""

    def history() -> list[tuple[str, int]]:
        echo = node("e", "Echo", rate_hz=7, inputs={"in": "a"}, virtual_latency_s=0.03)
        run = started(node("a", rate_hz=13), echo)
        run.run_for(5.0)
        return run.node("e").heard

    assert history() == history() != []


def test_at_one_instant_nodes_are_stepped_in_the_order_of_the_graph() -> None:
    """What the first publishes, the second reads at the same instant."""
    run = started(node("a"), node("b", "Echo", inputs={"in": "a"}))
    run.run_for(0.0)
    assert run.read("b").text == "1"


def test_a_slow_node_is_heard_after_its_latency_and_is_busy_meanwhile() -> None:
    """A node of 10 Hz that takes 0.25 s publishes 0.25 s later, and steps at every third beat."""
    run = started(node("a", virtual_latency_s=0.25))
    begin_ns = run.clock.now_ns()
    run.run_for(0.24)
    assert run.read("a") is None
    run.run_for(0.01)
    assert run.read("a").text == "1"
    run.run_for(0.35)
    stepped_s = [(at_ns - begin_ns) / S for at_ns in run.node("a").stepped_ns]
    assert stepped_s == [0.0, 0.3, 0.6]


def test_measured_latency_is_the_real_time_of_the_step() -> None:
    """With measured latency a node is heard later by what it computed, not what it declared."""
    graph = run_of(node("a", virtual_latency_s=100.0))._graph
    run = LocalRuntime(graph, measured_latency=True)
    run.start()
    began = time.perf_counter()
    run.run_for(2.0)
    assert run.read("a") is not None
    assert len(run.node("a").stepped_ns) > 2
    assert time.perf_counter() - began < 2.0


def test_a_step_with_nothing_to_do_takes_no_time() -> None:
    """A node that only says that it lives is heard at once and keeps its rate."""
    run = started(node("a", virtual_latency_s=0.25, idle_messages=1))
    run.run_for(1.0)
    assert run.read("a").text == "11"
    assert len(run.node("a").stepped_ns) == 11


def test_a_node_that_raises_is_restarted_after_its_backoff() -> None:
    """A restarted node is a new one; the others have not missed a beat."""
    run = started(node("a"), node("r", "Raising", restart="on_failure"), restart_backoff_s=0.5)
    first = run.node("r")
    run.run_for(0.3)
    assert first.is_closed
    assert run.health()["r"].last_error == "RuntimeError: the third step"
    with pytest.raises(ConfigError, match="not running now"):
        run.node("r")
    run.run_for(0.5)
    assert run.node("r") is not first
    assert len(run.node("a").stepped_ns) == 9


def test_a_node_that_hangs_is_restarted_without_being_heard() -> None:
    """A step longer than the limit counts as hung: its result never arrives."""
    run = started(
        node("a"),
        node("h", virtual_latency_s=60.0, hang_after_s=2.0, restart="on_failure"),
        restart_backoff_s=0.5,
    )
    first = run.node("h")
    run.run_for(3.0)
    assert run.node("h") is not first
    assert run.read("h") is None
    assert len(run.node("a").stepped_ns) == 31


def test_a_node_without_which_nothing_goes_ends_the_run() -> None:
    """The run ends with the reason, every node is closed, and what came last can still be read."""
    run = started(node("a"), node("r", "Raising"))
    counter = run.node("a")
    with pytest.raises(RuntimeStopped, match="r raised: RuntimeError: the third step"):
        run.run_for(5.0)
    assert counter.is_closed
    assert run.stopped_because.startswith("r raised")
    assert run.read("a").text == "3"
    with pytest.raises(RuntimeStopped):
        run.publish("goal", GOAL)


def test_an_optional_node_that_keeps_failing_stays_down() -> None:
    """After the allowed restarts the run goes on without it."""
    run = started(
        node("a"),
        node("r", "Raising", restart="on_failure", optional=True),
        restart_backoff_s=0.1,
        max_restarts=2,
    )
    run.run_for(10.0)
    assert len(run.node("a").stepped_ns) == 101
    assert not run.health()["r"].ready


def test_a_node_that_does_not_start_leaves_nothing_open() -> None:
    """When one node fails to start the error is its own, and the others are closed again."""
    run = run_of(node("a"), node("n", "NotStarting"))
    with pytest.raises(RuntimeError, match="no such camera"):
        run.start()
    assert run.stopped_because == "it did not start: no such camera"
    with pytest.raises(RuntimeStopped):
        run.start()


def test_parts_that_do_not_fit_are_refused_before_the_first_step() -> None:
    """A policy that needs other latents than the planner's is found when the run starts."""
    run = run_of(node("planner", "WidePlanner"), node("policy", "NarrowPolicy"))
    with pytest.raises(ContractError, match="planner latent"):
        run.start()
    assert run.read("planner") is None


def test_only_external_mailboxes_take_messages_from_outside() -> None:
    """A wrong name and a wrong type are refused, and say what is possible."""
    run = started(node("a"))
    with pytest.raises(ConfigError, match="what can: goal, stop"):
        run.publish("a", GOAL)
    with pytest.raises(ContractError, match="StopRequest"):
        run.publish("stop", GOAL)
    with pytest.raises(ConfigError, match="There is no mailbox 'b'"):
        run.read("b")


def test_a_goal_is_seen_at_the_next_step() -> None:
    """What comes from outside has no latency."""
    run = started(node("e", "Echo", inputs={"in": "goal"}))
    run.publish("goal", GOAL)
    assert run.run_until(lambda: run.read("e") is not None, 1.0)
    assert run.read("e").text == "hello"


@pytest.mark.parametrize("latency_s", [None, 0.3])
def test_what_was_left_is_there_from_the_first_step(latency_s: float | None) -> None:
    """Any mailbox may hold something before the start, however late its writer is heard."""
    run = run_of(node("a", virtual_latency_s=latency_s), node("b", "Echo", inputs={"in": "a"}))
    run.leave("a", ("somebody", 77))
    assert run.read("a") == ("somebody", 77)
    run.start()
    with pytest.raises(ConfigError, match="has started"):
        run.leave("a", ("somebody", 78))


def test_waiting_in_vain_ends_at_the_limit() -> None:
    """`run_until` gives up after exactly the time it was given."""
    run = started(node("a"))
    begin_ns = run.clock.now_ns()
    assert not run.run_until(lambda: False, 1.05)
    assert run.clock.now_ns() - begin_ns == 1_050_000_000


def test_a_run_must_be_started_and_stops_once() -> None:
    """Time does not pass before the start; stopping twice is no error."""
    run = run_of(node("a"))
    with pytest.raises(ConfigError, match="call start"):
        run.run_for(1.0)
    run.start()
    run.stop()
    run.stop(timeout_s=1.0)
    with pytest.raises(RuntimeStopped, match="it was asked to"):
        run.run_for(1.0)


def test_health_tells_steps_and_readiness() -> None:
    """Each node's sign of life is a mailbox as well."""
    run = started(node("a"))
    run.run_for(1.0)
    sign = run.read("health.a")
    assert sign.ready
    assert sign.steps >= 9
    assert run.health() == {"a": sign}


def test_a_node_whose_plug_in_is_missing_names_it() -> None:
    """A node class that does not import is the author's error, with its path."""
    run = run_of(node("a", "NoSuchNode"))
    with pytest.raises(PluginError, match="toy_nodes:NoSuchNode"):
        run.start()


def test_a_killed_node_is_not_closed_and_comes_back() -> None:
    """A death is seen at once: nothing is tidied up, and the supervisor decides what follows."""
    run = started(node("a"), node("k", restart="on_failure"), restart_backoff_s=0.5)
    first = run.node("k")
    run.run_for(0.3)
    run.kill("k")
    run.run_for(0.3)
    assert not first.is_closed
    assert [incident.failure.kind for incident in run.incidents] == ["died"]
    run.run_for(0.5)
    assert run.node("k") is not first


@pytest.mark.parametrize(("frozen_s", "returns"), [(1.0, True), (3.0, False)])
def test_a_frozen_node_goes_on_unless_it_takes_too_long(*, frozen_s: float, returns: bool) -> None:
    """A pause below the limit is only a pause; a longer one counts as hung."""
    run = started(node("a"), node("f", optional=True, hang_after_s=2.0))
    run.run_for(0.05)
    run.freeze("f", frozen_s)
    run.run_for(0.9)
    assert run.read("f").text == "1"
    run.run_for(4.0)
    assert (run.read("f").text != "1") == returns
    assert [incident.failure.kind for incident in run.incidents] == ([] if returns else ["hung"])
    assert len(run.node("a").stepped_ns) == 50


def test_a_node_that_is_slowed_down_is_seen_later() -> None:
    """The extra time comes on top of the declared latency, until it is taken back."""
    run = started(node("s", virtual_latency_s=0.1))
    run.slow_down("s", 0.5)
    run.run_for(0.55)
    assert run.read("s") is None
    run.run_for(0.1)
    assert run.read("s").text == "1"


def test_dependents_return_with_the_node_that_fell() -> None:
    """A node that depends on one that died is taken down with it and is new as well."""
    rule = RestartRule(backoff_s=0.5, dependents=("d",))
    run = started(
        node("d", restart="on_failure"), node("k", restart="on_failure"), restarts={"k": rule}
    )
    first = run.node("d")
    run.kill("k")
    run.run_for(0.1)
    assert first.is_closed
    run.run_for(0.6)
    assert run.node("d") is not first
    assert len(run.incidents) == 1
