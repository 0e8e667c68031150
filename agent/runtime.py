"""What every runtime can do, and what a run looks like from outside."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from agent.graph_parts import Graph
from agent.supervisor import Incident
from bridge.errors import ConfigError, ContractError
from bridge.messages import NodeHealth
from bridge.protocols import Clock


@runtime_checkable
class Runtime(Protocol):
    """A graph that runs: in this process in virtual time, or as processes in real time.

    After a stop, `read` and `health` still answer with what came last; the rest raises
    `RuntimeStopped`.
    """

    @property
    def clock(self) -> Clock:
        """The time that the nodes live in; stamp what you publish with it."""
        ...

    @property
    def stopped_because(self) -> str:
        """Why the run has ended; empty while it runs."""
        ...

    def start(self) -> None:
        """Bring every node up, check that they fit together, and let them run.

        Raises:
            ContractError: Two nodes do not fit; nothing has moved.
            TandemError: Whatever a node raised while it started; everything is closed again.
        """
        ...

    def publish(self, name: str, message: Any) -> None:  # noqa: ANN401  # The mailbox's own type.
        """Put a message into an external mailbox, such as `goal` or `stop`.

        Raises:
            ConfigError: There is no external mailbox of that name, or it takes another type.
            RuntimeStopped: The run has ended.
        """
        ...

    def read(self, name: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
        """The newest message of any mailbox, or None before the first.

        Raises:
            ConfigError: There is no mailbox of that name.
        """
        ...

    def health(self) -> Mapping[str, NodeHealth]:
        """The last sign of life of each node that gave one, by node."""
        ...

    @property
    def specs(self) -> Mapping[str, object]:
        """What each node declares about its plug-in, by node; nothing before the start."""
        ...

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell, and what was decided about it, oldest first; the newest 200."""
        ...

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Let time pass until the predicate holds; False if it did not within `timeout_s` [s].

        Raises:
            RuntimeStopped: The run ended meanwhile.
        """
        ...

    def stop(self, timeout_s: float | None = None) -> None:
        """End the run, the robot last; leave nothing behind. Callable any number of times.

        A node that does not end within `timeout_s` [s] (the configured time if None) is killed.
        """
        ...


def check_external(graph: Graph, name: str, message: object) -> None:
    """Refuse a message from outside for a mailbox that does not take it.

    Raises:
        ConfigError: There is no external mailbox of that name.
        ContractError: The message is of another type.
    """
    external = {mailbox.name: mailbox.kind for mailbox in graph.mailboxes if mailbox.external}
    if name not in external:
        raise ConfigError(
            f"{name!r} cannot be published from outside; what can: {', '.join(sorted(external))}."
        )
    if not isinstance(message, external[name]):
        raise ContractError(
            leaf=f"mailbox {name!r}", expected=external[name], got=type(message).__name__
        )


def pick_mailbox(mailboxes: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  # Of any type.
    """One mailbox by name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in mailboxes:
        raise ConfigError(f"There is no mailbox {name!r}; there are: {', '.join(mailboxes)}.")
    return mailboxes[name]
