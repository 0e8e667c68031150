import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.config import RecordingConfig
from agent.recording.reading import Trace
from agent.recording.recorder import RecorderConfig, RecorderNode
from agent.recording.redaction import REDACTED, Redaction
from agent.tracing.observations import recorded_observations
from agent.tracing.pictures import cameras
from agent.tracing.runs import Run
from bridge.arrays import picture_hash
from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import Goal, Observation, PlanningStatus, Thought
from bridge.testing import EXAMPLE_OBSERVATION
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing

SECRET = "bring Alice her pills"  # noqa: S105  # What a person asked for.
SECOND_NS = 1_000_000_000


def cleaned(names: tuple[str, ...], kind: str, **facts: Any) -> dict[str, Any]:
    """The facts of an event without what was named."""
    event = TraceEvent(kind=kind, stamp_ns=1, facts=facts)
    return dict(Redaction(names).apply(event).facts)


@pytest.mark.parametrize(
    ("name", "kind", "facts", "wanted"),
    [
        ("goal.text", "goal", {"text": SECRET, "id": "g"}, {"text": REDACTED, "id": "g"}),
        ("goal.text", "planning", {"goal": {"text": SECRET}}, {"goal": {"text": REDACTED}}),
        ("goal.text", "planner.remark", {"text": "left"}, {"text": "left"}),
        ("text", "planner.remark", {"text": "left"}, {"text": REDACTED}),
        ("planner.reply", "planner.reply", {"text": "a", "n": 3}, {"text": REDACTED, "n": 3}),
        ("thoughts", "planner.plan", {"thoughts": ["PLAN: a", "b"]}, {"thoughts": [REDACTED] * 2}),
        ("thoughts", "planner.thought", {"text": "a", "field": "PLAN"},
         {"text": REDACTED, "field": "PLAN"}),
        ("thoughts", "planner.reply", {"text": "PLAN: a"}, {"text": REDACTED}),
        ("images.front", "planner.asked", {"images": ["front=12ab", "wrist=34cd"]},
         {"images": [f"front={REDACTED}", "wrist=34cd"]}),
        ("images", "observation", {"images": {"front": "12ab"}}, {"images": {"front": REDACTED}}),
    ],
)  # fmt: skip
def test_a_name_is_the_end_of_a_path(
    name: str, kind: str, facts: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """What is named is replaced wherever a path ends so, and nothing else is."""
    assert cleaned((name,), kind, **facts) == wanted


def test_words_that_were_redacted_are_found_where_they_are_repeated() -> None:
    """A goal's text does not come back in a prompt, a thought, or a line for people."""
    redaction = Redaction(("goal.text",))
    goal = TraceEvent(kind="goal", stamp_ns=1, facts={"text": SECRET})
    assert SECRET not in str(redaction.apply(goal))
    reply = TraceEvent(
        kind="planner.reply", stamp_ns=2, facts={"text": f"TASK: {SECRET}\nDONE: no"}
    )
    assert redaction.apply(reply).facts["text"] == f"TASK: {REDACTED}\nDONE: no"


@given(
    facts=st.recursive(
        st.text() | st.integers() | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_without_names_everything_stays_as_it_is(facts: Any) -> None:
    """Nothing is touched where nothing was named, nor by a name that nothing bears."""
    assert cleaned((), "a.b", value=facts) == {"value": facts}
    assert json.dumps(cleaned(("no.such",), "a.b", value=facts)) == json.dumps({"value": facts})


def record(folder: Path, *names: str) -> None:
    """Record a goal, what is thought of it and what was sensed, redacted."""
    clock, ring = ManualClock(SECOND_NS), LocalRing[TraceEvent]()
    boxes = {name: InProcessLatestValue[Any]() for name in ("goal", "planning", "observation")}
    inputs: dict[str, Any] = {"trace.planner": ring, **boxes}
    settings = json.dumps({"planner_options": {"prompt": "for Alice", "seed": 3}})
    config = RecorderConfig(
        folder=folder, recording=RecordingConfig(redact=names), settings_json=settings
    )
    node = RecorderNode(config=config, inputs=inputs, outputs={}, clock=clock)
    node.start()
    goal = Goal(text=SECRET, id="g", source="test", stamp_ns=1)
    thought = Thought(field="TASK", text=f"I am to {SECRET}", plan_id="p", stamp_ns=1)
    boxes["goal"].publish(goal)
    boxes["planning"].publish(
        PlanningStatus(phase="thinking", stamp_ns=1, goal=goal, thoughts=(thought,))
    )
    boxes["observation"].publish(EXAMPLE_OBSERVATION.example(SECOND_NS))
    thoughts = [f"TASK: I am to {SECRET}"]
    ring.publish(TraceEvent(kind="planner.plan", stamp_ns=2, facts={"thoughts": thoughts}))
    node.step(SECOND_NS)
    node.close()


def test_nothing_of_what_was_redacted_is_in_the_file(tmp_path: Path) -> None:
    """Neither in events, nor in lines for viewers, nor in the settings, nor under another name."""
    record(tmp_path / "open")
    record(tmp_path / "run", "goal.text", "images", "prompt")
    assert SECRET in contents(tmp_path / "open")
    found = contents(tmp_path / "run")
    assert REDACTED in found
    assert "Alice" not in found
    (image, *_) = EXAMPLE_OBSERVATION.example(SECOND_NS).images.values()
    assert picture_hash(image) not in found
    assert not cameras(Run(tmp_path / "run"))


def contents(folder: Path) -> str:
    """Everything that a trace holds, as text."""
    from mcap.reader import make_reader

    texts: list[str] = []
    for file in folder.glob("*.mcap"):
        with file.open("rb") as stream:
            reader = make_reader(stream)
            texts += [str(message.data) for *_, message in reader.iter_messages()]
            texts += [str(each.metadata) for each in reader.iter_metadata()]
    return "\n".join(texts)


def test_what_was_redacted_is_said_when_it_is_asked_for(tmp_path: Path) -> None:
    """Observations without their pictures or numbers are refused, and it is said why."""
    record(tmp_path / "a", "images")
    with pytest.raises(ConfigError, match="were redacted in run a"):
        list(recorded_observations(Run(tmp_path / "a")))
    record(tmp_path / "b", "proprioception")
    with pytest.raises(ConfigError, match="was redacted in run b"):
        list(recorded_observations(Run(tmp_path / "b")))


def test_a_measurement_that_is_hidden_hides_no_other() -> None:
    """What two measurements have in common, such as their type, is no secret of the one."""
    array = {"dtype": "float32", "shape": [1], "values": [0.5]}
    found = cleaned(
        ("proprioception.touch",), "observation", proprioception={"touch": array, "pose": array}
    )["proprioception"]
    assert found["touch"]["values"] == [None]
    assert found["pose"] == array


def test_a_name_that_nothing_bears_is_told_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name hides nothing, so it is not passed over in silence."""
    record(tmp_path / "run", "goal.txt", "thoughts")
    said = capsys.readouterr().out
    assert "goal.txt" in said
    assert "thoughts" not in said
    assert any(event.facts.get("text") == SECRET for event in Trace(tmp_path / "run"))


def test_an_observation_of_nothing_can_be_redacted() -> None:
    """A camera's name alone is no picture."""
    seen = Observation(stamp_ns=1, sequence=1, images={}, proprioception={})
    assert not seen.images
    assert cleaned(("images.front",), "observation", images={}) == {"images": {}}
