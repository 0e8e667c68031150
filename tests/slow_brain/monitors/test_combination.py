from collections.abc import Callable, Sequence

import pytest

from bridge import (
    ConfigError,
    Evidence,
    ManualClock,
    PluginSlowError,
    Subtask,
    SubtaskReport,
    SubtaskState,
    TandemError,
)
from bridge.testing import example_observation, example_subtask
from bridge.testing.examples import SECOND_NS
from slow_brain.monitors.combination import MonitorSet, Watcher, make_watchers
from slow_brain.monitors.config import MonitoringConfig

SUBTASK = example_subtask()
SEEN = Evidence(observation=example_observation())


class Saying:
    """A monitor that says these states, one each time, and then the last for ever."""

    def __init__(self, *states: str | None) -> None:
        self._states = list(states)
        self.begun: list[str] = []

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Remember what is watched."""
        self.begun.append(subtask.id)

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """The next state."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if state is None:
            return None
        return SubtaskReport(
            subtask_id=self.begun[-1], state=SubtaskState(state), reason="I say so", stamp_ns=now_ns
        )


class Doing(Saying):
    """A monitor that does something of its own when it is asked."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(None)
        self._act = act

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Do it."""
        return self._act()  # pyright: ignore[reportReturnType]  # Rubbish, on purpose.


class Bench:
    """A set of monitors that is asked once a second, in virtual time."""

    def __init__(self, clock: ManualClock, *monitors: Saying, **settings: object) -> None:
        self.clock = clock
        self.blamed: list[tuple[str, TandemError]] = []
        watchers = tuple(Watcher(f"m{n}", monitor) for n, monitor in enumerate(monitors))
        self.set = MonitorSet(
            MonitoringConfig.model_validate(settings),
            watchers,
            clock=clock,
            blame=lambda name, error: self.blamed.append((name, error)),
        )
        self.set.watch(SUBTASK, clock.now_ns())

    def look(self) -> str | None:
        """The verdict a second later."""
        self.clock.advance_ns(SECOND_NS)
        report = self.set.check(SEEN, self.clock.now_ns())
        return None if report is None else str(report.state)

    def looks(self, times: int) -> Sequence[str | None]:
        """Several verdicts, a second apart."""
        return [self.look() for _ in range(times)]


def test_one_word_is_enough_by_default(clock: ManualClock) -> None:
    """Whoever speaks first is heard, and the reason names the monitor."""
    bench = Bench(clock, Saying(None), Saying(None, "done"))
    assert bench.looks(2) == [None, "done"]
    report = bench.set.check(SEEN, clock.now_ns() + SECOND_NS)
    assert report is not None
    assert report.reason == "m1: I say so"


def test_votes_are_counted(clock: ManualClock) -> None:
    """With two votes wanted, one monitor alone does not decide, however often it speaks."""
    bench = Bench(clock, Saying("done"), Saying(None, None, "done"), done_votes=2)
    assert bench.looks(3) == [None, None, "done"]


def test_old_votes_do_not_count(clock: ManualClock) -> None:
    """A vote that was not renewed is forgotten after its time."""
    first = Saying("done", None, None, None)
    bench = Bench(clock, first, Saying(None, None, None, "done"), done_votes=2, vote_lasts_s=2.0)
    assert bench.looks(5) == [None] * 5


def test_done_wins_over_failed_and_failed_over_stuck(clock: ManualClock) -> None:
    """What is done has not failed."""
    bench = Bench(clock, Saying("active"), Saying(None, "failed"), Saying(None, None, "done"))
    assert bench.looks(3) == ["active", "failed", "done"]


def test_a_monitor_may_decide_alone(clock: ManualClock) -> None:
    """A timeout need not be agreed on."""
    config = MonitoringConfig(failed_votes=2)
    watchers = (Watcher("timeout", Saying("failed"), alone=True), Watcher("other", Saying(None)))
    monitors = MonitorSet(config, watchers, clock=clock)
    monitors.watch(SUBTASK, clock.now_ns())
    report = monitors.check(SEEN, clock.now_ns())
    assert report is not None
    assert report.state == "failed"


