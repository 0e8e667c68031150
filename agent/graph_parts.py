"""What a graph is made of: nodes, and the mailboxes between them. Data, checked when it is made.

Both runtimes run the same `Graph`; which nodes an agent has is decided in `agent/graph.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from agent.config import RestartRule, RuntimeConfig
from bridge.errors import ConfigError, UnknownNameError

_NEVER = RestartRule(when="never")


@dataclass(frozen=True, kw_only=True)
class MailboxSpec:
    """One mailbox; a message may take up to `capacity_bytes` when encoded [bytes].

    `kind` is the type of its messages, or a union of types.
    An external mailbox is written by whoever started the run: a person, a server, a test.
    `delivery` "latest" keeps the newest message for everybody, "ring" each one until its one reader
    has taken it; then `capacity_bytes` is for all that wait.
    """

    name: str
    kind: Any
    capacity_bytes: int
    external: bool = False
    delivery: Literal["latest", "ring"] = "latest"

    @property
    def kind_name(self) -> str:
        """The type of its messages, to read."""
        kinds = get_args(self.kind) or (self.kind,)
        return " | ".join(kind.__name__ for kind in kinds)


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node: what it is, what it reads and writes, and what happens when it falls.

    `node_class` is `module:Class`, so that a graph can be made and shown without importing a
    network. `inputs` and `outputs` map the node's own names (roles) to mailboxes.

    `virtual_latency_s` [s] is for virtual time: what the node publishes is seen that much later,
    and it is busy meanwhile; None means that its steps take no time. The first `idle_messages` of a
    step are what it publishes even with nothing to do; they take no time either.

    `hang_after_s` [s] is how old its last sign of life may grow. `restart` says whether it may be
    started anew at all; how is the run's `RestartRule`. An `optional` node may stay away: the robot
    goes on without it. An `observer` only looks at the others, and is ended after the robot.
    `note` is for the reader of the picture.

    `plugin` names the other people's code that it runs, and the verb where that may hang, as
    `my_planner.plan`: whom to blame. Its process may hold `memory_limit_mb` [MB]; 0 for no limit.

    What the kernel is told when nodes are processes: `nice` (0 is normal, 19 yields to all),
    `realtime_priority` of SCHED_FIFO (0 does not ask), and `cpu`, the core to stay on.
    `final_spin_us` [µs] is how long before each beat it watches the clock instead of sleeping.
    """

    name: str
    node_class: str
    config: object
    rate_hz: float
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])
    virtual_latency_s: float | None = None
    idle_messages: int = 0
    restart: Literal["never", "on_failure"] = "never"
    plugin: str = ""
    memory_limit_mb: int = 0
    optional: bool = False
    observer: bool = False
    hang_after_s: float = 5.0
    nice: int = 0
    realtime_priority: int = 0
    cpu: int | None = None
    final_spin_us: float = 0.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Nodes in the order in which they are stepped, and the mailboxes between them.

    Raises:
        ConfigError: When made: a mailbox with two writers or none, or one that is not declared.
    """

    nodes: tuple[NodeSpec, ...]
    mailboxes: tuple[MailboxSpec, ...]
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        _check_names("node", [node.name for node in self.nodes])
        _check_names("mailbox", [mailbox.name for mailbox in self.mailboxes])
        for node in self.nodes:
            self._check_node(node)
        for mailbox in self.mailboxes:
            self._check_mailbox(mailbox)
        for name, rule in self.runtime.restarts.items():
            self._check_rule(name, rule)

    def node(self, name: str) -> NodeSpec:
        """One node by name.

        Raises:
            ConfigError: There is none of that name.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise ConfigError(f"The graph has no node {name!r}: {self.node_names()}.")

    def restart_rule(self, name: str) -> RestartRule:
        """What happens when a node falls.

        Raises:
            ConfigError: There is none of that name.
        """
        may_return = self.node(name).restart == "on_failure"
        return self.runtime.restart_rule(name) if may_return else _NEVER

    def dependents_of(self, name: str) -> tuple[str, ...]:
        """The nodes that are started anew together with one, and theirs; in order, without it."""
        found = {name}
        waiting = [name]
        while waiting:
            new = set(self.restart_rule(waiting.pop()).dependents) - found
            found |= new
            waiting += new
        return tuple(each for each in self.node_names() if each in found - {name})

    def node_names(self) -> tuple[str, ...]:
        """The nodes in order."""
        return tuple(node.name for node in self.nodes)

    def end_order(self) -> tuple[tuple[str, ...], ...]:
        """Which nodes end together, in order: the brains and what watches, robot, observers."""
        robot, *others = [node.name for node in self.nodes if not node.observer]
        observers = tuple(node.name for node in self.nodes if node.observer)
        return (tuple(reversed(others)), (robot,), observers)

    def writers_of(self, mailbox: str) -> tuple[str, ...]:
        """The nodes that publish in a mailbox: one, or none if it is external."""
        return tuple(node.name for node in self.nodes if mailbox in node.outputs.values())

    def readers_of(self, mailbox: str) -> tuple[str, ...]:
        """The nodes that read a mailbox."""
        return tuple(node.name for node in self.nodes if mailbox in node.inputs.values())

    def describe(self) -> str:
        """The picture: each node with its rate, what it reads and writes, then the mailboxes."""
        lines = ["nodes"]
        width = max(len(node.name) for node in self.nodes)
        for node in self.nodes:
            reads = ", ".join(node.inputs.values()) or "nothing"
            writes = ", ".join(node.outputs.values()) or "nothing"
            lines.append(f"  {node.name:<{width}}  {node.rate_hz:>4g} Hz  {reads} ─► {writes}")
            about = [node.node_class, self._words(node), *([node.note] if node.note else [])]
            lines += [f"  {'':<{width}}           {line}" for line in about]
        lines.append("mailboxes")
        width = max(len(mailbox.name) for mailbox in self.mailboxes)
        for mailbox in self.mailboxes:
            writer = "outside" if mailbox.external else ", ".join(self.writers_of(mailbox.name))
            readers = ", ".join(self.readers_of(mailbox.name)) or "outside"
            lines.append(f"  {mailbox.name:<{width}}  {mailbox.kind_name:<16}{writer} ─► {readers}")
        return "\n".join(lines)

    def _words(self, node: NodeSpec) -> str:
        """What happens when the node falls, in words."""
        end = "the run goes on without it" if node.optional else "everything stops"
        if self.restart_rule(node.name).when == "never":
            return f"when it fails, {end}"
        others = "".join(f", with {name}" for name in self.dependents_of(node.name))
        return f"restarted when it fails{others}; if that does not help, {end}"

    def _check_rule(self, name: str, rule: RestartRule) -> None:
        """A rule may make a node of the graph stricter, and restart others that may be restarted.

        A preset can name a node that this graph is without, such as the planner of a flat agent.
        """
        if name not in self.node_names():
            return
        restartable = [node.name for node in self.nodes if node.restart == "on_failure"]
        if name not in restartable:
            raise ConfigError(
                f"Node {name!r} is never restarted while the robot moves, so runtime.restarts "
                f"cannot say how; it can for: {', '.join(restartable) or 'none'}."
            )
        for other in rule.dependents:
            if other not in restartable:
                raise UnknownNameError(kind="restartable node", name=other, known=restartable)

    def _check_node(self, node: NodeSpec) -> None:
        if node.rate_hz <= 0:
            raise ConfigError(
                f"Node {node.name!r} has a rate of {node.rate_hz} Hz; it must be > 0."
            )
        known = {mailbox.name for mailbox in self.mailboxes}
        for role, mailbox in (*node.inputs.items(), *node.outputs.items()):
            if mailbox not in known:
                raise ConfigError(
                    f"Node {node.name!r} uses mailbox {mailbox!r} as its {role!r}, "
                    f"but there is none of that name: {', '.join(sorted(known))}."
                )

    def _check_mailbox(self, mailbox: MailboxSpec) -> None:
        writers = self.writers_of(mailbox.name)
        if len(writers) > 1 or (mailbox.external and writers):
            outside = ("outside",) if mailbox.external else ()
            raise ConfigError(
                f"Mailbox {mailbox.name!r} has {len(writers) + len(outside)} writers "
                f"({', '.join((*writers, *outside))}), and can have only one."
            )
        readers = self.readers_of(mailbox.name)
        if readers and not writers and not mailbox.external:
            raise ConfigError(
                f"Nobody writes mailbox {mailbox.name!r}, which {', '.join(readers)} read: "
                "give it a writer, or make it external."
            )


def _check_names(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"The graph has two {what}s called {name!r}.")
        seen.add(name)
