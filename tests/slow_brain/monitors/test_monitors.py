import numpy as np
import pytest
from msgspec.structs import replace

from bridge import (
    ConfigError,
    ContractError,
    Evidence,
    Observation,
    Plan,
    SubtaskReport,
    SubtaskState,
    WorldReport,
)
from bridge.messages import LoopStatus
from bridge.testing import SubtaskMonitorContract, example_chunk, example_subtask
from bridge.testing.examples import SECOND_NS
from slow_brain.monitors.no_progress import NoProgressMonitor
from slow_brain.monitors.planner_verdict import PlannerVerdictMonitor
from slow_brain.monitors.policy_progress import PolicyProgressMonitor
from slow_brain.monitors.policy_trouble import PolicyTroubleMonitor
from slow_brain.monitors.simulator_check import SimulatorCheckMonitor
from slow_brain.monitors.timeout import TimeoutMonitor

NOW_NS = 100 * SECOND_NS
SUBTASK = example_subtask("reach left")


def at(seconds: float) -> int:
    """A time [ns], in seconds after the subtask began."""
    return NOW_NS + round(seconds * SECOND_NS)


def seen(position: list[float] | None = None, stamp_ns: int = NOW_NS) -> Observation:
    """What the robot shows when it is here."""
    here = np.array([0.0, 0.0, 0.0] if position is None else position, np.float32)
    return Observation(stamp_ns=stamp_ns, sequence=1, images={}, proprioception={"position": here})


def plan(number: int, *, is_done: bool, stamp_ns: int = NOW_NS) -> Evidence:
    """The planner's newest word."""
    made = Plan(
        id=f"plan-{number}", goal_id="g", subtasks=(SUBTASK,), trigger="plan age",
        observation_stamp_ns=stamp_ns, current_subtask_done=is_done, stamp_ns=stamp_ns,
    )  # fmt: skip
    return Evidence(observation=seen(), plan=made)


def chunk(sequence: int, *, subtask_id: str = SUBTASK.id, **heads: float) -> Evidence:
    """The policy's newest chunk, with what its heads say."""
    made = replace(example_chunk(sequence=sequence), subtask_id=subtask_id, **heads)
    return Evidence(observation=seen(), chunk=made)


def loop(last_decision: str) -> Evidence:
    """What the control loop decided last."""
    status = LoopStatus(
        ticks=1, target_rate_hz=100.0, effective_rate_hz=100.0, missed_ticks=0, starved_ticks=0,
        lateness_p50_ms=0.0, lateness_p99_ms=0.0, lateness_p999_ms=0.0, lateness_max_ms=0.0,
        last_decision=last_decision, latent_age_s=0.0, stamp_ns=NOW_NS,
    )  # fmt: skip
    return Evidence(observation=seen(), loop_status=status)


def state(report: SubtaskReport | None) -> SubtaskState | None:
    """What was found."""
    return None if report is None else report.state


class TestTimeout(SubtaskMonitorContract):
    def make(self) -> TimeoutMonitor:
        """With the subtask's own limit of 10 s."""
        return TimeoutMonitor()


class TestPlannerVerdict(SubtaskMonitorContract):
    def make(self) -> PlannerVerdictMonitor:
        """Two plans in a row."""
        return PlannerVerdictMonitor(confirmations=2)

    def evidence(self, now_ns: int) -> Evidence:
        """A new plan each time, which says done."""
        return plan(now_ns, is_done=True, stamp_ns=now_ns)


class TestPolicyProgress(SubtaskMonitorContract):
    def make(self) -> PolicyProgressMonitor:
        """Three chunks in a row."""
        return PolicyProgressMonitor()

    def evidence(self, now_ns: int) -> Evidence:
        """Chunks that say done, first of the one subtask and then of the other."""
        subtask_id = f"subtask-{1 if now_ns < 200 * SECOND_NS else 2}"
        return chunk(now_ns, subtask_id=subtask_id, subtask_progress=1.0)


class TestNoProgress(SubtaskMonitorContract):
    def make(self) -> NoProgressMonitor:
        """Looks at the example's reading, which stands still."""
        return NoProgressMonitor(readings=("position",))


