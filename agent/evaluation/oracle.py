"""A planner that is told the truth, to compare with: the same model's latents, the right words.

The simulator says what is so, and the words of an expert follow from it. The model only reads them
along, so that what it hands over carries that decision, as its own would. Scrambled, the words are
of another skill than the right one: what the policy then still does right it does without being
told.
"""

from collections.abc import Generator, Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from agent.demos.latents import read_along
from agent.demos.memory_examples import Present, memory_thought
from agent.demos.planner_examples import thought_text
from agent.demos.record import is_subtask_done
from agent.worlds.scene.memory_tasks import MemoryTask
from agent.worlds.scene.memory_tasks_history import MemoryFacts
from agent.worlds.scene.memory_tasks_plan import Notes
from agent.worlds.scene.tasks import SceneGoal
from bridge.errors import ConfigError, ContractError
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought, WorldReport
from bridge.specs import LatentSpec, PlannerSpec
from fast_brain.robots.scene_facts import SKILLS, SceneFacts
from slow_brain.checkpoint import IMAGE_TOKENS, LATENT_WIDTH, load
from slow_brain.decoding import TextDecoder
from slow_brain.engines.model_files import weights_folder
from slow_brain.planning_node import PlanningNode
from slow_brain.prompt import MEMORY_PROMPT, NOTHING, SHIPPED_PROMPT, planner_prompt

_POSE = "gripper_pose_in_base"
# Fixes which wrong skill stands for which right one.
_SCRAMBLING = 0


class OraclePlanningNode(PlanningNode):
    """The planner's node, which also shows its planner the newest report of the world."""

    def step(self, now_ns: int) -> None:
        """Think, if there is a reason to.

        Raises:
            ConfigError: It was not started, or the evaluation may not ask the simulator.
        """
        if "world" not in self._inputs:
            raise ConfigError(
                "The oracle asks the simulator, which only an evaluation may allow: set "
                "slow_brain.monitoring.may_ask_simulator=true."
            )
        world: WorldReport | None = self._inputs["world"].read()
        if world is not None and isinstance(self._planner, OraclePlanner):
            self._planner.see(world)
        super().step(now_ns)


class OraclePlanner:
    """Plans from the facts of the simulator; the weights are those that would have planned.

    Args:
        symbols: The goal as data (`Episode.symbols`); filled in by the evaluation.
        words: "right", or "scrambled" for another skill in the stead of each right one.
        weights: Folder of the planner's model, whose latents are handed over; the shipped if empty.
        prompt: What the model is asked with.
        subtask_timeout_s: How long a subtask may take before it has failed [s].
        ignored: Settings of the planner that it stands for, and that it has no use for.
    """

    def __init__(
        self,
        *,
        symbols: Mapping[str, Any] | None = None,
        words: Literal["right", "scrambled"] = "right",
        weights: str = "",
        prompt: str = SHIPPED_PROMPT,
        subtask_timeout_s: float = 30.0,
        **ignored: object,
    ) -> None:
        del ignored
        if not symbols:
            raise ConfigError(
                "The oracle plans in evaluations of the simulated scene only, which tell it the "
                "goal as data: agent eval --ablate --conditions oracle"
            )
        if words not in ("right", "scrambled"):
            raise ConfigError(f"The oracle's words are right or scrambled, not {words!r}.")
        task = symbols.get("memory_task")
        self._task = None if task is None else msgspec.convert(task, MemoryTask)
        self._goal = SceneGoal(**symbols.get("goal", {}))
        self._is_scrambled = words == "scrambled"
        self._prompt = prompt if task is None else MEMORY_PROMPT
        model, self._processor = load(weights_folder(weights))
        self._decoder = TextDecoder(model, self._processor)
        self._subtask_timeout_s = subtask_timeout_s
        self._world: WorldReport | None = None
        self._sequence = 0

    @property
    def spec(self) -> PlannerSpec:
        """The front camera in; latents as of the model it stands for."""
        latent = LatentSpec(perceptual_tokens=IMAGE_TOKENS, cognitive_tokens=1, width=LATENT_WIDTH)
        return PlannerSpec(latent=latent, cameras=("front",))

    def see(self, world: WorldReport) -> None:
        """Take in what is true now."""
        self._world = world

    def plan(self, request: PlanRequest) -> Generator[Thought | Plan | Latent]:
        """Write down what an expert would, and let the model read it.

        Raises:
            ContractError: The world has not been seen yet, or there is no picture of it.
        """
        thought = self._thought(request)
        fields = dict(line.split(": ", 1) for line in thought.split("\n"))
        for field, value in fields.items():
            yield Thought(field=field, text=value, plan_id=request.plan_id, stamp_ns=0)
        steps = [] if fields["PLAN"] == NOTHING else fields["PLAN"].split("; ")
        yield self._plan(request, steps, is_done=fields["DONE"] == "yes")
        yield self._latent(request, thought, steps)

    def close(self) -> None:
        """Nothing to let go of."""

    def _thought(self, request: PlanRequest) -> str:
        if self._world is None:
            raise ContractError(leaf="world", expected="a report", got="none yet")
        facts = self._world.facts
        scene = SceneFacts(**{n: facts[n] for n in SceneFacts.__dataclass_fields__})  # pyright: ignore[reportArgumentType]  # As reported.
        position_m = np.asarray(request.observation.proprioception[_POSE])[:3]
        current = None if request.current is None else request.current.text
        if self._task is not None:
            present = Present(scene, MemoryFacts.of(facts), position_m)
            finished = tuple(subtask.text for subtask in request.finished)
            text, _ = memory_thought(self._task, present, Notes(finished, current))
        else:
            is_done = current is not None and is_subtask_done(current, scene, position_m)
            text = thought_text(self._goal, scene, current, is_done=is_done, prompt=self._prompt)
        return _scrambled(text) if self._is_scrambled else text

    def _plan(self, request: PlanRequest, steps: list[str], *, is_done: bool) -> Plan:
        subtasks = tuple(
            Subtask(id=f"{request.plan_id}.{number}", text=text, timeout_s=self._subtask_timeout_s)
            for number, text in enumerate(steps)
        )
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=subtasks,
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            current_subtask_done=is_done,
            goal_done=not subtasks,
            stamp_ns=0,
        )

    def _latent(self, request: PlanRequest, thought: str, steps: list[str]) -> Latent:
        finished = [subtask.text for subtask in request.finished]
        current = None if request.current is None else request.current.text
        prompt = planner_prompt(request.goal.text, finished, current, self._prompt)
        image = request.observation.images.get("front")
        if image is None:
            raise ContractError(leaf="observation.images.front", expected="a picture", got="none")
        perceptual, cognitive = read_along(
            self._decoder, self._processor.tokenizer, [(prompt, thought)], np.array(image)[None]
        )
        self._sequence += 1
        return Latent(
            perceptual=perceptual[0],
            cognitive=cognitive[0],
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=0,
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=steps[0] if steps else "",
            episode_id=request.observation.episode_id,
        )


def _scrambled(text: str) -> str:
    """The same thought with another skill at its end; each has one that always stands for it."""
    *kept, last = text.split("\n")
    right = last.removeprefix("SUBTASK: ")
    if right == NOTHING:
        return text
    order: list[str] = np.random.default_rng(_SCRAMBLING).permutation(SKILLS).tolist()
    place = order.index(right) if right in order else len(right)
    wrong = order[(place + 1) % len(order)]
    lines = [f"PLAN: {wrong}" if line.startswith("PLAN: ") else line for line in kept]
    return "\n".join([*lines, f"SUBTASK: {wrong}"])
