"""Memory demonstrations and the exercises made of them: words that do not tell the past."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench")

from agent.demos.dataset import read_episode
from agent.demos.latents import _look, look_count
from agent.demos.memory_examples import made_up_questions, task_of
from agent.demos.planner_examples import Asking, questions
from agent.demos.planner_facts import UNKNOWN
from agent.demos.series import record_series
from agent.training import TrainingPlan, train_policy
from bridge import ConfigError, UnknownNameError
from fast_brain.robots.scene_memory_skills import MEMORY_SKILLS, PRESS_OTHER
from slow_brain.engines.model_files import SHIPPED_WEIGHTS
from slow_brain.prompt import MEMORY_PROMPT
from slow_brain.training.planner import FACT_CLASSES
from tests.agent.demos.conftest import FlatCamera

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One short demonstration, of pressing the button that did not light up."""
    from agent.demos import memory_record, record

    root = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "GlCamera", FlatCamera)
        recorder = memory_record.MemoryRecorder(root, {"other": 1.0})
        return root, recorder.record(0, seed=50)


def test_a_demonstration_does_the_task(recorded: tuple[Path, dict[str, Any]]) -> None:
    """The expert remembers: its history meets the task, told in the robot's skills."""
    root, info = recorded
    table, read = read_episode(root, 0)
    assert read == json.loads(json.dumps(info))
    assert info["success"]
    assert info["stuck_segment"] is None
    assert set(table["subtask"].to_pylist()) <= set(MEMORY_SKILLS)
    facts = [json.loads(each) for each in table["facts"].to_pylist()]
    assert {each["lit"] for each in facts} > {""}
    task = task_of(info)
    assert task is not None
    (lit,) = task.past.lights
    pressing = [each["skill"] for each in facts if each["skill"].startswith("press")]
    assert pressing
    assert not any(lit in skill for skill in pressing)


def test_a_folder_holds_one_kind_of_tasks(recorded: tuple[Path, dict[str, Any]]) -> None:
    """Going on with another series is refused, in words that name both."""
    root, _ = recorded
    with pytest.raises(ConfigError, match="seed 50 of memory tasks, and seed 50 of scene tasks"):
        record_series(root, 1, 50, tasks="scene")
    assert record_series(root, 1, 50, tasks="memory") == root


def test_kinds_that_nobody_can_demonstrate_are_refused(tmp_path: Path) -> None:
    """A kind that there is not, or of no memory task, records nothing and says what there is."""
    with pytest.raises(UnknownNameError, match="Did you mean 'other'"):
        record_series(tmp_path, 1, 0, tasks="memory", kinds=["othr"])
    with pytest.raises(ConfigError, match="Add --tasks memory"):
        record_series(tmp_path, 1, 0, kinds=["other"])
    assert not list(tmp_path.iterdir())


def test_every_row_makes_exercises(recorded: tuple[Path, dict[str, Any]]) -> None:
    """Own and made-up questions have checked answers and facts in range, of every row."""
    table, info = read_episode(recorded[0], 0)
    random = np.random.default_rng(0)
    for row in table.to_pylist()[::20]:
        asked = list(questions(row, info, random, Asking(MEMORY_PROMPT)))
        assert len(asked) == 4
        for question in asked:
            assert question["answer"].startswith("TASK: ")
            classes = zip(question["facts"], FACT_CLASSES, strict=True)
            assert all(number == UNKNOWN or 0 <= number < count for number, count in classes)


def test_lights_are_named_while_they_are_lit(recorded: tuple[Path, dict[str, Any]]) -> None:
    """What the planner sees it says, so that its latents carry it; when it is over it does not."""
    table, _ = read_episode(recorded[0], 0)
    rows = table.to_pylist()
    random = np.random.default_rng(1)
    for is_lit in (True, False):
        row = next(row for row in rows if bool(json.loads(row["facts"])["lit"]) == is_lit)
        for question in made_up_questions(row, 5, random, held_out=True):
            seen = question["answer"].split("\n")[1]
            assert seen.startswith("VISIBLE OBJECTS: ")
            assert (" lit, arm " in seen) == is_lit


