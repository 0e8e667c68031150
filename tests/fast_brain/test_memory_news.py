import numpy as np
import pytest

from bridge.errors import PluginError
from bridge.memories.composition import CompositeMemory
from bridge.memories.window import WindowMemory
from bridge.memory_use import MemoryReport, MemoryUse
from bridge.messages import ActionChunk, Latent
from bridge.specs import LatentSpec
from bridge.testing import FakePolicy
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing
from fast_brain.memory_news import MemoryNews

SECOND_NS = 1_000_000_000
SPEC = LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=4)


class Attentive(FakePolicy):
    """A policy that looks at the last entry only."""

    def memory_use(self) -> MemoryUse:
        """All the weight on one."""
        return MemoryUse({"cognitive": [0.0, 1.0]}, {"cognitive": 0.25})


class Failing(FakePolicy):
    """A policy that cannot tell after all."""

    def memory_use(self) -> MemoryUse:
        """A mistake of its author."""
        raise ZeroDivisionError


def latent(at_s: float) -> Latent:
    """One latent of the episode."""
    stamp_ns = round(at_s * SECOND_NS)
    return Latent(
        perceptual=np.full((2, 4), at_s, np.float32),
        cognitive=np.full((1, 4), at_s, np.float32),
        observation_stamp_ns=stamp_ns,
        ready_stamp_ns=stamp_ns,
        sequence=round(at_s),
    )


def chunk(sequence: int = 1) -> ActionChunk:
    """Some chunk."""
    return ActionChunk(
        actions=np.zeros((1, 1), np.float32),
        start_stamp_ns=1,
        step_s=0.1,
        sequence=sequence,
        observation_sequence=1,
        observation_stamp_ns=1,
    )


def told(policy: FakePolicy, beats_s: tuple[float, ...] = (5.0,)) -> list[TraceEvent]:
    """What is told of a memory of two latents, of 1 s and 2 s, when chunks are made."""
    memory = WindowMemory(latent=SPEC)
    memory.reset(episode_id="", start_ns=0)
    memory.write(latent(1.0))
    memory.write(latent(2.0))
    ring: LocalRing[TraceEvent] = LocalRing()
    news = MemoryNews({"trace": ring}, policy, memory)  # pyright: ignore[reportArgumentType]  # A ring stands for a mailbox.
    for beat_s in beats_s:
        now_ns = round(beat_s * SECOND_NS)
        news.tell(chunk(), memory.read(now_ns), now_ns)
    return ring.drain()


def test_the_trace_tells_what_was_remembered_and_what_was_looked_at() -> None:
    """Times, ages, what keeps each entry, attention and gate come with a chunk."""
    (event,) = told(Attentive())
    assert event.kind == "policy.memory"
    assert event.facts == {
        "chunk_sequence": 1,
        "latent_sequence": 2,
        "now_s": 5.0,
        "times_s": [1.0, 2.0],
        "ages_s": [4.0, 3.0],
        "kept_by": ["window", "window"],
        "cognitive_attention": [0.0, 1.0],
        "cognitive_gate_mean": 0.25,
    }


def test_who_watches_is_told_the_same_without_a_trace() -> None:
    """The page's mailbox gets what the trace gets, also in a run that is not recorded."""
    memory = WindowMemory(latent=SPEC)
    memory.reset(episode_id="", start_ns=0)
    memory.write(latent(1.0))
    memory.write(latent(2.0))
    box: InProcessLatestValue[MemoryReport] = InProcessLatestValue()
    news = MemoryNews({"memory_report": box}, Attentive(), memory)
    news.tell(chunk(), memory.read(5 * SECOND_NS), 5 * SECOND_NS)
    assert box.read() == MemoryReport(
        stamp_ns=5 * SECOND_NS,
        times_s=(1.0, 2.0),
        kept_by=("window", "window"),
        attention={"cognitive": (0.0, 1.0)},
        gate_means={"cognitive": 0.25},
    )


def test_a_policy_that_cannot_tell_what_it_looks_at_adds_nothing() -> None:
    """What is not known is left out, not guessed."""
    (event,) = told(FakePolicy())
    assert "cognitive_attention" not in event.facts
    assert event.facts["times_s"] == [1.0, 2.0]


def test_memory_is_told_of_ten_times_a_second_at_most() -> None:
    """A fast policy does not fill the trace."""
    assert len(told(Attentive(), (5.0, 5.02, 5.05, 5.1, 5.15))) == 2


def test_a_policy_that_fails_to_tell_is_named() -> None:
    """Its error is a plug-in's error like any other."""
    with pytest.raises(PluginError, match="'Failing' failed in `memory_use`"):
        told(Failing())


def test_a_composed_memory_says_which_parts_hold_an_entry() -> None:
    """The newest latent is in every part, and an old one only where a rule keeps it."""
    parts = ({"memory": "anchor"}, {"memory": "window", "capacity": 2})
    memory = CompositeMemory(latent=SPEC, parts=parts)
    memory.reset(episode_id="", start_ns=0)
    for at_s in (1.0, 2.0, 3.0, 4.0, 5.0):
        memory.write(latent(at_s))
    assert memory.read(6 * SECOND_NS).time_s.tolist() == [1.0, 3.0, 4.0, 5.0]
    assert memory.keepers(6 * SECOND_NS) == ("anchor", "window", "window", "anchor+window")
