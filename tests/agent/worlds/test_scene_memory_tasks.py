"""Memory tasks: drawn by seed, judged by their history, and beyond anybody without memory."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.judge import Judge
from agent.evaluation.statistics import wilson_interval
from agent.worlds.scene.memory_tasks import (
    BUTTONS,
    KINDS,
    SPOTS,
    MemoryKind,
    MemoryTask,
    Past,
    Step,
    as_if,
    chance_of_counting,
    sample_memory_task,
)
from agent.worlds.scene.memory_tasks_history import History, MemoryFacts
from agent.worlds.scene.memory_tasks_language import memory_words, sample_memory_phrasing
from agent.worlds.scene.memory_tasks_oracle import (
    MemoryOracle,
    SymbolicScene,
    play,
    skill_for,
)
from agent.worlds.scene.memory_tasks_suites import memory_episode, memory_suites, memory_task
from bridge.messages import WorldReport

EPISODES = 800
SEEDS = st.integers(0, 2**32 - 1)
ALL_KINDS = st.sampled_from(KINDS)
SECOND_NS = 1_000_000_000


def _random(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_with_memory_solves_every_task(kind: MemoryKind) -> None:
    """What was seen suffices: each drawn task is met by an oracle that keeps it."""
    for index in range(EPISODES):
        task = memory_task(kind, 1, index)
        assert play(task, remembers=True, random=_random(index)), task


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_without_memory_is_not_above_chance(kind: MemoryKind) -> None:
    """The best guesser there is succeeds no more often than `chance`, within the interval."""
    tasks = [memory_task(kind, 2, index) for index in range(EPISODES)]
    met = sum(play(t, remembers=False, random=_random(i)) for i, t in enumerate(tasks))
    low, _ = wilson_interval(met, EPISODES)
    chance = sum(task.chance for task in tasks) / EPISODES
    assert low <= chance <= 0.5, f"{met} of {EPISODES} met, chance {chance}"


@given(seed=SEEDS, kind=st.sampled_from([kind for kind in KINDS if kind != "count"]))
def test_no_agent_that_sees_the_present_alone_can_beat_chance(seed: int, kind: MemoryKind) -> None:
    """For the same words every past leads to the same present, and each wants other actions.

    So whatever such an agent does, it does it for all pasts alike; it is right for one of them at
    most, and `chance` is one over their number.
    """
    task = sample_memory_task(kind, _random(seed))
    presents, wanted = set[str](), set[tuple[str, ...]]()
    for past in task.pasts:
        other = as_if(task, past)
        scene = _at_the_question(other)
        presents.add(repr(scene.facts))
        wanted.add(_answer(other, scene))
    assert len(presents) == 1
    assert len(wanted) == len(task.pasts)
    assert task.chance == pytest.approx(1 / len(task.pasts))
    assert task.past in task.pasts


@given(seed=SEEDS, kind=ALL_KINDS)
def test_the_words_do_not_tell_the_past(seed: int, kind: MemoryKind) -> None:
    """With another past the same task is said in exactly the same words."""
    task = sample_memory_task(kind, _random(seed))
    said = {
        sample_memory_phrasing(as_if(task, past), _random(seed), held_out=True)
        for past in task.pasts
    }
    assert len(said) == 1


@given(q=st.floats(0, 1), turns=st.integers(1, 8))
def test_nobody_who_cannot_count_does_better_than_the_bound(q: float, turns: int) -> None:
    """Going on with probability q at the one doubtful state is right with q^m (1 - q)."""
    assert q**turns * (1 - q) <= chance_of_counting(turns) + 1e-12


@given(seed=SEEDS, kind=ALL_KINDS)
def test_the_same_seed_draws_the_same_task(seed: int, kind: MemoryKind) -> None:
    """A task and its words are functions of the seed."""
    first, second = (sample_memory_task(kind, _random(seed)) for _ in range(2))
    assert first == second
    words = {sample_memory_phrasing(t, _random(seed), held_out=False) for t in (first, second)}
    assert len(words) == 1


@given(seed=SEEDS, kind=ALL_KINDS)
def test_held_out_phrasings_are_never_trained_on(seed: int, kind: MemoryKind) -> None:
    """No phrasing to test with can be drawn in training, and all words are declared."""
    task = sample_memory_task(kind, _random(seed))
    trained = {sample_memory_phrasing(task, _random(i), held_out=False) for i in range(30)}
    held_out = {sample_memory_phrasing(task, _random(i), held_out=True) for i in range(30)}
    assert not trained & held_out
    for text in trained | held_out:
        assert set(text.replace(",", " ").replace(".", " ").replace(":", " ").split()) <= (
            memory_words()
        ), text


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_many_words_and_tasks(kind: MemoryKind) -> None:
    """Enough variety that neither words nor answers can be learnt by heart."""
    tasks = [memory_task(kind, 3, index) for index in range(60)]
    said = {sample_memory_phrasing(t, _random(i), held_out=True) for i, t in enumerate(tasks)}
    assert len(said) >= 4
    assert len({task.past for task in tasks}) >= (1 if kind == "count" else 2)
    assert all(task.kind == kind for task in tasks)


def test_a_long_gap_has_at_least_three_errands() -> None:
    """Between what is to be remembered and the question lie three to six errands."""
    counts = {len(memory_task("gap", 4, index).stated) for index in range(80)}
    assert counts <= {3, 4, 5, 6, 7}
    assert {3, 6} <= counts


def test_errands_change_something_each() -> None:
    """No errand asks for what is so already."""
    for index in range(60):
        scene = SymbolicScene(task := memory_task("gap", 5, index))
        for step in task.stated:
            assert not scene.facts.holds(step)
            _do(scene, step)


FACTS = MemoryFacts(
    drawer="closed", drawer_locked=False, window="closed", window_locked=False, cube_spot=""
)


def _judged(task: MemoryTask, moments: Sequence[MemoryFacts]) -> History:
    history = History(task)
    for facts in moments:
        history.look(facts)
    return history


def _counting(times: int, step: Step, *more: Step) -> MemoryTask:
    return MemoryTask(
        kind="count", stated=(step, *more), answer="n times", times=times, start={}, chance=0.1
    )


OPEN, CLOSED = replace(FACTS, drawer="open"), FACTS
HALF = replace(FACTS, drawer="half open")
CYCLES = _counting(2, Step(facts={"drawer": "open"}), Step(facts={"drawer": "closed"}))


def test_counting_is_judged_over_the_whole_episode() -> None:
    """Twice is met, once is not yet, and three times never was twice: the end looks the same."""
    once = [CLOSED, HALF, OPEN, HALF, CLOSED]
    assert not _judged(CYCLES, once).is_met
    assert _judged(CYCLES, once + once[1:]).is_met
    thrice = _judged(CYCLES, once + once[1:] + once[1:])
    assert not thrice.is_met
    assert thrice.spoiled == "done more than 2 times"


def test_a_press_too_many_spoils_it() -> None:
    """Presses are seen as the lock's changes; the wrong button spoils the task at once."""
    locked = replace(FACTS, drawer_locked=True)
    task = _counting(2, Step(press="drawer"))
    assert _judged(task, [FACTS, locked, FACTS]).is_met
    assert not _judged(task, [FACTS, locked]).is_met
    assert not _judged(task, [FACTS, locked, FACTS, locked]).is_met
    wrong = _judged(task, [FACTS, replace(FACTS, window_locked=True)])
    assert wrong.spoiled == "the window button was pressed, and the drawer button was to be"