def test_the_next_step_is_pointed_at_by_its_number(recorded: tuple[Path, dict[str, Any]]) -> None:
    """The reasoning names a number of the task, and the words behind it are the subtask's."""
    table, _ = read_episode(recorded[0], 0)
    random = np.random.default_rng(2)
    pointed = 0
    for row in table.to_pylist()[::10]:
        for question in made_up_questions(row, 3, random, held_out=False):
            fields = dict(line.split(": ", 1) for line in question["answer"].split("\n"))
            _, found, coming = fields["SUBTASK REASONING"].partition(" done, next ")
            if not found:
                continue
            pointed += 1
            step = fields["SUBTASK"].partition(",")[0]
            assert coming == "nothing" == step or coming in fields["TASK"].split(", ")
            # A press is done by locking or unlocking, as the picture tells.
            thing = step.rpartition(" ")[2]
            assert coming.endswith((step, f"press the {thing} button"))
    assert pointed > 10


def test_looks_at_a_demonstration_say_what_a_planner_can_know(
    recorded: tuple[Path, dict[str, Any]],
) -> None:
    """The latents of a memory task speak for the step in words, not for the skill."""
    table, info = read_episode(recorded[0], 0)
    rows = table.to_pylist()
    random = np.random.default_rng(0)
    looks = [_look(row, info, 0, random, MEMORY_PROMPT) for row in rows[::8]]
    assert looks[0].subtask == rows[0]["subtask"]
    assert "current: nothing" in looks[0].prompt
    assert any(look.subtask.startswith(PRESS_OTHER) for look in looks)
    assert all("the drawer button" not in look.answer.split("PLAN")[1] for look in looks)


def test_a_policy_cannot_be_taught_by_one_demonstration(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """One would be held out and nothing left to learn from: refused with what it takes."""
    plan = TrainingPlan(datasets=[recorded[0]], work=tmp_path, out=tmp_path / "out", steps=1)
    with pytest.raises(ConfigError, match="memory0: 1, and at least 2 are needed"):
        train_policy(plan, SHIPPED_WEIGHTS, lambda *_: lambda *_: None)


def test_the_policy_is_taught_in_phases_each_told_by_name(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """From memory tasks: latents of every look, then words, reading and chunks; weights at last."""
    root, _ = recorded
    told: list[tuple[str, int]] = []
    steps: dict[str, list[int]] = {}

    def on_phase(name: str, total: int) -> Callable[[int, dict[str, float]], None]:
        told.append((name, total))
        return lambda step, _: steps.setdefault(name, []).append(step)

    plan = TrainingPlan(datasets=[root, root], work=tmp_path, out=tmp_path / "out", steps=1)
    train_policy(plan, SHIPPED_WEIGHTS.parent / "memory", on_phase)
    looks = look_count([root, root])
    assert told == [
        ("the planner's latents", looks),
        ("words and chunks", 1),
        ("reading memory", 1),
        ("latents and chunks", 1),
    ]
    assert steps["the planner's latents"][-1] == looks
    assert all(steps[name][-1] == 0 for name, _ in told[1:])
    assert (tmp_path / "out" / "policy.safetensors").is_file()


def test_stills_show_spots_and_lights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among a few dozen stills the cube lies at every spot, and either button is lit."""
    from agent.demos import memory_stills

    monkeypatch.setattr(memory_stills, "GlCamera", FlatCamera)
    rows = [row for row, _ in memory_stills.memory_stills(60, 3)]
    facts = [json.loads(row["facts"]) for row in rows]
    assert {each["lit"] for each in facts} == {"", "drawer", "window"}
    assert len({each["cube_spot"] for each in facts}) == 6
    assert rows[:5] == [row for row, _ in memory_stills.memory_stills(5, 3)]
