import dataclasses

import pytest

from agent.config import load_config
from agent.graph import Graph, MailboxSpec, NodeSpec, build_graph
from agent.node_host import load_node_class
from bridge.errors import ConfigError, PluginError
from bridge.messages import Goal
from configs import preset_names


def mailbox(name: str, *, external: bool = False) -> MailboxSpec:
    """A mailbox of goals."""
    return MailboxSpec(name=name, kind=Goal, capacity_bytes=4096, external=external)


def node(name: str, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> NodeSpec:
    """A node of which only the edges matter."""
    return NodeSpec(
        name=name,
        node_class="toy:Toy",
        config=None,
        rate_hz=10,
        inputs={each: each for each in reads},
        outputs={each: each for each in writes},
    )


def test_two_writers_of_a_mailbox_are_refused() -> None:
    """A mailbox has one writer; the error names both."""
    with pytest.raises(ConfigError) as caught:
        Graph(nodes=(node("a", writes=("x",)), node("b", writes=("x",))), mailboxes=(mailbox("x"),))
    assert str(caught.value) == "Mailbox 'x' has 2 writers (a, b), and can have only one."


def test_a_node_cannot_write_what_comes_from_outside() -> None:
    """An external mailbox belongs to whoever started the run."""
    with pytest.raises(ConfigError, match=r"2 writers \(a, outside\)"):
        Graph(nodes=(node("a", writes=("x",)),), mailboxes=(mailbox("x", external=True),))


def test_an_input_that_nobody_writes_is_refused() -> None:
    """A node that would wait for ever is found before the run."""
    with pytest.raises(ConfigError) as caught:
        Graph(nodes=(node("a", reads=("x",)),), mailboxes=(mailbox("x"),))
    assert str(caught.value) == (
        "Nobody writes mailbox 'x', which a read: give it a writer, or make it external."
    )


def test_an_unknown_mailbox_is_refused() -> None:
    """A role that points nowhere is found, with the list of what there is."""
    with pytest.raises(ConfigError) as caught:
        Graph(nodes=(node("a", reads=("y",)),), mailboxes=(mailbox("x", external=True),))
    assert str(caught.value) == (
        "Node 'a' uses mailbox 'y' as its 'y', but there is none of that name: x."
    )


def test_two_nodes_of_one_name_are_refused() -> None:
    """Names are how nodes are restarted and heard of."""
    with pytest.raises(ConfigError, match="two nodes called 'a'"):
        Graph(nodes=(node("a"), node("a")), mailboxes=())


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_makes_a_graph_of_known_nodes(preset: str) -> None:
    """Each shipped preset gives a whole graph, and each node's class can be imported."""
    graph = build_graph(load_config(preset))
    for spec in graph.nodes:
        assert callable(load_node_class(spec.node_class))
    assert graph.node_names()[0] == "robot"
    assert ("planner" in graph.node_names()) == (preset != "flat")


def test_the_flat_mode_has_no_planner() -> None:
    """Without a planner nobody waits for its mailboxes, and they can still be read."""
    graph = build_graph(load_config("point_arm", ["fast_brain.mode=flat"]))
    assert "planner" not in graph.node_names()
    assert graph.readers_of("latent") == ()
    assert "planning" in {each.name for each in graph.mailboxes}


def test_rates_and_latencies_come_from_the_configuration() -> None:
    """What the operator sets is what the nodes get."""
    graph = build_graph(
        load_config(
            "point_arm",
            ["slow_brain.rate_hz=3", "fast_brain.policy_rate_hz=7", "runtime.planner_latency_s=1"],
        )
    )
    assert "thinks at up to 3 Hz" in graph.describe()
    assert graph.node("planner").virtual_latency_s == 1
    assert graph.node("policy").rate_hz == 7


def test_the_picture_shows_rates_edges_and_rules() -> None:
    """`describe` says for each node how fast it runs, what it reads and writes, and its rule."""
    picture = build_graph(load_config("point_arm")).describe()
    assert (
        "control    100 Hz  observation, chunk, stop, watchdog_stop, pause ─► command, loop_status"
        in picture
    )
    assert "restarted when it fails; if that does not help, the run goes on without it" in picture
    assert "goal" in picture
    assert "outside ─► planner, policy" in picture
    assert "Command | Hold" in picture


def test_an_unknown_node_class_names_itself() -> None:
    """A path that does not import says which one it was."""
    with pytest.raises(PluginError, match="no_such_module:Node"):
        load_node_class("no_such_module:Node")


def test_a_graph_is_data() -> None:
    """A changed copy is checked like the original."""
    graph = build_graph(load_config("point_arm"))
    with pytest.raises(ConfigError, match="Nobody writes mailbox"):
        dataclasses.replace(graph, nodes=graph.nodes[1:])
