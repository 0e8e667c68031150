import asyncio
from pathlib import Path

import pytest
from written_traces import START_NS, story, ticks, told, write_run

from agent.page import shelf as shelf_module
from agent.page.recorded import Recording
from agent.page.shelf import Shelf, beside
from bridge.errors import ConfigError, UnknownNameError

PICTURE = "0fa66fd94d0fd770"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one subtask with what a recorder adds: statuses, a picture, what is remembered."""
    path = tmp_path_factory.mktemp("runs") / "20260101-000001"
    goal = {"id": "g", "text": "tidy up", "source": "test", "stamp_ns": START_NS}
    planning = {
        "phase": "acting", "goal": goal, "plan": None, "thoughts": [], "reason": "",
        "plans_made": 1, "plan_latency_s": 0.2,
        "subtasks": [
            {"id": "g.1", "text": "reach left", "state": "pending"},
            {"id": "g.2", "text": "reach right", "state": "pending"},
        ],
    }  # fmt: skip
    loop = {
        "rung": "fresh", "last_decision": "command", "missed_ticks": 0, "starved_ticks": 0,
        "effective_rate_hz": 100.0, "lateness_p99_ms": 0.2,
        "sections": {"pick": {"p50_ms": 0.1, "p99_ms": 0.2, "p999_ms": 0.3, "max_ms": 0.4}},
    }  # fmt: skip
    events = [
        *story(end_s=2.4),
        told(0.41, "mailbox", "planning", **planning),
        told(0.42, "mailbox", "loop_status", **loop),
        told(0.43, "mailbox", "observation", sequence=3, images={"front": PICTURE}),
        told(0.9, "control", "ladder.moved", before="fresh", rung="hold", cause="latent"),
        told(1.1, "control", "ladder.moved", before="hold", rung="fresh", cause=""),
        ticks(1.3, missed=2),
        told(2.0, "mailbox", "stop", reason="a hand", source="page", latched=True),
    ]
    write_run(path, sorted(events, key=lambda event: event["at_s"]))
    return path


@pytest.fixture(scope="module")
def recording(folder: Path) -> Recording:
    """The run as the page reads it."""
    return Recording(folder)


def test_a_moment_of_a_recording_is_the_same_view_as_live(recording: Recording) -> None:
    """Goal, subtasks with times and causes, thoughts, figures, sections and picture, as of then."""
    view = recording.view_at(1.0)
    assert (view.goal, view.phase, view.caption) == ("tidy up", "acting", "reach left")
    active, pending = view.steps
    assert (active.state, active.began_s, active.ended_s) == ("active", 0.4, None)
    assert active.cause == "g.plan1, asked because of: new goal"
    assert (pending.state, pending.began_s) == ("pending", None)
    assert view.thoughts == (("PLAN", "left first"),)
    assert view.figures["latent age"] == "0.7 s"
    assert [section.name for section in view.sections] == ["pick"]
    assert view.cameras == {"front": f"/runs/20260101-000001/pictures/{PICTURE}"}


def test_before_and_after_are_other_moments(recording: Recording) -> None:
    """Before the goal there is nothing to do; afterwards the subtask is done; a stop is shown."""
    assert recording.view_at(0.0).caption == "no goal"
    done = recording.view_at(1.8)
    assert (done.steps[0].state, done.steps[0].ended_s) == ("done", 1.6)
    assert done.alarm == ""
    assert recording.view_at(2.3).alarm == "Stopped by page: a hand"


def test_a_moment_outside_is_the_nearest_there_is(recording: Recording) -> None:
    """An address with any time opens."""
    assert recording.view_at(-5.0).at_s == 0.0
    assert recording.view_at(1e9).at_s == recording.run.length_s
    assert recording.why_at(float("inf")).time_s == recording.run.length_s


def test_a_moment_of_the_run_s_clock_is_found(recording: Recording) -> None:
    """The live page leads to what was recorded then; what was not recorded is no other moment."""
    assert recording.time_of(START_NS + 1_500_000_000) == 1.5
    with pytest.raises(ConfigError, match=r"was at 60\.0 s"):
        recording.time_of(START_NS + 60_000_000_000)


def test_what_the_planner_was_asked_and_said_is_shown(recording: Recording) -> None:
    """With the pictures it saw; before it was asked there is nothing, and no reply is no error."""
    assert recording.asked_at(0.1) is None
    asked = recording.asked_at(0.3)
    assert asked is not None
    assert (asked.at_s, asked.trigger, asked.reply) == (0.2, "new goal", "")
    assert asked.pictures == {"front": "/runs/20260101-000001/pictures/0123456789abcdef"}


def test_thoughts_stream_in_as_they_were_written(tmp_path: Path) -> None:
    """Between the question and the plan there is as much of the thoughts as had come by then."""
    about = {"plan_id": "g.plan2", "goal_id": "g", "trigger": "plan age"}
    seen = {"images": [f"front={PICTURE}"], "observation_age_s": 0.1}
    events = [
        *story(),
        told(1.0, "planner", "planner.asked", **about, **seen),
        told(1.1, "planner", "planner.thought", **about, field="PLAN", text="now "),
        told(1.2, "planner", "planner.thought", **about, field="PLAN", text="right"),
        told(1.3, "planner", "planner.reply", **about, text="PLAN: now right"),
    ]
    write_run(tmp_path / "run", sorted(events, key=lambda event: event["at_s"]))
    recording = Recording(tmp_path / "run")
    assert recording.view_at(0.9).thoughts == (("PLAN", "left first"),)
    assert recording.view_at(1.05).thoughts == (("PLAN", "left first"),)
    assert recording.view_at(1.15).thoughts == (("PLAN", "now"),)
    assert recording.view_at(1.25).thoughts == (("PLAN", "now right"),)
    asked = recording.asked_at(1.35)
    assert asked is not None
    assert asked.reply == "PLAN: now right"
    assert asked.pictures == {"front": f"/runs/run/pictures/{PICTURE}"}


def test_why_leads_back_to_the_goal(recording: Recording) -> None:
    """The page shows the chain that `agent trace why` prints."""
    links = recording.why_at(1.0).links
    assert (links[0].what, links[-1].what) == ("command", "goal")


def test_a_recording_over_time_has_all_lanes_and_curves(recording: Recording) -> None:
    """What is drawn comes from subtasks, plans, chunks, ladder, holds, missed ticks and faults."""
    drawn = recording.chronicle
    lanes = {bar.lane: bar for bar in drawn.bars}
    assert set(lanes) == {"subtask", "plan", "chunks", "ladder", "held", "misses", "faults"}
    assert (lanes["ladder"].first_s, lanes["ladder"].last_s) == (0.9, 1.1)
    assert (lanes["subtask"].look, lanes["misses"].words) == ("done", "2 ticks missed")
    assert list(drawn.gate) == [(0.55, 0.75)]
    assert list(drawn.latent_age_s) == [(0.45, 0.1), (2.39, pytest.approx(2.04))]
    assert set(drawn.actions) == {"x", "y"}
    (sample,) = drawn.memory
    assert [(each.kept_by, each.weight) for each in sample.entries] == [
        ("bank", pytest.approx(0.3)),
        ("bank", pytest.approx(0.7)),
    ]


async def test_the_shelf_lists_runs_and_says_what_it_cannot_read(
    folder: Path, tmp_path: Path
) -> None:
    """A damaged run hides no other; one that is not there is answered with those that are."""
    (tmp_path / folder.name).symlink_to(folder)
    broken = tmp_path / "20260101-000002"
    broken.mkdir()
    (broken / "trace-001.mcap").write_bytes(b"no trace at all")
    shelf = Shelf(tmp_path)
    listed = await shelf.listed()
    assert [run.id for run in listed.stories] == [folder.name]
    assert "is no trace" in listed.troubles[0]
    assert (await shelf.recording(folder.name)).story.outcome == "done"
    assert await shelf.recording(folder.name) is await shelf.recording(folder.name)
    with pytest.raises(UnknownNameError, match="20260101-000001"):
        await shelf.recording("20260101-000009")


@pytest.mark.parametrize("name", ["..", "../..", "/etc", ".", ""])
async def test_an_address_reaches_no_other_folder(folder: Path, name: str) -> None:
    """Only runs of the server's own folder are opened, by their plain names."""
    with pytest.raises(UnknownNameError):
        await Shelf(folder.parent).recording(name)


async def test_a_disk_that_hangs_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits without a limit for a file."""
    monkeypatch.setattr(shelf_module, "READ_LIMIT_S", 0.0)
    gate = asyncio.Event()
    with pytest.raises(ConfigError, match="not read within 0 s"):
        await beside(gate.is_set)
