import pytest

from bridge.errors import PluginError, RobotFault
from bridge.nodes import blaming, publish_output, read_input
from bridge.transports.in_process import InProcessLatestValue


def test_a_mailbox_that_the_graph_leaves_out_is_empty() -> None:
    """Reading it gives nothing, publishing in it tells nobody."""
    assert read_input({}, "latent") is None
    publish_output({}, "world", "anything")


def test_a_mailbox_of_the_graph_is_read_and_written() -> None:
    """What one node publishes by a name is what another reads."""
    mail = {"goal": InProcessLatestValue[str]()}
    publish_output(mail, "goal", "open the drawer")
    assert read_input(mail, "goal") == "open the drawer"


def test_a_plugins_bug_is_blamed_on_it() -> None:
    """A foreign error names plug-in and verb, and keeps the original as its cause."""
    with (
        pytest.raises(PluginError, match=r"'mine' failed in `act`: KeyError") as caught,
        blaming("mine", "act"),
    ):
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)


def test_our_own_errors_pass_as_they_are() -> None:
    """A fault stays a fault, because others act on its type."""
    with pytest.raises(RobotFault), blaming("arm", "observe"):
        raise RobotFault("The arm does not answer.")
