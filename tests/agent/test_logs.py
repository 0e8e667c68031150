import errno
import io
import json
from collections.abc import Iterator

import pytest
import structlog

from agent.logs import configure_logs, get_logger


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logs are a setting of the process: put it back."""
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_json_lines_carry_the_bound_ids() -> None:
    """Each line is one JSON object with the run's id, the part and the level."""
    stream = io.StringIO()
    configure_logs(json=True, stream=stream, run_id="abc")
    get_logger("planner").warning("plan_late", age_s=3.0)
    line = json.loads(stream.getvalue())
    assert (line["run_id"], line["part"], line["level"]) == ("abc", "planner", "warning")
    assert (line["event"], line["age_s"]) == ("plan_late", 3.0)


def test_lines_below_the_level_are_not_written() -> None:
    """What is not asked for is not shown."""
    stream = io.StringIO()
    configure_logs(level="WARNING", stream=stream)
    get_logger("planner").info("thinking")
    assert stream.getvalue() == ""


def test_a_logger_made_before_the_set_up_obeys_it() -> None:
    """Modules make their loggers on import, before anyone has set up logs."""
    logger = get_logger("early")
    stream = io.StringIO()
    configure_logs(json=True, stream=stream)
    logger.error("late")
    assert json.loads(stream.getvalue())["part"] == "early"


def test_people_get_lines_without_colours_in_a_file() -> None:
    """Colours are for terminals only."""
    stream = io.StringIO()
    configure_logs(stream=stream)
    get_logger("planner").info("thinking", goal="tidy up")
    assert "\x1b" not in stream.getvalue()
    assert "tidy up" in stream.getvalue()


def test_an_exception_is_part_of_its_json_line() -> None:
    """The trace of an error stays on one line."""
    stream = io.StringIO()
    configure_logs(json=True, stream=stream)
    try:
        int("no")
    except ValueError:
        get_logger("planner").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


class FullDisk(io.StringIO):
    """A stream on a disk without room."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_does_not_fell_who_tells_of_it() -> None:
    """What cannot be written is lost, and nothing is raised."""
    configure_logs(stream=FullDisk())
    get_logger("test").warning("recording_stopped")
