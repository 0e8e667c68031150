"""Records demonstrations of memory tasks: an expert that saw the past, told in words that do not.

The rows are those of every demonstration. `subtask` is what a planner can say that does not know
the past; the facts also name the `skill` that the expert then does ("" while it waits), where the
cube lies and which button is lit. From the one to the other a learner gets by remembering.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agent.demos.dataset import write_episode
from agent.demos.disturbances import Disturber
from agent.demos.record import COMMANDS_PER_FRAME, DemoRecorder
from agent.worlds.scene.memory_tasks import MemoryKind, MemoryTask, sample_memory_task
from agent.worlds.scene.memory_tasks_expert import MemoryExpert, memory_facts
from agent.worlds.scene.memory_tasks_history import History, MemoryFacts
from agent.worlds.scene.memory_tasks_language import sample_memory_phrasing
from agent.worlds.scene.memory_tasks_plan import (
    is_step_done,
    next_step,
    skill_for_step,
)
from fast_brain.robots.scene_cues import LIT_S, CueLights, checked_cues
from fast_brain.robots.scene_memory_skills import PRESS_LIGHTS, PUT_ALL_BACK

# How often each kind comes. Counting asks no memory of the policy, but shows the same thing done
# again and again, which nothing else does.
KIND_SHARES: Mapping[MemoryKind, float] = {
    "put-back": 0.24,
    "order": 0.2,
    "restore": 0.14,
    "other": 0.1,
    "gap": 0.2,
    "count": 0.12,
}
_AT_HOME_SHARE = 0.2
_LONGEST_SKILL_FRAMES = 230
_LONGEST_EPISODE_FRAMES = 1600
# A skill that had no effect is tried again so often before the episode ends as failed.
_TRIES = 3
_SHORTEST_HOVER_FRAMES, _LONGEST_HOVER_FRAMES = 16, 34
# Nobody says that everything is back: the arm just waits [frames].
_LAST_HOVER_FRAMES = 50
_AFTER_LIGHTS_S = 0.2


@dataclass
class _Story:
    """What has happened in the episode so far."""

    task: MemoryTask
    goal_text: str
    history: History
    lights: CueLights
    disturber: Disturber
    random: np.random.Generator
    finished: list[str] = field(default_factory=list[str])
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    segment: int = 0


class MemoryRecorder(DemoRecorder):
    """Plays and records one episode of a memory task at a time; the same seed, the same data."""

    def __init__(self, root: Path, shares: Mapping[MemoryKind, float] = KIND_SHARES) -> None:
        super().__init__(root)
        self._shares = shares
        self._memory_expert = MemoryExpert(self._physics)
        self._lights: CueLights | None = None

    def record(self, episode: int, seed: int) -> dict[str, Any]:
        """Play episode number ``episode`` of series ``seed`` and write it.

        Returns:
            The episode's description: task, words, success, length.
        """
        story = self._begin(np.random.default_rng([seed, episode]))
        while (step := next_step(story.task, self._facts(story), story.finished)) is not None:
            if not self._play_step(step, story):
                break
            story.finished.append(step)
            story.segment += 1
        info = self._tell(story, seed)
        write_episode(self._root, episode, self._number(story.rows, episode), info)
        return info

    def _begin(self, random: np.random.Generator) -> _Story:
        kinds, shares = zip(*self._shares.items(), strict=True)
        kind: MemoryKind = kinds[int(random.choice(len(kinds), p=np.array(shares) / sum(shares)))]
        task = sample_memory_task(kind, random)
        words = sample_memory_phrasing(task, random, held_out=False)
        start = {**task.start, "arm_at_home": bool(random.random() < _AT_HOME_SHARE)}
        self._physics.reset(int(random.integers(2**31)), **start)
        lights = CueLights(self._physics, checked_cues(task.start.get("cues", ())))
        self._lights = lights
        disturber = Disturber(self._physics, random)
        return _Story(task, words, History(task), lights, disturber, random)

    def _play_step(self, step: str, story: _Story) -> bool:
        """Do one step as somebody who remembers; False when the expert cannot."""
        if step.startswith(PRESS_LIGHTS[0]):
            self._watch_lights(step, story)
        for _ in range(_TRIES):
            skill = skill_for_step(step, story.task.past, self._facts(story))
            if skill is not None and not self._play_skill(step, skill, story):
                return False
            if self._is_over(step, story):
                break
        else:
            return False
        hover = int(story.random.integers(_SHORTEST_HOVER_FRAMES, _LONGEST_HOVER_FRAMES))
        for _ in range(_LAST_HOVER_FRAMES if step == PUT_ALL_BACK else hover):
            self._row(step, "", story)
        return True

    def _is_over(self, step: str, story: _Story) -> bool:
        facts = self._facts(story)
        if step == PUT_ALL_BACK:
            return skill_for_step(step, story.task.past, facts) is None
        return is_step_done(step, facts, self._physics.gripper_pose()[:3])

    def _watch_lights(self, step: str, story: _Story) -> None:
        """Wait until the last light is over, so that nothing hides one."""
        cues = checked_cues(story.task.start.get("cues", ()))
        over_s = max((cue.at_s for cue in cues), default=0.0) + LIT_S + _AFTER_LIGHTS_S
        while self._physics.time_s < over_s:
            self._row(step, "", story)

    def _play_skill(self, step: str, skill: str, story: _Story) -> bool:
        self._memory_expert.start(skill)
        story.disturber.begin(skill)
        for _ in range(_LONGEST_SKILL_FRAMES):
            if len(story.rows) >= _LONGEST_EPISODE_FRAMES or story.history.spoiled:
                return False
            self._row(step, skill, story)
            if self._memory_expert.done:
                return True
        return False

    def _row(self, step: str, skill: str, story: _Story) -> None:
        """Note one moment, and let the frame's time pass; without a skill the arm waits."""
        physics = self._physics
        target = self._memory_expert.act() if skill else physics.home_action()
        facts = self._facts(story)
        story.history.look(facts)
        story.rows.append(
            {
                **self._seen(),
                "action": target.astype(np.float32).tolist(),
                "subtask": step,
                "segment_index": story.segment,
                "finished": list(story.finished),
                "is_subtask_done": is_step_done(step, facts, physics.gripper_pose()[:3]),
                "is_hovering": not skill,
                "disturbance": story.disturber.name if skill else "",
                "facts": json.dumps(
                    asdict(physics.facts())
                    | {"cube_spot": facts.cube_spot, "lit": facts.lit, "skill": skill}
                ),
            }
        )
        self._execute(target, story.disturber)

    def _execute(self, target: np.ndarray, disturber: Disturber) -> None:
        start, end = self._physics.target, disturber.disturb(target)
        for tick in range(1, COMMANDS_PER_FRAME + 1):
            if self._lights is not None:
                self._lights.show()
            self._physics.step(start + (end - start) * tick / COMMANDS_PER_FRAME)

    def _facts(self, story: _Story) -> MemoryFacts:
        return memory_facts(self._physics, story.lights.lit)

    def _tell(self, story: _Story, seed: int) -> dict[str, Any]:
        story.history.look(self._facts(story))
        is_met = story.history.is_met
        return {
            "memory_task": msgspec.to_builtins(story.task),
            "goal_text": story.goal_text,
            "success": is_met,
            "frames": len(story.rows),
            "subtasks": story.finished,
            # Nobody should learn from one that failed: whichever segment it was in, none counts.
            "stuck_segment": None if is_met else 0,
            "disturbances": sorted({row["disturbance"] for row in story.rows} - {""}),
            "seed": seed,
        }
