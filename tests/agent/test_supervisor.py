import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import RuntimeConfig
from agent.graph import NodeSpec
from agent.supervisor import GoWithout, NodeDown, Restart, StopAll, Supervisor
from bridge.messages import NodeHealth

S = 1_000_000_000
CONFIG = RuntimeConfig(
    restart_backoff_s=1, restart_backoff_max_s=4, restart_window_s=100, max_restarts=3
)


def spec(name: str, **rules: object) -> NodeSpec:
    """A node of which only the rules matter."""
    return NodeSpec(name=name, node_class="toy:Toy", config=None, rate_hz=10, **rules)  # type: ignore[arg-type]


def down(node: str, stamp_ns: int) -> NodeDown:
    """A node that raised."""
    return NodeDown(node, "raised", "boom", stamp_ns)


def test_a_node_that_the_robot_moves_by_ends_the_run() -> None:
    """A node that is never restarted and not optional stops everything, and the reason says so."""
    supervisor = Supervisor([spec("control")], CONFIG)
    assert supervisor.on_node_down(down("control", 0)) == StopAll("control raised: boom")


def test_backoff_doubles_up_to_its_limit() -> None:
    """Restarts come after 1, 2 and 4 s, and the fourth failure within the window is the last."""
    supervisor = Supervisor([spec("policy", restart="on_failure")], CONFIG)
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
    supervisor = Supervisor([spec("planner", restart="on_failure", optional=True)], CONFIG)
    answers = [supervisor.on_node_down(down("planner", k)) for k in range(4)]
    assert isinstance(answers[-1], GoWithout)


def test_old_failures_are_forgiven() -> None:
    """A failure outside the window does not count, so backoff starts again."""
    supervisor = Supervisor([spec("policy", restart="on_failure")], CONFIG)
    for k in range(3):
        supervisor.on_node_down(down("policy", k * S))
    answer = supervisor.on_node_down(down("policy", 200 * S))
    assert answer == Restart("policy", 201 * S, 1)


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_a_restart_is_always_later_and_never_later_than_the_limit(stamps: list[int]) -> None:
    """Whenever failures come, a restart lies between the first and the longest backoff ahead."""
    supervisor = Supervisor([spec("policy", restart="on_failure")], CONFIG)
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
    supervisor = Supervisor([spec("policy", hang_after_s=5.0)], CONFIG)
    sign = (
        NodeHealth(node="policy", pid=1, steps=0, stamp_ns=sign_ns, ready=ready)
        if sign_ns is not None
        else None
    )
    assert supervisor.silence("policy", sign, 0, now_s * S) == expected
