import pytest

from agent.process_cost import ProcessCost

SECOND_NS = 1_000_000_000


class CpuTime:
    """A process that takes a fixed share of its core."""

    def __init__(self, share: float) -> None:
        self.share, self.now_ns = share, 0

    def __call__(self) -> int:
        """Its processor time [ns]."""
        return round(self.now_ns * self.share)


def told(rate_hz: float, cores: int) -> tuple[float, str]:
    """What is said about a process that takes 30 % for ten seconds."""
    cpu = CpuTime(0.3)
    cost = ProcessCost("control", rate_hz, cores, cpu)
    assert cost.share(0) == 0.0
    cost.begin(0)
    share = 0.0
    for tenth in range(1, 101):
        cpu.now_ns = tenth * SECOND_NS // 10
        share = cost.share(cpu.now_ns)
    return share, cost.notice


def test_a_fast_loop_on_a_small_machine_says_what_it_costs() -> None:
    """At 500 Hz and above on two cores the measured share is told, with what takes less."""
    share, notice = told(500.0, 2)
    assert share == pytest.approx(0.3)
    assert notice == (
        "control at 500 Hz takes 30% of one of this machine's 2 cores; "
        "a lower fast_brain.control_rate_hz takes less"
    )


@pytest.mark.parametrize(("rate_hz", "cores"), [(100.0, 2), (1000.0, 8)])
def test_what_is_cheap_or_has_room_is_not_remarked_on(rate_hz: float, cores: int) -> None:
    """An ordinary loop, and a fast one on a large machine, are measured without a word."""
    share, notice = told(rate_hz, cores)
    assert share == pytest.approx(0.3)
    assert notice == ""
