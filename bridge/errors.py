"""Every error Tandem raises, grouped by who has to act.

    TandemError
    ├── ConfigError              the operator: a setting, a file or a machine is not as asked for
    │   ├── UnknownNameError     no plug-in, preset or planner of that name
    │   ├── UnknownKeyError      a setting that nobody reads
    │   ├── UnknownGoalError     a goal that this planner cannot plan for
    │   ├── MissingWeightsError  a weights file that is not there yet
    │   ├── PortInUseError       another program listens on the port
    │   ├── RobotBusyError       another process drives the robot
    │   └── RenderUnavailableError  no OpenGL: the simulator cannot draw its cameras
    ├── PluginError              the plug-in's author: a verb raised or did not load
    │   └── PluginSlowError      … or took longer than it may
    ├── ContractError            whoever made the data: a leaf is not what the spec says
    │   └── PlanRefusedError     the planner: this robot cannot do a step of it, or not now
    ├── TransportError           whoever wired the processes: bytes or a mailbox are unusable
    ├── RobotFault               the robot: stop, and call a person
    └── RuntimeStopped           nobody: the run is over, and says why

A message says what happened, the numbers with their units, what exists, and what to do about it.
Expected trouble inside the control loop is not an error but a value, `bridge.messages.Hold`.
"""

import difflib
from collections.abc import Iterable
from typing import Any, Self

_LONGEST_QUOTE = 200


class TandemError(Exception):
    """Root of the tree; survives pickling whatever the signature of the subclass."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from state, not by calling `__init__`, whose arguments are keyword-only."""
        return _rebuild, (type(self), self.args, dict(self.__dict__))

    @classmethod
    def restore(cls, args: tuple[object, ...], state: dict[str, object]) -> Self:
        """Make the error again on the far side of a process border."""
        error = cls.__new__(cls)
        error.args = args
        error.__dict__.update(state)
        return error


def _rebuild(
    kind: type[TandemError], args: tuple[object, ...], state: dict[str, object]
) -> TandemError:
    return kind.restore(args, state)


class ConfigError(TandemError):
    """Raised when the operator has to change a setting, a file or the machine."""


class UnknownNameError(ConfigError):
    """Raised when nothing of this kind goes by the name."""

    def __init__(self, *, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"No {kind} is called {name!r}.{_suggest(name, self.known)}")


class UnknownKeyError(ConfigError):
    """Raised when a setting is given that nobody reads."""

    def __init__(self, *, key: str, where: str, known: Iterable[str]) -> None:
        self.key = key
        self.where = where
        self.known = tuple(sorted(known))
        super().__init__(f"{where} has no setting {key!r}.{_suggest(key, self.known)}")


class UnknownGoalError(ConfigError):
    """Raised when the planner or the robot has no way to reach the goal."""

    def __init__(self, *, text: str, known: Iterable[str]) -> None:
        self.text = text
        self.known = tuple(known)
        super().__init__(f"I cannot plan for the goal {text!r}.{_suggest(text, self.known)}")


class MissingWeightsError(ConfigError):
    """Raised when a network's weights are not on this machine."""

    def __init__(self, *, path: str, how_to_make: str) -> None:
        self.path = path
        self.how_to_make = how_to_make
        super().__init__(f"There are no weights at {path}. Make them with: {how_to_make}")


class PortInUseError(ConfigError):
    """Raised when another program already listens on the port."""

    def __init__(self, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"Port {port} on {host} is in use. Stop the program that holds it, "
            "or choose another port; port 0 takes any that is free."
        )


class RobotBusyError(ConfigError):
    """Raised when another process drives the robot: a robot obeys one master."""

    def __init__(self, *, robot: str, pid: int) -> None:
        self.robot = robot
        self.pid = pid
        super().__init__(
            f"Robot {robot!r} is driven by process {pid}. Stop that run first (Ctrl-C there, "
            f"or `kill {pid}`)."
        )


class RenderUnavailableError(ConfigError):
    """Raised when the simulator cannot draw: no OpenGL context could be made."""

    def __init__(self, *, backend: str, cause: object, what_to_do: str) -> None:
        self.backend = backend
        self.cause = _quote(cause)
        self.what_to_do = what_to_do
        super().__init__(f"Cannot render with {backend}: {self.cause}. {what_to_do}")


class PluginError(TandemError):
    """Raised when a plug-in did not load or one of its verbs raised."""

    def __init__(self, *, plugin: str, verb: str, cause: object) -> None:
        self.plugin = plugin
        self.verb = verb
        # Text, because a foreign exception may not survive pickling; `from` keeps the original.
        self.cause = _quote(cause)
        super().__init__(f"Plug-in {plugin!r} failed in `{verb}`: {self.cause}")


class PluginSlowError(PluginError):
    """Raised when a verb of a plug-in took longer than it may."""

    def __init__(self, *, plugin: str, verb: str, taken_s: float, limit_s: float) -> None:
        self.taken_s = taken_s
        self.limit_s = limit_s
        cause = f"it took {taken_s:.3g} s"
        super().__init__(plugin=plugin, verb=verb, cause=cause)
        self.args = (f"Plug-in {plugin}.{verb} took {taken_s:.3g} s, limit {limit_s:g} s",)


class ContractError(TandemError):
    """Raised when data is not what its spec or its message type says."""

    def __init__(self, *, leaf: str, expected: object, got: object) -> None:
        self.leaf = leaf
        self.expected = _quote(expected)
        self.got = _quote(got)
        super().__init__(f"{leaf}: expected {self.expected}, got {self.got}")


class PlanRefusedError(ContractError):
    """Raised when a plan is as it should be, but this robot cannot do what it says, or not now."""


class TransportError(TandemError):
    """Raised when bytes cannot be decoded or a mailbox cannot be used."""


class RobotFault(TandemError):  # noqa: N818  # The word roboticists use; it ends in hold-then-stop.
    """Raised when the robot reports trouble or does not answer: the run stops."""


class RuntimeStopped(TandemError):  # noqa: N818  # An end, not always an error.
    """Raised when a verb is called after the run has ended."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The run has stopped: {reason}")


def _suggest(name: str, known: tuple[str, ...]) -> str:
    """The near match, if there is one, and the list."""
    if not known:
        return " None are known here."
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(known)}."


def _quote(value: object) -> str:
    """Name an exception by type and text; cut what is too long to read."""
    text = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"