def test_what_was_done_must_stay_done() -> None:
    """A cube that is put back and taken again is not back."""
    task = MemoryTask(
        kind="put-back",
        stated=(Step(facts={"cube_spot": "middle"}),),
        answer="cube back",
        past=Past(cube_spot="near left"),
        start={},
        chance=0.25,
    )
    back, middle = replace(FACTS, cube_spot="near left"), replace(FACTS, cube_spot="middle")
    assert not _judged(task, [back]).is_met
    assert _judged(task, [back, middle, FACTS, back]).is_met
    assert not _judged(task, [back, middle, FACTS, back, FACTS]).is_met
    assert _judged(task, [back, middle, FACTS, back, FACTS, back]).is_met


@pytest.mark.parametrize(
    ("change", "spot"),
    [
        ({}, "middle"),
        ({"cube_x_m": 0.375 + 0.034}, "middle"),
        ({"cube_x_m": 0.32, "cube_y_m": 0.01}, "near right"),
        ({"cube_y_m": 0.3}, ""),
        ({"cube_z_m": 0.08}, ""),
        ({"cube_held": True}, ""),
        ({"cube_in_drawer": True}, ""),
    ],
)
def test_where_the_cube_lies_is_told_by_its_place(change: dict[str, Any], spot: str) -> None:
    """At rest on the table within the tolerance of a spot, and nowhere else."""
    assert MemoryFacts.of(_report(FACTS) | change).cube_spot == spot


