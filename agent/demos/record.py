"""Records demonstrations: the packaged oracles at work, disturbed on purpose, labelled in words."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agent.demos.dataset import CAMERAS, FPS, encode_image, write_episode
from agent.demos.disturbances import Disturber
from agent.worlds.scene.expert import SceneExpert
from agent.worlds.scene.language import sample_phrasing
from agent.worlds.scene.tasks import FIVE_STEP_CHAIN, SceneGoal, next_subtask, sample_goal
from fast_brain.robots.scene_camera import GlCamera
from fast_brain.robots.scene_facts import DRAWER_OPEN_M, STORE_CUBE, SceneFacts, holds
from fast_brain.robots.scene_physics import COMMAND_RATE_HZ, HOME_POSITION_M, ScenePhysics

COMMANDS_PER_FRAME = COMMAND_RATE_HZ // FPS
# A subtask is over when its effect holds and the arm is back within this of the waiting pose [m].
RETREATED_WITHIN_M = 0.12
# A demonstration that takes longer than this is stuck: the episode ends there, marked so.
_LONGEST_SEGMENT_FRAMES = 230
_LONGEST_EPISODE_FRAMES = 1100
# How often an episode starts so: the cube out of sight in the drawer, a chain at its beginning, the
# arm at its waiting pose (in such a chain, and else), the drawer somewhere between its end stops.
_HIDDEN_CUBE_SHARE = 0.15
_CHAIN_FROM_START_SHARE = 0.5
_CHAIN_AT_HOME_SHARE = 0.5
_AT_HOME_SHARE = 0.4
_HALF_OPEN_SHARE = 0.2
_SHORTEST_HOVER_FRAMES, _LONGEST_HOVER_FRAMES = 16, 34


def is_subtask_done(skill: str, facts: SceneFacts, gripper_position_m: np.ndarray) -> bool:
    """Say whether ``skill`` is over: its effect holds and the arm has gone back to wait."""
    away = float(np.linalg.norm(gripper_position_m - HOME_POSITION_M))
    return holds(skill, facts) and away < RETREATED_WITHIN_M


@dataclass
class _Story:
    """What has happened in the episode so far."""

    goal: SceneGoal
    goal_text: str
    finished: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    segment: int = 0
    stuck_segment: int | None = None


class DemoRecorder:
    """Plays and records one episode at a time; the same seed gives the same data."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._physics = ScenePhysics()
        self._expert = SceneExpert(self._physics)
        self._camera = GlCamera(self._physics.model)

    def record(self, episode: int, seed: int) -> dict[str, Any]:
        """Play episode number ``episode`` of series ``seed`` and write it.

        Returns:
            The episode's description: goal, words, success, length.
        """
        random = np.random.default_rng([seed, episode])
        goal = sample_goal(random)
        story = _Story(goal, sample_phrasing(goal, random, held_out=False))
        self._physics.reset(int(random.integers(2**31)), **_start(goal, random))
        if random.random() < _HIDDEN_CUBE_SHARE and not goal.cube_in_drawer:
            self._physics.hide_cube()
        disturber = Disturber(self._physics, random)
        for skill in self._subtasks(story):
            if not self._play(skill, story, disturber, random):
                break
        info = self._describe(story, seed)
        write_episode(self._root, episode, self._number(story.rows, episode), info)
        return info

    def _subtasks(self, story: _Story) -> Iterator[str]:
        while len(story.rows) < _LONGEST_EPISODE_FRAMES:
            skill = next_subtask(story.goal, self._physics.facts())
            if skill is None:
                return
            yield skill

    def _play(
        self, skill: str, story: _Story, disturber: Disturber, random: np.random.Generator
    ) -> bool:
        """Do one subtask, then wait at the top as a robot does while its planner looks.

        Returns:
            False when the expert got stuck.
        """
        self._expert.start(skill)
        disturber.begin(skill)
        for _ in range(_LONGEST_SEGMENT_FRAMES):
            self._frame(skill, story, disturber, hovering=False)
            if self._expert.done or _is_overtaken(skill, story.goal, self._physics.facts()):
                break
        else:
            story.stuck_segment = story.segment
            return False
        if holds(skill, self._physics.facts()):
            for _ in range(int(random.integers(_SHORTEST_HOVER_FRAMES, _LONGEST_HOVER_FRAMES))):
                self._frame(skill, story, disturber, hovering=True)
            story.finished.append(skill)
            disturber.after(skill)
        story.segment += 1
        return True

    def _frame(self, skill: str, story: _Story, disturber: Disturber, *, hovering: bool) -> None:
        physics = self._physics
        target = physics.home_action() if hovering else self._expert.act()
        facts = physics.facts()
        story.rows.append(
            {
                **self._seen(),
                "action": target.astype(np.float32).tolist(),
                "subtask": skill,
                "segment_index": story.segment,
                "finished": list(story.finished),
                "is_subtask_done": is_subtask_done(skill, facts, physics.gripper_pose()[:3]),
                "is_hovering": hovering,
                "disturbance": disturber.name,
                "facts": json.dumps(asdict(facts)),
            }
        )
        self._execute(target, disturber)

    def _seen(self) -> dict[str, Any]:
        """What the robot senses now, as columns of a row."""
        measured = self._physics.measure()
        state = [
            measured["gripper_pose_in_base"],
            measured["gripper_contact"],
            measured["target_pose_in_base"],
        ]
        pictures = {
            f"observation.images.{name}": encode_image(self._camera.take(self._physics.data, name))
            for name in CAMERAS
        }
        return {**pictures, "observation.state": np.concatenate(state).tolist()}

    def _execute(self, target: np.ndarray, disturber: Disturber) -> None:
        start = self._physics.target
        end = disturber.disturb(target)
        for tick in range(1, COMMANDS_PER_FRAME + 1):
            share = tick / COMMANDS_PER_FRAME
            self._physics.step(start + (end - start) * share)
            disturber.push()

    def _number(self, rows: list[dict[str, Any]], episode: int) -> list[dict[str, Any]]:
        for index, row in enumerate(rows):
            row["timestamp"] = index / FPS
            row["frame_index"] = index
            row["episode_index"] = episode
            row["index"] = index
            row["task_index"] = 0
        return rows

    def _describe(self, story: _Story, seed: int) -> dict[str, Any]:
        return {
            "goal": asdict(story.goal),
            "goal_text": story.goal_text,
            "success": story.goal.is_met(self._physics.facts()),
            "frames": len(story.rows),
            "subtasks": story.finished,
            "stuck_segment": story.stuck_segment,
            "disturbances": sorted({row["disturbance"] for row in story.rows} - {""}),
            "seed": seed,
        }

    def close(self) -> None:
        """Free the renderer."""
        self._camera.close()


def _is_overtaken(skill: str, goal: SceneGoal, facts: SceneFacts) -> bool:
    """Say whether the scene changed so that another subtask must come first."""
    if holds(skill, facts) or facts.cube_held:
        return False
    if skill == STORE_CUBE:
        return facts.drawer != "open"
    following = next_subtask(goal, facts)
    return following is not None and following != skill and "unlock" in following


def _start(goal: SceneGoal, random: np.random.Generator) -> dict[str, Any]:
    """Choose a start; half of the chains start from the beginning, the rest anywhere."""
    if goal == FIVE_STEP_CHAIN and random.random() < _CHAIN_FROM_START_SHARE:
        return {
            "drawer_m": 0.0,
            "drawer_locked": True,
            "arm_at_home": random.random() < _CHAIN_AT_HOME_SHARE,
        }
    start: dict[str, Any] = {"arm_at_home": random.random() < _AT_HOME_SHARE}
    if random.random() < _HALF_OPEN_SHARE:
        start["drawer_m"] = float(random.uniform(DRAWER_OPEN_M, 0))
    return start
