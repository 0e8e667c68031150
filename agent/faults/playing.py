"""One case from the goal to the verdict, the same in both worlds; only the hands differ."""

from typing import Protocol

from agent.faults.cases import FaultCase
from agent.faults.drill import GOAL
from agent.faults.judge import CaseResult, judge
from agent.faults.kinds import FOR_GOOD_S, KINDS
from agent.faults.witness import Witness
from agent.runtime import Runtime
from bridge.clock import seconds_between
from bridge.errors import RuntimeStopped
from bridge.messages import Goal, StopRequest

# Long enough for the slowest planner, its restart and the whole task [s].
LIMIT_S = 45.0


class Hands(Protocol):
    """How a fault is done, and undone where it does not pass by itself."""

    def break_it(self, case: FaultCase) -> None:
        """Do it."""
        ...

    def mend_it(self, case: FaultCase) -> None:
        """Undo it."""
        ...


def play(run: Runtime, hands: Hands, case: FaultCase) -> CaseResult:
    """Give the agent a goal, break something, wait for what follows, and judge it."""
    goal = Goal(text=GOAL, id=case.name, source="faults", stamp_ns=run.clock.now_ns())
    witness = Witness(run, goal.id)
    back_after_s: float | None = None
    try:
        run.publish("goal", goal)
        back_after_s = _live_through(run, hands, case, witness)
    except RuntimeStopped:
        witness.look()
    return judge(case, witness, run.stopped_because, back_after_s)


def _live_through(run: Runtime, hands: Hands, case: FaultCase, witness: Witness) -> float | None:
    """The whole case; when the goal was met, from the fault on [s], or None if it was not."""
    kind = KINDS[case.kind]
    run.run_until(lambda: bool(witness.look()), case.moment_s)
    broken_ns = run.clock.now_ns()
    hands.break_it(case)
    met_ns: list[int] = []

    def is_over() -> bool:
        witness.look()
        if witness.is_done and not met_ns:
            met_ns.append(run.clock.now_ns())
        is_ending = kind.outcome == "ends"
        has_ended = witness.has_given_up or (bool(met_ns) and witness.has_heard(kind.told))
        return has_ended and not is_ending

    if 0 < case.duration_s < FOR_GOOD_S:
        run.run_until(is_over, case.duration_s)
        hands.mend_it(case)
    if kind.outcome == "released":
        _release(run)
    run.run_until(is_over, LIMIT_S)
    return seconds_between(broken_ns, met_ns[0]) if met_ns else None


def _release(run: Runtime) -> None:
    """What a person does who has looked at the robot."""
    now_ns = run.clock.now_ns()
    run.publish(
        "stop", StopRequest(reason="looked at", source="faults", latched=False, stamp_ns=now_ns)
    )
