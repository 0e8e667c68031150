"""The policy as a node: newest observation and remembered latents in, a chunk of actions out.

It is silent when there is nothing to do; the control loop then holds, because its chunk expires. A
policy that fails is not a reason to move either: the error is told, and no chunk is sent.
"""

import inspect
from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from bridge.clock import seconds_between
from bridge.errors import ConfigError, PluginError, TandemError
from bridge.messages import (
    ActionChunk,
    Decision,
    Goal,
    Hold,
    MemoryView,
    Observation,
    PlanningStatus,
    Subtask,
)
from bridge.nodes import Mailboxes, blaming, publish_output, read_input
from bridge.plugins import load_plugin, make_plugin
from bridge.protocols import ChunkConditioner, Clock, ConditioningStitcher, Memory, Policy
from bridge.specs import PolicySpec
from bridge.trace import emit
from fast_brain.config import FastBrainNodeConfig
from fast_brain.ladder import Rung
from fast_brain.memory_keeper import MemoryKeeper
from fast_brain.memory_news import MemoryNews
from fast_brain.policy_memory import PolicyMemory, active_subtask
from fast_brain.rate_checks import check_chunk_rate
from fast_brain.robot_choice import read_robot_spec


class PolicyNode:
    """Reads `goal`, `observation`, `planning`, `latent`; writes `chunk`, and keeps its `memory`.

    In mode "hierarchical" it acts on the active subtask of the planner's goal; in mode "flat" on
    the text of the newest goal, with an empty memory, until that goal is done.
    """

    def __init__(
        self,
        *,
        config: FastBrainNodeConfig,
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._config = config
        self._settings = config.fast_brain
        self._inputs = inputs
        self._outputs = outputs
        self._policy: Policy | None = None
        self._conditioner: ChunkConditioner | None = None
        self._memory = PolicyMemory(None)
        self._keeper = MemoryKeeper(self._memory, outputs)
        self._memory_news: MemoryNews | None = None
        self._failures = 0
        self._rung = Rung.FRESH
        self.last_error = ""

    @property
    def spec(self) -> PolicySpec | None:
        """What the policy declares; None before `start`."""
        return self._policy.spec if self._policy else None

    def start(self) -> None:
        """Load the policy and make its memory; bring back what was kept before a fall.

        Raises:
            TandemError: One of them cannot be made.
        """
        settings = self._settings
        policy: Policy = make_plugin("policy", settings.policy, self._policy_options())
        self._policy = policy
        check_chunk_rate(policy.spec, settings.policy_rate_hz)
        self._conditioner = self._make_conditioner(policy)
        latent = policy.spec.latent
        memory: Memory | None = None
        if latent is not None and settings.mode != "flat":
            options = {"latent": latent, **settings.memory_options}
            memory = make_plugin("memory", settings.memory, options)
        self._memory = PolicyMemory(memory, rules=settings.ladder_rules())
        self._memory_news = MemoryNews(self._outputs, policy, memory)
        self._keeper = MemoryKeeper(self._memory, self._outputs)
        self._keeper.restore(self._clock.now_ns())

    def step(self, now_ns: int) -> None:
        """One beat: a chunk, if there is something to do and something to see.

        Raises:
            PluginError: The policy has failed more often in a row than is allowed.
            ContractError: As above, for an observation it cannot use.
            ConfigError: It was not started.
        """
        policy = self._policy
        if policy is None:
            raise ConfigError("The policy has not been started: call start() first.")
        # The latent first: the planner publishes its status before its latents.
        latent = read_input(self._inputs, "latent")
        planning: PlanningStatus | None = read_input(self._inputs, "planning")
        goal, subtask = self._task(planning)
        observation: Observation | None = read_input(self._inputs, "observation")
        if goal is None or observation is None:
            return
        try:
            if self._memory.begin_if_new(goal, observation):
                with blaming(self._settings.policy, "reset"):
                    (self._conditioner or policy).reset()
            with blaming(self._settings.memory, "write"):
                self._memory.write(latent, planning)
            if self._may_act(subtask, observation, now_ns):
                chunk = self._act(policy, observation, subtask, now_ns)
                self._publish(chunk)
                self._tell(chunk, now_ns)
            # Last: the chunk does not wait for it.
            self._keeper.keep(now_ns)
        except TandemError as error:
            self._note_failure(error)
        else:
            self._failures, self.last_error = 0, self._keeper.trouble

    def close(self) -> None:
        """Let go of the network."""
        self._policy = self._conditioner = None

    def _make_conditioner(self, policy: Policy) -> ChunkConditioner | None:
        settings = self._settings
        stitcher = make_plugin("stitcher", settings.stitcher, settings.stitcher_options)
        if not isinstance(stitcher, ConditioningStitcher):
            return None
        with blaming(settings.stitcher, "conditioner"):
            return stitcher.conditioner(policy)

    def _publish(self, chunk: ActionChunk) -> None:
        publish_output(self._outputs, "chunk", chunk)
        conditioner = self._conditioner
        if conditioner is None:
            return
        # Asked anew: making the chunk took time.
        published_ns = self._clock.now_ns()
        with blaming(self._settings.stitcher, "published"):
            conditioner.published(chunk, published_ns)
            facts = dict(conditioner.facts)
        emit(self._outputs, "chunk.stitched", published_ns, chunk_sequence=chunk.sequence, **facts)

    def _tell(self, chunk: ActionChunk, began_ns: int) -> None:
        """Tell the trace what the chunk was made from, and how long that took."""
        now_ns = self._clock.now_ns()
        emit(
            self._outputs,
            "policy.chunk",
            now_ns,
            chunk_sequence=chunk.sequence,
            start_stamp_ns=chunk.start_stamp_ns,
            observation_sequence=chunk.observation_sequence,
            observation_age_s=seconds_between(chunk.observation_stamp_ns, now_ns),
            latent_sequence=chunk.latent_sequence,
            latent_age_s=chunk.latent_age_s,
            gate_mean=chunk.gate_mean,
            subtask_id=chunk.subtask_id,
            took_s=seconds_between(began_ns, now_ns),
            # Row by row, in the units of the robot's `ActionSpec`.
            actions=chunk.actions.ravel().tolist(),
            action_width=chunk.actions.shape[1],
            step_s=chunk.step_s,
        )
        if self._memory_news is not None and self._memory.read_last is not None:
            self._memory_news.tell(chunk, self._memory.read_last, now_ns)

    def _tell_rung(self, latent_age_s: float, now_ns: int) -> None:
        rung, before = self._memory.rung, self._rung
        self._rung = rung
        facts = {"before": str(before), "rung": str(rung)}
        emit(self._outputs, "ladder.moved", now_ns, latent_age_s=latent_age_s, **facts)

    def _policy_options(self) -> Mapping[str, object]:
        """The options, and the robot's spec for a policy that asks for `robot`."""
        settings = self._settings
        options = dict(settings.policy_options)
        wanted = inspect.signature(load_plugin("policy", settings.policy)).parameters
        if "robot" in wanted and "robot" not in options:
            options["robot"] = read_robot_spec(self._config.robot)
        return options

    def _task(self, planning: PlanningStatus | None) -> tuple[Goal | None, Subtask | None]:
        """The goal under way and the subtask to act on; no goal when there is nothing to do."""
        if self._settings.mode == "hierarchical":
            goal = None if planning is None else planning.goal
            return goal, active_subtask(planning)
        goal: Goal | None = read_input(self._inputs, "goal")
        return (None if goal is None or _is_over(goal, planning) else goal), None

    def _may_act(self, subtask: Subtask | None, observation: Observation, now_ns: int) -> bool:
        has_task = self._settings.mode == "flat" or subtask is not None
        age_s = seconds_between(observation.stamp_ns, now_ns)
        return has_task and age_s <= self._settings.observation_limit_s

    def _act(
        self, policy: Policy, observation: Observation, subtask: Subtask | None, now_ns: int
    ) -> ActionChunk:
        with blaming(self._settings.memory, "read"):
            read = self._memory.read(now_ns)
        view = self._memory.view(read, subtask)
        if self._memory.rung is not self._rung:
            self._tell_rung(read.newest_age_s, now_ns)
        conditioner = self._conditioner
        if conditioner is None:
            with blaming(self._settings.policy, "act"):
                chunk = policy.act(observation, view, now_ns)
        else:
            chunk = self._act_conditioned(conditioner, observation, view, now_ns)
        _check_chunk(chunk, policy.spec, self._settings.policy)
        # Whether or not the policy looked at the latent: the ladder goes by how old it is.
        return replace(chunk, latent_age_s=read.newest_age_s)

    def _act_conditioned(
        self,
        conditioner: ChunkConditioner,
        observation: Observation,
        view: MemoryView,
        now_ns: int,
    ) -> ActionChunk:
        decision: Decision | None = read_input(self._inputs, "command")
        who = f"{self._settings.policy} with stitcher {self._settings.stitcher}"
        with blaming(who, "act"):
            if isinstance(decision, Hold):
                conditioner.interrupted()
            return conditioner.act(observation, view, now_ns)

    def _note_failure(self, error: TandemError) -> None:
        """Tell it, and give up when it keeps happening: a fresh process may do better."""
        self._failures += 1
        self.last_error = f"{type(error).__name__}: {error}"
        emit(self._outputs, "policy.failed", self._clock.now_ns(), error=self.last_error)
        if self._failures > self._settings.policy_failures_allowed:
            raise error


def _is_over(goal: Goal, planning: PlanningStatus | None) -> bool:
    """Whether a planner, if there is one, has called this goal done or given it up."""
    if planning is None or planning.goal is None or planning.goal.id != goal.id:
        return False
    return planning.phase in ("goal_done", "goal_failed")


def _check_chunk(chunk: object, spec: PolicySpec, policy: str) -> None:
    """Refuse what is no chunk of the declared shape; the limits are the safety filter's business.

    Raises:
        PluginError: Names the policy, and what it sent.
    """
    trouble, wanted = "", [spec.horizon, spec.action.width]
    if not isinstance(chunk, ActionChunk):
        trouble = f"it gave a {type(chunk).__name__}, not an ActionChunk"
    elif list(chunk.actions.shape) != wanted:
        trouble = f"it gave actions {list(chunk.actions.shape)}, but its spec says {wanted}"
    elif not np.isfinite(chunk.actions).all():
        trouble = "it gave actions that are not finite"
    if trouble:
        raise PluginError(plugin=policy, verb="act", cause=trouble)
