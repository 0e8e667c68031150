from pathlib import Path

from agent.tracing.runs import Run
from agent.tracing.story import story_of
from agent.tracing.why import why
from benchmarks.support.long_trace import write_long_trace


def test_the_long_trace_is_one_that_can_be_explained(tmp_path: Path) -> None:
    """What is measured is a whole answer: every link is found in the trace that is written."""
    run = Run(write_long_trace(tmp_path / "a", seconds=40))
    assert story_of(run).ticks == 4000
    for time_s in (3.33, 20.0, 39.5):
        answer = why(run, time_s)
        assert [link.says for link in answer.links if not link.is_recorded] == []
        assert {"command", "latent", "plan", "goal"} <= {link.what for link in answer.links}
