import dataclasses

import psutil
import pytest
from starting import StartAgent

from agent.runtime import Runtime
from bridge.errors import RuntimeStopped
from bridge.messages import Goal, PlanningStatus, StopRequest
from bridge.transports.segments import list_segments

REACHING = (
    "fast_brain.policy=straight_line",
    "slow_brain.rate_hz=5",
    "runtime.planner_latency_s=0.1",
    "runtime.stop_timeout_s=4",
)


def with_planner(name: str) -> tuple[str, ...]:
    """The overrides that make a planner of this folder the slow brain."""
    return (*REACHING, f"slow_brain.planner=watching:{name}")


def ask(run: Runtime, text: str) -> None:
    """Give the agent a goal."""
    run.publish("goal", Goal(text=text, id=text, source="test", stamp_ns=run.clock.now_ns()))


def phase(run: Runtime) -> str:
    """What the slow brain is doing."""
    status: PlanningStatus | None = run.read("planning")
    return "" if status is None else status.phase


def ticks(run: Runtime) -> int:
    """How often the control loop has decided."""
    status = run.read("loop_status")
    return 0 if status is None else status.ticks


@dataclasses.dataclass
class Diary:
    """What could be seen from outside, in order; use as a predicate that is asked all the time."""

    run: Runtime
    decisions: set[str] = dataclasses.field(default_factory=set[str])
    places: list[str] = dataclasses.field(default_factory=list[str])

    def note(self) -> None:
        """Look at what the loop decided and where the arm is."""
        if (status := self.run.read("loop_status")) is not None:
            self.decisions.add(status.last_decision)
        if (world := self.run.read("world")) is not None:
            for place in ("reach left", "reach right"):
                if world.facts[place] and place not in self.places:
                    self.places.append(place)

    def until(self, phases: set[str]) -> bool:
        """Note, and say whether the slow brain has come to one of these."""
        self.note()
        return phase(self.run) in phases


def test_a_goal_is_met_by_motion(start_agent: StartAgent) -> None:
    """From one sentence: subtasks are done in order, the arm was there, and the loop is quiet."""
    run = start_agent("point_arm", *with_planner("WatchingPlanner"))
    diary = Diary(run)
    ask(run, "reach both")
    assert run.run_until(lambda: diary.until({"goal_done", "goal_failed"}), 25)
    status = run.read("planning")
    assert status.phase == "goal_done", status.reason
    assert [(s.text, str(s.state)) for s in status.subtasks] == [
        ("reach left", "done"),
        ("reach right", "done"),
        ("return home", "done"),
    ]
    assert diary.places == ["reach left", "reach right"]
    assert "command" in diary.decisions
    assert run.read("world").facts["return home"]
    # With nothing left to do the last chunk runs out, and the robot is held.
    assert run.run_until(lambda: run.read("loop_status").last_decision != "command", 5)
    assert run.read("latent").observation_stamp_ns > 0


def test_a_goal_that_nobody_can_plan_for_is_refused(start_agent: StartAgent) -> None:
    """The slow brain says which goal it cannot plan for and which it could; the arm stays."""
    run = start_agent("point_arm", *with_planner("WatchingPlanner"))
    ask(run, "make coffee")
    assert run.run_until(lambda: phase(run) in {"goal_done", "goal_failed"}, 10)
    status = run.read("planning")
    assert status.phase == "goal_failed"
    assert "I cannot plan for the goal 'make coffee'" in status.reason
    assert "reach both" in status.reason
    assert run.run_until(lambda: run.read("loop_status").last_decision == "no_chunk", 5)
    # The next goal is taken as if nothing had happened.
    ask(run, "reach left")
    assert run.run_until(lambda: phase(run) == "goal_done", 15)


def test_a_planner_that_raises_does_not_stop_the_loop(start_agent: StartAgent) -> None:
    """The loop ticks on and holds, and the planner's error can be read."""
    run = start_agent("point_arm", *with_planner("RaisingPlanner"))
    ask(run, "reach left")
    assert run.run_until(lambda: "the model is gone" in run.health()["planner"].last_error, 10)
    before = ticks(run)
    assert run.run_until(lambda: ticks(run) >= before + 100, 3)
    assert run.read("loop_status").last_decision == "no_chunk"
    assert run.stopped_because == ""


def test_a_planner_that_hangs_does_not_stop_the_loop(kind: str, start_agent: StartAgent) -> None:
    """The loop ticks on and holds while the planner thinks for ever; the stop is not held up."""
    # In one process nothing may really block: there, its first result takes a thousand seconds.
    hanging = {
        "local": (*with_planner("WatchingPlanner"), "runtime.planner_latency_s=1000"),
        "ray": with_planner("HangingPlanner"),
    }
    run = start_agent("point_arm", *hanging[kind])
    ask(run, "reach left")
    assert run.run_until(lambda: phase(run) == "thinking", 10)
    before = ticks(run)
    assert run.run_until(lambda: ticks(run) >= before + 200, 5)
    assert phase(run) == "thinking"
    assert run.read("loop_status").last_decision == "no_chunk"


def test_a_stop_holds_the_robot_until_it_is_released(start_agent: StartAgent) -> None:
    """A latched stop ends the motion at once; released, the agent goes on to its goal."""
    run = start_agent("point_arm", *with_planner("WatchingPlanner"))
    ask(run, "reach both")
    assert run.run_until(lambda: last(run) == "command", 10)
    stop(run, latched=True)
    assert run.run_until(lambda: last(run) == "stopped", 2)
    before = tip_m(run)
    held = ticks(run) + 100
    assert run.run_until(lambda: ticks(run) >= held, 3)
    assert tip_m(run) == pytest.approx(before, abs=0.03)
    stop(run, latched=False)
    assert run.run_until(lambda: phase(run) == "goal_done", 20)


def test_what_has_ended_leaves_nothing_behind(start_agent: StartAgent) -> None:
    """After a stop there is no process and no shared memory of the run, and verbs say so."""
    before = set(psutil.Process().children(recursive=True))
    segments = set(list_segments())
    run = start_agent("point_arm", *with_planner("WatchingPlanner"))
    ask(run, "reach left")
    assert run.run_until(lambda: ticks(run) > 10, 10)
    run.stop()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert set(list_segments()) <= segments
    assert ticks(run) > 10
    with pytest.raises(RuntimeStopped, match="it was asked to"):
        ask(run, "reach left")


def last(run: Runtime) -> str:
    """What the loop decided last."""
    status = run.read("loop_status")
    return "" if status is None else status.last_decision


def stop(run: Runtime, *, latched: bool) -> None:
    """Press the button, or let it go."""
    now_ns = run.clock.now_ns()
    run.publish("stop", StopRequest(reason="test", source="test", latched=latched, stamp_ns=now_ns))


def tip_m(run: Runtime) -> list[float]:
    """Where the arm is [m]."""
    facts = run.read("world").facts
    return [float(facts[f"tip_{axis}_m"]) for axis in "xyz"]
