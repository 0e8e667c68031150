import pytest

pytest.importorskip("ogbench")

from agent.worlds.scene.expert import SceneExpert
from fast_brain.robots.scene_facts import (
    CLOSE_WINDOW,
    OPEN_WINDOW,
    UNLOCK_DRAWER,
    holds,
)
from fast_brain.robots.scene_physics import ScenePhysics

pytestmark = pytest.mark.sim

TICKS_PER_DECISION = 5
LONGEST_DECISIONS = 230


@pytest.fixture(scope="module")
def physics() -> ScenePhysics:
    """The scene, compiled once."""
    return ScenePhysics()


@pytest.mark.parametrize("skill", [UNLOCK_DRAWER, OPEN_WINDOW, CLOSE_WINDOW])
def test_expert_reaches_what_it_starts(physics: ScenePhysics, skill: str) -> None:
    """Done alone from a fitting start, a skill works and the arm is back at its waiting pose."""
    physics.reset(
        3,
        drawer_m=0.0,
        window_m=0.2 if skill == CLOSE_WINDOW else 0.0,
        drawer_locked=True,
        window_locked=False,
        arm_at_home=True,
    )
    expert = SceneExpert(physics)
    expert.start(skill)
    for _ in range(LONGEST_DECISIONS):
        start, end = physics.target, expert.act()
        for tick in range(1, TICKS_PER_DECISION + 1):
            physics.step(start + (end - start) * tick / TICKS_PER_DECISION)
        if expert.done:
            break
    assert expert.done
    assert holds(skill, physics.facts())
    assert physics.gripper_pose()[:3] == pytest.approx(physics.home_action()[:3], abs=0.06)


def test_an_unknown_skill_is_refused(physics: ScenePhysics) -> None:
    """The expert does not guess at a skill it has no oracle for."""
    with pytest.raises(KeyError, match="fold"):
        SceneExpert(physics).start("fold the towel")
