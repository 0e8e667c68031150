import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import RestartRule, RuntimeConfig
from agent.graph import Graph, NodeSpec
from agent.supervisor import GoWithout, Incident, NodeDown, Restart, StopAll, Supervisor
from bridge.errors import ConfigError, UnknownNameError
from bridge.messages import NodeHealth

S = 1_000_000_000
CONFIG = RuntimeConfig(
    restart_backoff_s=1, restart_backoff_max_s=4, restart_window_s=100, max_restarts=3
)


def spec(name: str, **rules: object) -> NodeSpec:
    """A node of which only the rules matter."""
    return NodeSpec(name=name, node_class="toy:Toy", config=None, rate_hz=10, **rules)  # type: ignore[arg-type]


def supervising(*nodes: NodeSpec, config: RuntimeConfig = CONFIG) -> Supervisor:
    """A supervisor of these nodes."""
    return Supervisor(Graph(nodes=nodes, mailboxes=(), runtime=config))


def down(node: str, stamp_ns: int) -> NodeDown:
    """A node that raised."""
    return NodeDown(node, "raised", "boom", stamp_ns)


def test_a_node_that_the_robot_moves_by_ends_the_run() -> None:
    """A node that is never restarted and not optional stops everything, and the reason says so."""
    supervisor = supervising(spec("control"))
    assert supervisor.on_node_down(down("control", 0)) == StopAll("control raised: boom")


def test_backoff_doubles_up_to_its_limit() -> None:
    """Restarts come after 1, 2 and 4 s, and the fourth failure within the window is the last."""
    supervisor = supervising(spec("policy", restart="on_failure"))
    answers = [supervisor.on_node_down(down("policy", k * S)) for k in range(3)]
    assert answers == [
        Restart("policy", 1 * S, 1),
        Restart("policy", 3 * S, 2),
        Restart("policy", 6 * S, 3),
    ]
    last = supervisor.on_node_down(down("policy", 4 * S))
    assert last == StopAll("policy raised: boom (4 times within 100 s)")


def test_an_optional_node_that_keeps_failing_is_left_down() -> None:
    """The run goes on without a planner that was restarted as often as allowed."""
    supervisor = supervising(spec("planner", restart="on_failure", optional=True))
    answers = [supervisor.on_node_down(down("planner", k)) for k in range(4)]
    assert isinstance(answers[-1], GoWithout)


def test_old_failures_are_forgiven() -> None:
    """A failure outside the window does not count, so backoff starts again."""
    supervisor = supervising(spec("policy", restart="on_failure"))
    for k in range(3):
        supervisor.on_node_down(down("policy", k * S))
    answer = supervisor.on_node_down(down("policy", 200 * S))
    assert answer == Restart("policy", 201 * S, 1)


def test_a_node_can_have_a_rule_of_its_own() -> None:
    """What one node's rule says differs for it alone; what it leaves out is the run's."""
    rule = RestartRule(backoff_s=0.5, max_restarts=1)
    config = CONFIG.model_copy(update={"restarts": {"policy": rule}})
    policy, planner = (spec(name, restart="on_failure") for name in ("policy", "planner"))
    supervisor = supervising(policy, planner, config=config)
    assert supervisor.on_node_down(down("policy", 0)) == Restart("policy", S // 2, 1)
    assert supervisor.on_node_down(down("planner", 0)) == Restart("planner", S, 1)
    last = supervisor.on_node_down(down("policy", S))
    assert last == StopAll("policy raised: boom (2 times within 100 s)")


def test_a_node_can_be_told_never_to_return() -> None:
    """A rule of "never" gives an optional node up at its first failure."""
    config = CONFIG.model_copy(update={"restarts": {"planner": RestartRule(when="never")}})
    supervisor = supervising(spec("planner", restart="on_failure", optional=True), config=config)
    assert supervisor.on_node_down(down("planner", 0)) == GoWithout(
        "planner", "planner raised: boom"
    )


def test_dependents_return_together_and_theirs_too() -> None:
    """Who depends on a node is started anew with it, in the order of the graph, each once."""
    rules = {
        "a": RestartRule(dependents=("b",)),
        "b": RestartRule(dependents=("c", "a")),
    }
    config = CONFIG.model_copy(update={"restarts": rules})
    nodes = [spec(name, restart="on_failure") for name in "cdba"]
    answer = supervising(*nodes, config=config).on_node_down(down("a", 0))
    assert answer == Restart("a", S, 1, ("c", "b"))
    assert isinstance(answer, Restart)
    assert answer.nodes == ("a", "c", "b")


def test_a_rule_for_a_node_that_must_not_return_is_refused() -> None:
    """The robot and the control loop are not restarted while the robot moves, whatever is set."""
    config = CONFIG.model_copy(update={"restarts": {"control": RestartRule()}})
    with pytest.raises(ConfigError, match="'control' is never restarted"):
        supervising(spec("control"), spec("policy", restart="on_failure"), config=config)
    config = CONFIG.model_copy(update={"restarts": {"policy": RestartRule(dependents=("robot",))}})
    with pytest.raises(UnknownNameError, match="No restartable node is called 'robot'"):
        supervising(spec("robot"), spec("policy", restart="on_failure"), config=config)


def test_what_fell_is_remembered_with_its_answer() -> None:
    """Each failure is kept beside the decision, in order."""
    supervisor = supervising(spec("policy", restart="on_failure"))
    events = [down("policy", 0), down("policy", S)]
    answers = [supervisor.on_node_down(event) for event in events]
    assert supervisor.incidents == tuple(map(Incident, events, answers))


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_a_restart_is_always_later_and_never_later_than_the_limit(stamps: list[int]) -> None:
    """Whenever failures come, a restart lies between the first and the longest backoff ahead."""
    supervisor = supervising(spec("policy", restart="on_failure"))
    for stamp in sorted(stamps):
        answer = supervisor.on_node_down(down("policy", stamp * S))
        if isinstance(answer, Restart):
            assert stamp * S + 1 * S <= answer.at_ns <= stamp * S + 4 * S
            assert answer.attempt <= CONFIG.max_restarts
        else:
            assert isinstance(answer, StopAll)


@pytest.mark.parametrize(
    ("sign_ns", "ready", "now_s", "expected"),
    [
        (None, False, 179, ""),
        (None, False, 181, "silent for 181.0 s"),
        (2 * S, True, 6, ""),
        (2 * S, True, 9, "silent for 7.0 s"),
        # A sign from before it was launched anew says nothing about the new process.
        (-1, True, 9, ""),
    ],
)
def test_silence_is_judged_by_the_phase_of_life(
    *, sign_ns: int | None, ready: bool, now_s: int, expected: str
) -> None:
    """A node may be silent for long while it loads, and for `hang_after_s` once it is ready."""
    supervisor = supervising(spec("policy", hang_after_s=5.0))
    sign = (
        NodeHealth(node="policy", pid=1, steps=0, stamp_ns=sign_ns, ready=ready)
        if sign_ns is not None
        else None
    )
    assert supervisor.silence("policy", sign, 0, now_s * S) == expected
