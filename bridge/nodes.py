"""What a node of the graph is: a plain class that reads mailboxes, thinks, and writes mailboxes.

A node knows nothing of processes, Ray or where time comes from: a runtime makes it in the process
where it is to live, starts it, steps it at its rate and closes it. The runtime also publishes the
node's health; a node only says what troubles it, in `last_error` if it has one.
"""

import contextlib
from collections.abc import Generator, Mapping
from typing import Any, Protocol, runtime_checkable

from bridge.errors import PluginError, TandemError
from bridge.protocols import Clock, LatestValue

# By the name that the node itself calls them.
Mailboxes = Mapping[str, LatestValue[Any]]


class NodeFactory(Protocol):
    """How a runtime makes a node: the class itself, called in the process where it will live."""

    def __call__(
        self,
        *,
        config: Any,  # noqa: ANN401  # Each node has settings of its own type.
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> "Node":
        """Make a node that has not started; cheap, loads nothing.

        Args:
            config: The node's own settings.
            inputs: What it reads, by its own names ("observation", "chunk", …). One that the
                graph leaves out is as if nobody ever published in it, unless the node needs it.
            outputs: What it writes, by its own names; it is the only writer of each.
            clock: For stamps; a node never sleeps.
        """
        ...


@runtime_checkable
class Node(Protocol):
    """One box of the graph. Its verbs are called from one thread, in this order, never at once.

    Two more attributes are read where a node has them: `spec` is what its plug-in declares, known
    after `start`, and `last_error` is the newest trouble that did not end it ("" for none).
    """

    def start(self) -> None:
        """Load what is heavy: networks, robots, simulators. May take minutes.

        Raises:
            TandemError: Says who has to act; the node is then closed and not stepped.
        """
        ...

    def step(self, now_ns: int) -> None:
        """Do one beat. Never sleeps, and never waits for another node.

        Raises:
            TandemError: Trouble the node cannot live with; it is then closed, and the supervisor
                decides what follows.
        """
        ...

    def close(self) -> None:
        """Free everything. Called once, also after a failed `start` or `step`."""
        ...


class Steppable(Protocol):
    """Whatever has a beat: a node, or something that wraps one."""

    def step(self, now_ns: int) -> None:
        """Do one beat."""
        ...


def read_input(inputs: Mailboxes, name: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
    """The newest message of an input, or None before the first or where the graph has no such."""
    mailbox = inputs.get(name)
    return None if mailbox is None else mailbox.read()


def publish_output(
    outputs: Mailboxes,
    name: str,
    message: Any,  # noqa: ANN401  # The mailbox's own type.
) -> None:
    """Publish in an output; nothing happens where the graph has no such, for nobody would read."""
    mailbox = outputs.get(name)
    if mailbox is not None:
        mailbox.publish(message)


@contextlib.contextmanager
def blaming(plugin: str, verb: str) -> Generator[None]:
    """Run a plug-in's verb: what it raises that is not ours becomes a `PluginError`.

    Raises:
        PluginError: Names the plug-in and the verb.
        TandemError: Our own errors pass as they are.
    """
    try:
        yield
    except TandemError:
        raise
    except Exception as error:
        # A plug-in is other people's code, which may raise anything at all.
        raise PluginError(plugin=plugin, verb=verb, cause=error) from error