def test_spots_are_told_apart() -> None:
    """No place on the table is at two spots."""
    for x_m in np.linspace(0.2, 0.55, 71):
        for y_m in np.linspace(-0.1, 0.3, 81):
            near = [
                name for name, (x, y) in SPOTS.items() if max(abs(x - x_m), abs(y - y_m)) <= 0.02
            ]
            assert len(near) <= 1


def test_suites_make_a_fresh_history_for_each_episode() -> None:
    """Six suites by name; the same seed and index are the same episode, followed anew."""
    suites = memory_suites()
    assert [suite.name for suite in suites] == [f"memory-{kind}" for kind in KINDS]
    for suite in suites:
        first, second = suite.make(7, 3), suite.make(7, 3)
        assert (first.goal, first.seed, first.start) == (second.goal, second.seed, second.start)
        assert first.is_met != second.is_met


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_of_evaluations_follows_the_history(kind: MemoryKind, remembers: bool) -> None:  # noqa: FBT001
    """The judge's verdict is the history's; it counts the steps, until one cannot be undone."""
    for index in range(12):
        task, episode = memory_task(kind, 9, index), memory_episode(kind, 9, index)
        judge, moments = Judge(episode, 0, 1000.0), _moments(task, remembers, index)
        for tick in range(len(moments) + 60):
            facts = moments[min(tick, len(moments) - 1)]
            report = WorldReport(facts=_report(facts), success=None, stamp_ns=tick)
            judge.look(report, None, tick * SECOND_NS // 10)
        history = _judged(task, moments)
        assert judge.success == history.is_met
        done = sum(record.took_s is not None for record in judge.subtasks)
        if history.spoiled:
            assert judge.reason.startswith("spoiled: ")
            assert done <= history.done
        else:
            assert done == history.done
        assert len(judge.subtasks) == len(task.steps())


def _moments(task: MemoryTask, remembers: bool, seed: int) -> list[MemoryFacts]:  # noqa: FBT001
    scene, moments = SymbolicScene(task), list[MemoryFacts]()
    oracle = MemoryOracle(task, remembers=remembers, random=_random(seed))
    is_showing = True
    for _ in range(200):
        moments.append(scene.facts)
        oracle.look(scene.facts)
        is_showing = is_showing and scene.wait()
        if not is_showing:
            skill = oracle.next_skill(scene.facts)
            if skill is None:
                break
            scene.do(skill)
    return moments


def _report(facts: MemoryFacts) -> dict[str, Any]:
    x_m, y_m = SPOTS[facts.cube_spot or "middle"]
    elsewhere = {} if facts.cube_spot else {"cube_held": True}
    return (
        asdict(facts)
        | {"cube_held": False, "cube_in_drawer": False}
        | {"cube_x_m": x_m, "cube_y_m": y_m, "cube_z_m": 0.02}
        | (elsewhere if facts is not FACTS else {})
    )


def _at_the_question(task: MemoryTask) -> SymbolicScene:
    """The scene after the lights and everything that the words spell out."""
    scene = SymbolicScene(task)
    while scene.wait():
        pass
    stated = task.stated or (Step(facts={"cube_spot": "middle"}),) * (task.answer == "cube back")
    for step in stated:
        _do(scene, step)
    return scene


def _do(scene: SymbolicScene, step: Step) -> None:
    while (skill := skill_for(step, scene.facts)) is not None:
        scene.do(skill)


def _answer(task: MemoryTask, scene: SymbolicScene) -> tuple[str, ...]:
    """The skills that the question then wants."""
    done: list[str] = []
    for step in task.steps()[len(task.stated) :]:
        if step.press:
            done.append(step.press)
            continue
        while (skill := skill_for(step, scene.facts)) is not None:
            done.append(skill)
            scene.do(skill)
    return tuple(done)


def test_both_buttons_are_named() -> None:
    """Buttons are told by what they lock."""
    assert BUTTONS == ("drawer", "window")