class TestPolicyTrouble(SubtaskMonitorContract):
    def make(self) -> PolicyTroubleMonitor:
        """As configured by default."""
        return PolicyTroubleMonitor()

    def evidence(self, now_ns: int) -> Evidence:
        """A loop without anything to do."""
        return loop("chunk_expired")


class TestSimulatorCheck(SubtaskMonitorContract):
    def make(self) -> SimulatorCheckMonitor:
        """For the example's subtask."""
        return SimulatorCheckMonitor(done_when={"move to the cube": "at the cube"})

    def evidence(self, now_ns: int) -> Evidence:
        """A world in which it is there."""
        world = WorldReport(facts={"at the cube": True}, success=None, stamp_ns=now_ns)
        return Evidence(observation=seen(), world=world)


def test_a_subtask_fails_after_its_time() -> None:
    """The shorter of the subtask's and the monitor's limits counts, and the reason says both."""
    for limit_s, fails_s in ((float("inf"), 10.1), (4.0, 4.1)):
        monitor = TimeoutMonitor(limit_s=limit_s)
        monitor.begin(SUBTASK, NOW_NS)
        assert monitor.check(loop("command"), at(fails_s - 0.2)) is None
        report = monitor.check(loop("command"), at(fails_s))
        assert state(report) == SubtaskState.FAILED
        assert report is not None
        assert f"{fails_s:g} s, and {min(limit_s, 10):g} s are allowed" in report.reason


def test_the_planner_has_to_repeat_itself() -> None:
    """Verdicts count only in a row, and the same plan is counted once."""
    monitor = PlannerVerdictMonitor(confirmations=2)
    monitor.begin(SUBTASK, NOW_NS)
    told = [(1, True), (1, True), (2, False), (3, True), (3, True), (4, True)]
    states = [state(monitor.check(plan(n, is_done=done), NOW_NS)) for n, done in told]
    assert states == [None] * 5 + [SubtaskState.DONE]


def test_a_plan_from_before_the_subtask_does_not_count() -> None:
    """The plan that ended the subtask before says done, but not of this one."""
    monitor = PlannerVerdictMonitor()
    monitor.begin(SUBTASK, NOW_NS)
    assert monitor.check(plan(1, is_done=True, stamp_ns=NOW_NS - 1), NOW_NS) is None


def test_progress_counts_on_consecutive_chunks_of_the_subtask() -> None:
    """One chunk below, one of another subtask, or the same chunk twice does not make it done."""
    monitor = PolicyProgressMonitor(done_at=0.9, confirmations=2)
    monitor.begin(SUBTASK, NOW_NS)
    shown = [
        chunk(1, subtask_progress=0.95),
        chunk(1, subtask_progress=0.95),
        chunk(2, subtask_progress=0.5),
        chunk(3, subtask_progress=0.95),
        chunk(4, subtask_progress=0.95, subtask_id="another"),
        chunk(5),
        chunk(6, subtask_progress=float("nan")),
        chunk(7, subtask_progress=0.95),
        chunk(8, subtask_progress=0.95),
    ]
    assert [state(monitor.check(each, NOW_NS)) for each in shown] == [None] * 8 + ["done"]


def test_standing_still_is_said_once_until_something_moves() -> None:
    """A stall is reported after its limit, once; motion arms the monitor again."""
    monitor = NoProgressMonitor(readings=("position",), tolerance=0.01, limit_s=2.0)
    monitor.begin(SUBTASK, NOW_NS)
    path = [(0, 0.0), (1, 0.005), (2, 0.0), (3, 0.0), (4, 0.5), (5, 0.5), (6, 0.5), (7, 0.5)]
    states = [
        state(monitor.check(Evidence(observation=seen([x, 0, 0])), at(second)))
        for second, x in path
    ]
    assert states == [None, None, "active", None, None, None, "active", None]


def test_a_slow_drift_is_motion() -> None:
    """Small steps in one direction add up."""
    monitor = NoProgressMonitor(readings=("position",), tolerance=0.01, limit_s=2.0)
    monitor.begin(SUBTASK, NOW_NS)
    for tenth in range(100):
        here = Evidence(observation=seen([tenth * 0.002, 0, 0]))
        assert monitor.check(here, at(tenth / 10)) is None


