from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictured_traces import RATE_HZ, pictured_run
from written_traces import SECOND_NS, START_NS, story, ticks

from agent.exporting.frames import Pictures, action_names, episodes_of, number_names
from agent.exporting.stretch import Stretch, stretch_of
from agent.recording.config import RecordingConfig
from bridge.errors import ConfigError

PERIOD_NS = SECOND_NS // RATE_HZ


def test_rows_are_even_and_each_shows_what_was_nearest(stretch: Stretch) -> None:
    """A row is a tenth of a second after the one before, and its observation at most half away."""
    (episode,) = episodes_of(stretch, Pictures(stretch))
    stamps = [frame.at_ns for frame in episode.frames]
    assert set(np.diff(stamps)) == {PERIOD_NS}
    assert episode.times_s[-1] == pytest.approx((len(stamps) - 1) / RATE_HZ)
    for frame in episode.frames:
        assert abs(frame.sensed.stamp_ns - frame.at_ns) <= PERIOD_NS / 2
        assert frame.sensed.numbers["position_m"][1] == 2 * frame.sensed.numbers["position_m"][0]
    assert number_names(episode.frames[0].sensed.numbers) == [
        "position_m_0", "position_m_1", "closing",
    ]  # fmt: skip
    assert action_names(stretch, 2) == ["x", "y"]
    assert action_names(stretch, 3) == ["action_0", "action_1", "action_2"]


@settings(max_examples=25)
@given(sent=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=9))
def test_a_row_has_the_last_action_before_the_next(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[bool, bool]]
) -> None:
    """Where nothing was sent the one before goes on, and where the robot was held that is said."""
    events, sent_then = story()[:3], list[tuple[int, float, bool]]()
    for number, (is_sent, is_command) in enumerate([(True, True), *sent]):
        at_s = 0.2 + number / RATE_HZ
        decision = "command" if is_command else "held"
        told = {"has_action": [is_sent] * 10, "decisions": [decision] * 10}
        events.append(ticks(at_s, actions=[float(number), 0.0] * (10 if is_sent else 0), **told))
        begin_ns = START_NS + round(at_s * SECOND_NS)
        stamps = range(begin_ns, begin_ns + PERIOD_NS, PERIOD_NS // 10)
        sent_then += [(stamp, float(number), is_command) for stamp in stamps if is_sent]
    end_s = 0.2 + (1 + len(sent)) / RATE_HZ
    stretch = stretch_of(pictured_run(tmp_path_factory.mktemp("runs") / "a", events, end_s=end_s))
    (episode,) = episodes_of(stretch, Pictures(stretch))
    for frame in episode.frames:
        stamp, value, is_command = [
            each for each in sent_then if each[0] < frame.at_ns + PERIOD_NS
        ][-1]
        assert frame.action[0] == value
        assert frame.is_commanded == (is_command and stamp >= frame.at_ns)


def test_redacted_pictures_and_numbers_are_left_out(tmp_path: Path) -> None:
    """What was never written is not in an episode, and the rest is."""
    recording = RecordingConfig(redact=("images.front", "proprioception"))
    stretch = stretch_of(pictured_run(tmp_path / "a", recording=recording))
    (episode,) = episodes_of(stretch, Pictures(stretch))
    assert set(episode.frames[0].sensed.pictures) == {"wrist"}
    assert not episode.frames[0].sensed.numbers


def test_a_camera_that_was_black_at_first_shows_what_it_showed_first(tmp_path: Path) -> None:
    """Each row has a picture of each camera, also before its first one."""
    run = pictured_run(tmp_path / "a")
    stretch = stretch_of(run)
    pictures = Pictures(stretch)
    events = list(stretch.events("observation"))
    missing = {event.facts["images"]["front"] for event in events[:7]}
    pictures.has = lambda name: name not in missing  # pyright: ignore[reportAttributeAccessIssue]
    (episode,) = episodes_of(stretch, pictures)
    first = events[7].facts["images"]["front"]
    assert episode.frames[0].sensed.pictures["front"] == first


def test_a_goal_without_actions_has_no_rows(tmp_path: Path) -> None:
    """There is nothing to learn from a robot that was never sent anything."""
    events = [event for event in story() if event["kind"] != "control.ticks"]
    stretch = stretch_of(pictured_run(tmp_path / "a", events))
    assert list(episodes_of(stretch, Pictures(stretch))) == []


def test_a_run_that_saw_nothing_says_how_to_record_it(tmp_path: Path) -> None:
    """Without observations, or without a goal, there are no episodes, and the reason is told."""
    blind = stretch_of(pictured_run(tmp_path / "a", end_s=0.1))
    with pytest.raises(ConfigError, match=r"1 observations there.*observation_rate_hz"):
        list(episodes_of(blind, Pictures(blind)))
    idle = stretch_of(pictured_run(tmp_path / "b", [ticks(0.5)]))
    with pytest.raises(ConfigError, match="had no goal from 0 s to"):
        list(episodes_of(idle, Pictures(idle)))
