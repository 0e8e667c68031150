"""A recorded run over time: the lanes and curves of the whole of it, read in one pass."""

from collections.abc import Iterator

import msgspec
from mcap.records import Message

from agent.recording.reading import RecordedEvent
from agent.tracing.index import event_of
from agent.tracing.lanes import (
    Bar,
    Chronicle,
    MemorySample,
    every,
    memory_sample,
    stretches,
    thinned,
)
from agent.tracing.runs import Part, Run
from agent.tracing.scanning import opened, read_chunk
from agent.tracing.story import RunStory
from agent.tracing.words import FAULTS, STOPS, describe

# As many as a chart can show side by side.
MOST_POINTS = 1500
_MOST_MOMENTS = 2000
_MOST_SAMPLES = 160
_NS_PER_US = 1000


class _Batch(msgspec.Struct):
    """Of a batch of ticks, what is drawn."""

    stamp_ns: int
    late_us: list[float]
    missed: int = 0
    actions: list[float] = []
    action_width: int = 0


def chronicle_of(run: Run, story: RunStory) -> Chronicle:
    """Read all that is drawn of a run over time; a run of an hour takes some seconds."""
    book = _Book(run)
    for part in run.parts:
        book.read(part)
    names = _action_names(run, len(book.actions))
    return Chronicle(
        first_s=0.0,
        last_s=run.length_s,
        bars=tuple(sorted([*_subtasks(story), *_stretches(run), *_faults(run), *book.bars()])),
        latent_age_s=thinned(book.ages_until(run.length_s), MOST_POINTS),
        gate=every(book.gate, MOST_POINTS),
        late_ms=thinned(book.late_ms, MOST_POINTS),
        actions={
            name: every(points, MOST_POINTS)
            for name, points in zip(names, book.actions, strict=True)
        },
        memory=tuple(book.memory[:: -(-len(book.memory) // _MOST_SAMPLES) or 1]),
    )


class _Book:
    """Collects what is too much to be in the index."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.latent_age_s: list[tuple[float, float]] = []
        self.gate: list[tuple[float, float]] = []
        self.late_ms: list[tuple[float, float]] = []
        self.actions: list[list[tuple[float, float]]] = []
        self.memory: list[MemorySample] = []
        self._moments: dict[str, list[Bar]] = {"plan": [], "chunks": [], "misses": []}

    def ages_until(self, end_s: float) -> list[tuple[float, float]]:
        """How old the newest latent was, up to the end [s]."""
        last = [(end_s, age_s + end_s - at_s) for at_s, age_s in self.latent_age_s[-1:]]
        return self.latent_age_s + last

    def bars(self) -> Iterator[Bar]:
        """Plans, chunks and missed ticks; of too many only some, evenly."""
        for bars in self._moments.values():
            yield from bars[:: -(-len(bars) // _MOST_MOMENTS) or 1]

    def read(self, part: Part) -> None:
        """Take in one file."""
        take = {
            "control.ticks": self._ticks,
            "policy.chunk": self._chunk,
            "planner.plan": self._plan,
            "planner.latent": self._latent,
            "policy.memory": self._memory,
        }
        wanted = {
            number: take[kind] for number, (_, kind) in part.index.channels.items() if kind in take
        }
        with opened(part.file) as stream:
            for span in part.index.spans:
                for message in read_chunk(stream, span.offset, span.end).messages:
                    if message.channel_id in wanted:
                        wanted[message.channel_id](part, message)

    def _ticks(self, part: Part, message: Message) -> None:
        del part
        batch = msgspec.json.decode(message.data, type=_Batch)
        at_s = self._run.seconds(batch.stamp_ns)
        self.late_ms.append((at_s, max(batch.late_us, default=0.0) / _NS_PER_US))
        if batch.missed:
            self._moment("misses", at_s, "misses", f"{batch.missed} ticks missed")
        width = batch.action_width
        for number, value in enumerate(batch.actions[-width:] if width else ()):
            if number == len(self.actions):
                self.actions.append([])
            self.actions[number].append((at_s, value))

    def _chunk(self, part: Part, message: Message) -> None:
        event = event_of(part.index, message)
        facts, at_s = event.facts, self._run.seconds(event.stamp_ns)
        if facts.get("gate_mean") is not None:
            self.gate.append((at_s, facts["gate_mean"]))
        words = f"chunk {facts['chunk_sequence']}, made in {1e3 * facts['took_s']:.0f} ms"
        self._moment("chunks", at_s, "chunks", words)

    def _plan(self, part: Part, message: Message) -> None:
        event = event_of(part.index, message)
        facts, at_s = event.facts, self._run.seconds(event.stamp_ns)
        steps = "; ".join(facts["subtasks"]) or "nothing left to do"
        words = f"{facts['plan_id']}, because of: {facts['trigger']}. {steps}"
        self._moment("plan", at_s, "plan", words)

    def _latent(self, part: Part, message: Message) -> None:
        """From here on it is as old as what it was made from; until now it was the one before."""
        event = event_of(part.index, message)
        at_s = self._run.seconds(event.stamp_ns)
        if self.latent_age_s:
            before_s, age_s = self.latent_age_s[-1]
            self.latent_age_s.append((at_s, age_s + at_s - before_s))
        self.latent_age_s.append((at_s, event.facts["observation_age_s"]))

    def _memory(self, part: Part, message: Message) -> None:
        event = event_of(part.index, message)
        facts, at_s = event.facts, self._run.seconds(event.stamp_ns)
        attention = [weights for name, weights in facts.items() if name.endswith("_attention")]
        self.memory.append(memory_sample(at_s, facts["times_s"], facts["kept_by"], attention))

    def _moment(self, lane: str, at_s: float, look: str, words: str) -> None:
        self._moments[lane].append(Bar(lane, at_s, at_s, look, words))


def _subtasks(story: RunStory) -> Iterator[Bar]:
    for goal in story.goals:
        for each in goal.subtasks:
            first_s = goal.given_s if each.began_s is None else each.began_s
            last_s = story.length_s if each.ended_s is None else each.ended_s
            because = f", {each.ended_because}" if each.ended_because else ""
            words = f"{each.text}: {each.state}{because}"
            yield Bar("subtask", first_s, last_s, each.state, words)


def _stretches(run: Run) -> Iterator[Bar]:
    control = [event for event in run.kept if event.node == "control"]
    held = [event for event in control if event.kind in ("robot.held", "robot.released")]
    ladder = [event for event in control if event.kind == "ladder.moved"]
    yield from stretches("held", (_hold(run, event) for event in held), run.length_s)
    yield from stretches("ladder", (_rung(run, event) for event in ladder), run.length_s)


def _hold(run: Run, event: RecordedEvent) -> tuple[float, str, str]:
    look = "held" if event.kind == "robot.held" else ""
    return run.seconds(event.stamp_ns), look, describe(event)


def _rung(run: Run, event: RecordedEvent) -> tuple[float, str, str]:
    look = "" if event.facts["rung"] == "fresh" else "ladder"
    return run.seconds(event.stamp_ns), look, describe(event)


def _faults(run: Run) -> Iterator[Bar]:
    for event in run.kept:
        if event.kind in (*FAULTS, *STOPS):
            at_s = run.seconds(event.stamp_ns)
            yield Bar("faults", at_s, at_s, "faults", describe(event))


def _action_names(run: Run, width: int) -> list[str]:
    limits = next((event for event in run.kept if event.kind == "safety.limits"), None)
    names: list[str] = limits.facts["names"] if limits else []
    return names if len(names) == width else [f"action {number}" for number in range(width)]
