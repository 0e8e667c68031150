"""The demonstrator does in the simulated scene what memory tasks are made of."""

from dataclasses import asdict

import pytest

pytest.importorskip("ogbench")

from agent.worlds.scene.memory_tasks import SPOTS
from agent.worlds.scene.memory_tasks_expert import MEMORY_SKILLS, MemoryExpert
from agent.worlds.scene.memory_tasks_history import MemoryFacts
from fast_brain.robots.scene_facts import SKILLS
from fast_brain.robots.scene_physics import ScenePhysics

pytestmark = pytest.mark.sim

TICKS_PER_DECISION = 5
LONGEST_DECISIONS = 300


@pytest.fixture(scope="module")
def physics() -> ScenePhysics:
    """The scene, compiled once."""
    return ScenePhysics()


@pytest.mark.parametrize(
    "skill",
    ["put the cube on the middle", "put the cube on the near left", "press the window button"],
)
def test_the_expert_reaches_what_memory_tasks_ask_for(physics: ScenePhysics, skill: str) -> None:
    """From a spot at which tasks begin, a skill ends in the fact that the history looks for."""
    physics.reset(
        5,
        drawer_m=0.0,
        window_m=0.0,
        drawer_locked=False,
        window_locked=False,
        cube_xy_m=SPOTS["far right"],
        arm_at_home=True,
    )
    before = _facts(physics)
    assert before.cube_spot == "far right"
    expert = MemoryExpert(physics)
    expert.start(skill)
    for _ in range(LONGEST_DECISIONS):
        start, end = physics.target, expert.act()
        for tick in range(1, TICKS_PER_DECISION + 1):
            physics.step(start + (end - start) * tick / TICKS_PER_DECISION)
        if expert.done:
            break
    assert expert.done
    after = _facts(physics)
    if skill.startswith("press"):
        assert after.window_locked != before.window_locked
    else:
        assert after.cube_spot == skill.removeprefix("put the cube on the ")


def test_memory_skills_come_on_top_of_the_scenes() -> None:
    """None of them goes by the name of another skill."""
    assert not set(MEMORY_SKILLS) & set(SKILLS)


def _facts(physics: ScenePhysics) -> MemoryFacts:
    cube = physics.data.joint("object_joint_0").qpos
    place = {f"cube_{axis}_m": float(cube[i]) for i, axis in enumerate("xyz")}
    return MemoryFacts.of(asdict(physics.facts()) | place)
