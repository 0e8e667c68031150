"""Cases in virtual time: a fresh agent for each, many a second, the same every time."""

from collections.abc import Iterable, Iterator

from agent.faults.cases import FaultCase
from agent.faults.drill import drill_config, drill_graph
from agent.faults.judge import CaseResult
from agent.faults.kinds import FOR_GOOD_S, KINDS
from agent.faults.orders import FaultOrder
from agent.faults.playing import play
from agent.faults.surroundings import shift_wall_clock
from agent.graph_parts import Graph
from agent.runtime_local import LocalRuntime

_NS_PER_S = 1_000_000_000


def play_all_virtual(cases: Iterable[FaultCase]) -> Iterator[CaseResult]:
    """Play each case, as it is asked for."""
    return (play_virtual(case) for case in cases)


def play_virtual(case: FaultCase, graph: Graph | None = None) -> CaseResult:
    """Play one case; `graph` is another agent than the one that is drilled."""
    run = LocalRuntime(graph or drill_graph(drill_config()))
    try:
        run.start()
        return play(run, VirtualHands(run), case)
    finally:
        run.stop()
        shift_wall_clock(0.0)


class VirtualHands:
    """Break things in a run in virtual time."""

    def __init__(self, run: LocalRuntime) -> None:
        self._run = run

    def break_it(self, case: FaultCase) -> None:
        """Do it to a node, or order the node to do it to itself."""
        run, kind = self._run, KINDS[case.kind]
        match kind.how:
            case "kill":
                run.kill(kind.target)
            case "pause":
                run.freeze(kind.target, case.duration_s)
            case "hang":
                run.freeze(kind.target, FOR_GOOD_S)
            case "slow":
                run.slow_down(kind.target, case.duration_s)
            case _:
                until_ns = run.clock.now_ns() + round(case.duration_s * _NS_PER_S)
                run.publish(
                    "fault",
                    FaultOrder(
                        kind=case.kind,
                        target=kind.target,
                        until_ns=until_ns,
                        seed=case.seed,
                        number=1,
                    ),
                )

    def mend_it(self, case: FaultCase) -> None:
        """Undo what does not pass by itself."""
        kind = KINDS[case.kind]
        if kind.how == "slow":
            self._run.slow_down(kind.target, 0.0)
