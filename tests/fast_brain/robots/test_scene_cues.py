"""Cues: a button glows for a moment, a camera sees it, and nothing else changes."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bridge import ContractError
from fast_brain.robots.ogbench_scene import OgbenchScene

if TYPE_CHECKING:
    from fast_brain.robots.scene_physics import ScenePhysics

pytest.importorskip("ogbench")
pytestmark = pytest.mark.sim


def _colour(physics: "ScenePhysics", button: int) -> list[float]:
    geom = physics.env._button_geom_ids_list[button][0]
    return physics.model.geom(geom).rgba.tolist()


def test_buttons_glow_in_turn_and_look_as_before_afterwards(physics: "ScenePhysics") -> None:
    """Each cue lights its own button for a while; locks and colours are as they were."""
    from fast_brain.robots.scene_cues import LIT_S, Cue, CueLights

    before = [_colour(physics, button) for button in (0, 1)]
    lights = CueLights(physics, [Cue(0.1, "window"), Cue(1.0, "drawer")])
    seen: list[str] = []
    while physics.time_s < 1.0 + LIT_S + 0.1:
        lights.show()
        if lights.lit != (seen[-1] if seen else ""):
            seen.append(lights.lit)
            glowing = [_colour(physics, button) != before[button] for button in (0, 1)]
            assert glowing == [lights.lit == "drawer", lights.lit == "window"]
        physics.step(physics.target)
    assert seen == ["window", "", "drawer", ""]
    assert [_colour(physics, button) for button in (0, 1)] == before
    assert (physics.facts().drawer_locked, physics.facts().window_locked) == (True, False)


@pytest.mark.parametrize(
    "cues",
    [
        3,
        "drawer",
        [1.0],
        [(1.0, "door")],
        [(-1.0, "drawer")],
        [(float("nan"), "drawer")],
        [(True, "drawer")],
    ],
    ids=str,
)
def test_cues_that_are_none_are_refused(cues: object) -> None:
    """A wrong time, button or form is told before anything is built."""
    with pytest.raises(
        ContractError, match=r"pairs of a time in \[0, 600\] s and one of drawer, window"
    ):
        OgbenchScene(start={"cues": cues})


def test_the_cameras_and_the_report_show_what_is_lit() -> None:
    """While a button is lit the pictures differ from those without a cue, and the facts say it."""
    pictures: dict[str, np.ndarray] = {}
    robot = OgbenchScene(robot_name=None)
    robot.connect()
    try:
        for lit, cues in (("", []), ("drawer", [(0.0, "drawer")])):
            robot.reset(1, {"cues": cues, "arm_at_home": True})
            for beat in range(30):
                robot.advance(beat * 10_000_000)
            pictures[lit] = robot.observe(29 * 10_000_000).images["front"].astype(np.int16)
            assert robot.report().facts["lit"] == lit
        changed = np.abs(pictures["drawer"] - pictures[""]).max(axis=2) > 40
        assert 5 < changed.sum() < changed.size // 4
    finally:
        robot.close()
