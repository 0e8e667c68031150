import pytest
from serving_fakes import FakeRuntime, point_arm
from typer.testing import CliRunner

from agent.cli import app
from agent.serve import serving
from bridge.messages import StopRequest


def _agent(*words: str) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_robot_can_be_stopped_and_released_from_a_terminal() -> None:
    """`agent stop` latches a stop with its reason, and `agent release` opens it."""
    run = FakeRuntime()
    with serving(point_arm(), make_runtime=lambda graph: run, with_page=False) as served:
        url = served.address
        assert f"agent release --url {url}" in _agent("stop", "a hand is in the way", "--url", url)
        request = run.read("stop")
        assert isinstance(request, StopRequest)
        assert (request.latched, request.reason) == (True, "a hand is in the way")
        assert "Released" in _agent("release", "--url", url)
        assert not run.read("stop").latched


@pytest.mark.parametrize("command", ["stop", "release"])
def test_nobody_there_is_told(command: str) -> None:
    """Without a server the command fails with a sentence, and says that nothing was stopped."""
    result = CliRunner().invoke(app, [command, "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "No agent answers" in result.output
