"""The ways to run the same brains that an ablation compares: each a change of one part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent.config import AgentConfig
from agent.evaluation.delays import parse_delays
from agent.graph import ORACLE
from agent.virtual_coupling import waiting_rate_hz
from bridge.errors import ConfigError, UnknownNameError

ALL = "all"
# What the others are compared with.
REFERENCE = "hierarchical"
WAITING = "synchronous"
COUPLINGS = ("asynchronous", WAITING)
# Older than this every latent is too old to be looked at [s].
_AT_ONCE_S = 1e-6
_LONGEST_DELAY_S = 60.0
# A prompt that tells nothing of what is finished.
_FORGETFUL = "forgetful"
_EVERY_MEMORY: tuple[Mapping[str, object], ...] = (
    {"memory": "anchor"},
    {"memory": "keyframes", "capacity": 5},
    {"memory": "window", "capacity": 4},
    {"memory": "memory_vla", "capacity": 32},
)


class Condition(NamedTuple):
    """One way to run the brains, in words and as a change of the agent."""

    what: str
    change: Callable[[AgentConfig], AgentConfig]


@dataclass(frozen=True)
class _Remembering:
    """Exchanges the memory of the policy, its options with it."""

    memory: str
    options: Mapping[str, object]

    def __call__(self, config: AgentConfig) -> AgentConfig:
        return _fast(config, memory=self.memory, memory_options=dict(self.options))


def _fast(config: AgentConfig, **update: Any) -> AgentConfig:  # noqa: ANN401  # Settings.
    fast = config.fast_brain.model_copy(update=update)
    return config.model_copy(update={"fast_brain": fast})


def _flat(config: AgentConfig) -> AgentConfig:
    return _fast(config, mode="flat")


def _no_latents(config: AgentConfig) -> AgentConfig:
    everything = _EVERYTHING(config)
    return _fast(everything, stale_after_s=_AT_ONCE_S, text_after_s=_AT_ONCE_S)


def _no_memory(config: AgentConfig) -> AgentConfig:
    newest = _NEWEST(config)
    slow = newest.slow_brain
    if slow.planner != "vlm":
        return newest
    options = {**slow.planner_options, "prompt": _FORGETFUL}
    slow = slow.model_copy(update={"planner_options": options})
    return newest.model_copy(update={"slow_brain": slow})


@dataclass(frozen=True)
class _Told:
    """Exchanges the planner for one that is told the truth."""

    words: str

    def __call__(self, config: AgentConfig) -> AgentConfig:
        everything = _EVERYTHING(config)
        slow = everything.slow_brain
        monitoring = slow.monitoring.model_copy(update={"may_ask_simulator": True})
        options = {**slow.planner_options, "words": self.words}
        slow = slow.model_copy(
            update={"planner": ORACLE, "planner_options": options, "monitoring": monitoring}
        )
        return everything.model_copy(update={"slow_brain": slow})


_EVERYTHING = _Remembering("composition", {"parts": list(_EVERY_MEMORY)})
_NEWEST = _Remembering("bank", {"capacity": 1})
CONDITIONS: Mapping[str, Condition] = {
    REFERENCE: Condition("both brains, all kinds of memory at once", _EVERYTHING),
    "flat": Condition("the policy alone, on the goal's text", _flat),
    "oracle": Condition("the planner's words are an expert's, who sees the facts", _Told("right")),
    "scrambled": Condition("the planner's words are of another skill", _Told("scrambled")),
    "no_latents": Condition("the policy gets the subtask's text, no latents", _no_latents),
    "no_memory": Condition("the newest latent only, and no list of what is finished", _no_memory),
    "newest": Condition("the newest latent only; the planner keeps its list", _NEWEST),
    "anchor": Condition("the first latents of episode and subtask", _Remembering("anchor", {})),
    "window": Condition("the last 8 latents", _Remembering("window", {"capacity": 8})),
    "keyframes": Condition("up to 5 events", _Remembering("keyframes", {"capacity": 5})),
    "bank": Condition("MemoryVLA's bank of 32", _Remembering("memory_vla", {"capacity": 32})),
    "mem_0": Condition("the subtask's first latent and its last 30", _Remembering("mem_0", {})),
}


def parse_conditions(text: str) -> list[str]:
    """Names separated by commas, or "all"; the reference is always among them, first.

    Raises:
        UnknownNameError: There is no such condition.
        ConfigError: There is no name at all.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError(
            f"--conditions names none: write --conditions flat,no_memory or --conditions {ALL}. "
            f"There are: {', '.join(CONDITIONS)}."
        )
    if names == [ALL]:
        return list(CONDITIONS)
    for name in names:
        if name not in CONDITIONS:
            raise UnknownNameError(kind="condition", name=name, known=(*CONDITIONS, ALL))
    return list(dict.fromkeys([REFERENCE, *names]))


def parse_planner_delays_s(text: str) -> list[float]:
    """Delays separated by commas [s]; none of an empty text.

    Raises:
        ConfigError: One is no number from 0 to 60 s.
    """
    if not text.strip():
        return []
    return parse_delays(
        text, option="--planner-delay-s", longest=_LONGEST_DELAY_S, unit="s", example="0.3,1,3"
    )


def cell_words(cell: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """A cell's condition, with what sets its planner apart from the reference's."""
    waits = "" if cell["coupling"] == reference["coupling"] else ", waits"
    delay_s = cell["planner_delay_s"]
    delay = "" if delay_s == reference["planner_delay_s"] else f", {delay_s:g} s"
    return f"{cell['condition']}{waits}{delay}"


def with_planner_delay(config: AgentConfig, delay_s: float, coupling: str) -> AgentConfig:
    """The same agent with a planner that takes `delay_s` [s], waited for or not.

    Who waits then acts for the period of the planner's rate, before it asks again.
    """
    update = {"planner_latency_s": delay_s, "coupling": coupling}
    runtime = config.runtime.model_copy(update=update)
    slow = config.slow_brain
    if coupling == WAITING:
        rate_hz = waiting_rate_hz(delay_s, 1.0 / slow.rate_hz)
        slow = slow.model_copy(update={"rate_hz": rate_hz})
    return config.model_copy(update={"runtime": runtime, "slow_brain": slow})
