"""What is true in the scene, in words: the symbolic side of the simulated robot.

Facts are for demonstrations, evaluation and display. No brain may read them at run time.
"""

from dataclasses import dataclass, replace

UNLOCK_DRAWER = "unlock the drawer"
LOCK_DRAWER = "lock the drawer"
UNLOCK_WINDOW = "unlock the window"
LOCK_WINDOW = "lock the window"
OPEN_DRAWER = "open the drawer"
CLOSE_DRAWER = "close the drawer"
OPEN_WINDOW = "open the window"
CLOSE_WINDOW = "close the window"
STORE_CUBE = "put the cube in the drawer"

SKILLS = (
    UNLOCK_DRAWER,
    LOCK_DRAWER,
    UNLOCK_WINDOW,
    LOCK_WINDOW,
    OPEN_DRAWER,
    CLOSE_DRAWER,
    OPEN_WINDOW,
    CLOSE_WINDOW,
    STORE_CUBE,
)

# Joint travel of the published scene [m]: the drawer slides to -0.16, the window to +0.20.
DRAWER_OPEN_M = -0.16
WINDOW_OPEN_M = 0.20
# Within this of an end stop counts as there [m]; the benchmark's own success tolerance is 0.04.
END_STOP_TOLERANCE_M = 0.04


@dataclass(frozen=True, kw_only=True)
class SceneFacts:
    """The symbolic state of drawer, window, buttons and cube.

    ``drawer`` and ``window`` are "open", "closed" or "half open".
    """

    drawer: str
    drawer_locked: bool
    window: str
    window_locked: bool
    cube_in_drawer: bool
    cube_held: bool

    def after(self, skill: str) -> "SceneFacts":
        """Return the facts once ``skill`` has worked.

        Raises:
            KeyError: The skill is not one of ``SKILLS``.
        """
        return replace(self, **_EFFECTS[skill])


_EFFECTS: dict[str, dict[str, bool | str]] = {
    UNLOCK_DRAWER: {"drawer_locked": False},
    LOCK_DRAWER: {"drawer_locked": True},
    UNLOCK_WINDOW: {"window_locked": False},
    LOCK_WINDOW: {"window_locked": True},
    OPEN_DRAWER: {"drawer": "open"},
    CLOSE_DRAWER: {"drawer": "closed"},
    OPEN_WINDOW: {"window": "open"},
    CLOSE_WINDOW: {"window": "closed"},
    STORE_CUBE: {"cube_in_drawer": True, "cube_held": False},
}


def holds(skill: str, facts: SceneFacts) -> bool:
    """Say whether the effect of ``skill`` is true now."""
    return all(getattr(facts, name) == value for name, value in _EFFECTS[skill].items())


def end_stop_word(position_m: float, open_at_m: float) -> str:
    """Name a sliding joint's place: "open", "closed" or "half open"."""
    if abs(position_m) <= END_STOP_TOLERANCE_M:
        return "closed"
    if abs(position_m - open_at_m) <= END_STOP_TOLERANCE_M:
        return "open"
    return "half open"