def test_a_new_subtask_clears_the_votes(clock: ManualClock) -> None:
    """Votes for one subtask are none for the next, and each is begun once."""
    monitor = Saying("done", None)
    bench = Bench(clock, monitor, Saying(None), done_votes=2)
    bench.look()
    bench.set.watch(SUBTASK, clock.now_ns())
    bench.set.watch(example_subtask(number=2), clock.now_ns())
    assert monitor.begun == ["subtask-1", "subtask-2"]
    assert bench.look() is None


def test_nothing_is_asked_while_nothing_is_watched(clock: ManualClock) -> None:
    """Between subtasks the monitors rest."""
    bench = Bench(clock, Saying("done"))
    bench.set.watch(None, clock.now_ns())
    assert bench.look() is None


def test_monitors_are_asked_at_their_rate(clock: ManualClock) -> None:
    """Looked at a hundred times a second, they are asked ten times."""
    asked: list[int] = []
    bench = Bench(clock, Doing(lambda: asked.append(1)))
    for _ in range(100):
        clock.advance_ns(SECOND_NS // 100)
        bench.set.check(SEEN, clock.now_ns())
    assert 9 <= len(asked) <= 11


def test_a_monitor_that_raises_is_blamed_and_left_out(clock: ManualClock) -> None:
    """The others go on; after its allowed failures it is not asked again."""

    def fail() -> None:
        raise ZeroDivisionError("by zero")

    bench = Bench(clock, Doing(fail), Saying(None, "done"), failures_allowed=2)
    assert bench.looks(6)[1:] == ["done"] * 5
    assert [name for name, _ in bench.blamed] == ["m0"] * 3
    assert str(bench.blamed[0][1]) == "Plug-in 'm0' failed in `check`: ZeroDivisionError: by zero"
    assert bench.set.left_out == ("m0",)


def test_a_slow_monitor_is_blamed_with_the_times(clock: ManualClock) -> None:
    """What it took and what is allowed stand in the message."""
    bench = Bench(clock, Doing(lambda: clock.advance_ns(8 * SECOND_NS)), look_limit_s=0.05)
    bench.look()
    ((name, error),) = bench.blamed
    assert name == "m0"
    assert isinstance(error, PluginSlowError)
    assert str(error) == "Plug-in m0.check took 8 s, limit 0.05 s"


@pytest.mark.parametrize(
    "rubbish",
    [
        "done",
        SubtaskReport(subtask_id="another", state=SubtaskState.DONE, reason="r", stamp_ns=0),
        SubtaskReport(subtask_id=SUBTASK.id, state=SubtaskState.SKIPPED, reason="r", stamp_ns=0),
    ],
)
def test_rubbish_is_no_verdict(clock: ManualClock, rubbish: object) -> None:
    """A report of another subtask, of a state that is not a monitor's, or no report at all."""
    bench = Bench(clock, Doing(lambda: rubbish))
    assert bench.look() is None
    assert len(bench.blamed) == 1


def test_good_looks_clear_the_failures(clock: ManualClock) -> None:
    """Only failures in a row lead to being left out."""
    turns = iter(range(100))

    def fail_every_other_time() -> None:
        if next(turns) % 2:
            raise ValueError("odd")

    bench = Bench(clock, Doing(fail_every_other_time), failures_allowed=1)
    bench.looks(20)
    assert bench.set.left_out == ()


SIMULATOR = {
    "use": [{"kind": "simulator_check", "options": {"done_when": {"reach left": "reach left"}}}]
}


def test_a_simulator_is_never_asked_silently() -> None:
    """A monitor for evaluation is refused until the settings say that this is one."""
    with pytest.raises(ConfigError, match=r"only a simulator knows.*may_ask_simulator=true"):
        make_watchers(MonitoringConfig.model_validate(SIMULATOR))
    allowed = MonitoringConfig.model_validate({**SIMULATOR, "may_ask_simulator": True})
    assert [watcher.name for watcher in make_watchers(allowed)] == ["simulator_check"]