def test_a_sensor_that_says_nan_is_no_stall() -> None:
    """Nothing is concluded from a reading that is not finite."""
    monitor = NoProgressMonitor(readings=("position",), limit_s=2.0)
    monitor.begin(SUBTASK, NOW_NS)
    for second in range(10):
        broken = Evidence(observation=seen([float("nan"), 0, 0]))
        assert monitor.check(broken, at(second)) is None


def test_a_reading_that_the_robot_lacks_is_named() -> None:
    """A monitor for another robot says which reading it misses and what there is."""
    monitor = NoProgressMonitor(readings=("torque",), ends_subtask=True)
    monitor.begin(SUBTASK, NOW_NS)
    with pytest.raises(ContractError, match=r"torque, which no_progress.*only \['position'\]"):
        monitor.check(Evidence(observation=seen()), NOW_NS)


def test_a_loop_without_chunks_is_told_once_in_a_while() -> None:
    """Only time without a chunk counts, and a report begins the time anew."""
    monitor = PolicyTroubleMonitor(starved_limit_s=2.0)
    monitor.begin(SUBTASK, NOW_NS)
    decisions = ["chunk_expired", "chunk_expired", "command", "no_chunk", "no_chunk", "no_chunk"]
    states = [
        state(monitor.check(loop(decision), at(second)))
        for second, decision in enumerate(decisions)
    ]
    assert states == [None, None, None, None, "active", None]


def test_a_loop_that_a_person_has_stopped_is_no_trouble_of_the_policy() -> None:
    """Held for another reason than a missing chunk, the policy is not blamed."""
    monitor = PolicyTroubleMonitor(starved_limit_s=2.0)
    monitor.begin(SUBTASK, NOW_NS)
    assert [monitor.check(loop("stopped"), at(second)) for second in range(9)] == [None] * 9


def test_an_unsure_policy_is_told_after_chunks_in_a_row() -> None:
    """Uncertainty above the limit, or nan, on consecutive chunks of the subtask."""
    monitor = PolicyTroubleMonitor(uncertainty_limit=1.0, confirmations=2, ends_subtask=True)
    monitor.begin(SUBTASK, NOW_NS)
    unsure = [(1, 2.0), (2, 0.5), (3, 1.0), (3, 1.0), (4, float("nan"))]
    states = [state(monitor.check(chunk(n, uncertainty=u), NOW_NS)) for n, u in unsure]
    assert states == [None] * 4 + ["failed"]


def test_a_simulator_is_asked_only_for_subtasks_it_has_a_fact_for() -> None:
    """A subtask without a fact is left to others; a fact that does not exist is named."""
    monitor = SimulatorCheckMonitor(done_when={"reach left": "left", "wave": "waved"})
    world = WorldReport(facts={"left": False}, success=None, stamp_ns=NOW_NS)
    there = replace(world, facts={"left": True})
    monitor.begin(SUBTASK, NOW_NS)
    assert monitor.check(Evidence(observation=seen(), world=world), NOW_NS) is None
    report = monitor.check(Evidence(observation=seen(), world=there), NOW_NS)
    assert report is None  # The same report of the world is not looked at twice.
    later = replace(there, stamp_ns=NOW_NS + 1)
    assert state(monitor.check(Evidence(observation=seen(), world=later), NOW_NS + 1)) == "done"
    monitor.begin(example_subtask("dance", number=2), NOW_NS)
    assert monitor.check(Evidence(observation=seen(), world=later), NOW_NS) is None
    monitor.begin(example_subtask("wave", number=3), NOW_NS)
    with pytest.raises(ContractError, match="waved"):
        monitor.check(Evidence(observation=seen(), world=replace(later, stamp_ns=at(1))), at(1))


def test_a_simulator_check_of_nothing_is_refused() -> None:
    """A monitor that can never speak is a mistake in the settings."""
    with pytest.raises(ConfigError, match="names no subtask"):
        SimulatorCheckMonitor(done_when={})
