"""The demonstrator for memory tasks: besides the scene's skills, spots for the cube and presses."""

# The benchmark offers no public handles for what an oracle is to aim at.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from dataclasses import asdict

from agent.worlds.scene.expert import SceneExpert
from agent.worlds.scene.memory_tasks import BUTTONS, SPOTS
from agent.worlds.scene.memory_tasks_history import MemoryFacts
from agent.worlds.scene.memory_tasks_oracle import PRESS, PUT_CUBE
from fast_brain.robots.scene_facts import (
    LOCK_DRAWER,
    LOCK_WINDOW,
    UNLOCK_DRAWER,
    UNLOCK_WINDOW,
)
from fast_brain.robots.scene_physics import ScenePhysics

_CUBE_RESTING_HEIGHT_M = 0.02
# What a press does, by what the lock is now.
_PRESSES = {
    "drawer": {True: UNLOCK_DRAWER, False: LOCK_DRAWER},
    "window": {True: UNLOCK_WINDOW, False: LOCK_WINDOW},
}
MEMORY_SKILLS = (
    *(PRESS.format(button) for button in BUTTONS),
    *(PUT_CUBE.format(spot) for spot in SPOTS),
)


def memory_facts(physics: ScenePhysics, lit: str) -> MemoryFacts:
    """What is true in the simulation now, as far as memory tasks care; `lit` names a lit button."""
    cube = physics.data.joint("object_joint_0").qpos[:3]
    where = {f"cube_{axis}_m": float(cube[index]) for index, axis in enumerate("xyz")}
    return MemoryFacts.of({**asdict(physics.facts()), **where, "lit": lit})


class MemoryExpert(SceneExpert):
    """Does one of the scene's skills, or one of `MEMORY_SKILLS`."""

    def __init__(self, physics: ScenePhysics) -> None:
        super().__init__(physics)
        self._scene = physics

    def _aim(self, skill: str) -> str:
        for button in BUTTONS:
            if skill == PRESS.format(button):
                is_locked = bool(getattr(self._scene.facts(), f"{button}_locked"))
                return super()._aim(_PRESSES[button][is_locked])
        return super()._aim(skill)

    def _aim_cube(self, skill: str) -> None:
        spot = skill.removeprefix(PUT_CUBE.format(""))
        if spot not in SPOTS:
            super()._aim_cube(skill)
            return
        env, data = self._scene.env, self._scene.data
        env._target_task, env._target_block = "cube", 0  # noqa: SLF001
        target = env._cube_target_mocap_ids[0]  # noqa: SLF001
        data.mocap_pos[target] = [*SPOTS[spot], _CUBE_RESTING_HEIGHT_M]
        data.mocap_quat[target] = [1, 0, 0, 0]
