import pickle  # noqa: TID251  # What Ray does to errors is what is tested.
from collections.abc import Iterator

import pytest

from bridge.errors import (
    ConfigError,
    ContractError,
    MissingWeightsError,
    PlanRefusedError,
    PluginError,
    PluginSlowError,
    PortInUseError,
    RenderUnavailableError,
    RobotBusyError,
    RobotFault,
    RuntimeStopped,
    TandemError,
    TransportError,
    UnknownGoalError,
    UnknownKeyError,
    UnknownNameError,
)

EXAMPLES: dict[type[TandemError], TandemError] = {
    TandemError: TandemError("something is wrong"),
    ConfigError: ConfigError("rate_hz is 0"),
    UnknownNameError: UnknownNameError(kind="policy", name="flwo", known=["hold", "flow"]),
    UnknownKeyError: UnknownKeyError(key="rte_hz", where="fast_brain", known=["rate_hz"]),
    UnknownGoalError: UnknownGoalError(text="make tea", known=["put the cube into the drawer"]),
    MissingWeightsError: MissingWeightsError(path="flow.safetensors", how_to_make="make train"),
    PortInUseError: PortInUseError(host="127.0.0.1", port=8000),
    RobotBusyError: RobotBusyError(robot="arm", pid=4711),
    RenderUnavailableError: RenderUnavailableError(
        backend="egl", cause=OSError("no libEGL"), what_to_do="Install libegl1."
    ),
    PluginError: PluginError(plugin="mine", verb="act", cause=ZeroDivisionError("by zero")),
    PluginSlowError: PluginSlowError(plugin="mine", verb="plan", taken_s=8.2, limit_s=5),
    ContractError: ContractError(leaf="latent.width", expected=256, got=128),
    PlanRefusedError: PlanRefusedError(leaf="plan", expected="a skill", got="fly"),
    TransportError: TransportError("7 bytes are not a message"),
    RobotFault: RobotFault("joint 3 does not answer"),
    RuntimeStopped: RuntimeStopped(reason="the operator pressed Ctrl-C"),
}


def _tree(root: type[TandemError]) -> Iterator[type[TandemError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


@pytest.mark.parametrize("kind", list(_tree(TandemError)), ids=lambda kind: kind.__name__)
def test_every_error_survives_a_process_border(kind: type[TandemError]) -> None:
    """Each error arrives on the other side with its type, its message and its values."""
    if not kind.__module__.startswith("bridge."):
        pytest.skip("its own package tests it")
    error = EXAMPLES[kind]
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301  # Our own bytes.
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (UnknownNameError, "No policy is called 'flwo'. Did you mean 'flow'? Known: flow, hold."),
        (UnknownKeyError, "fast_brain has no setting 'rte_hz'. Did you mean 'rate_hz'?"),
        (UnknownGoalError, "I cannot plan for the goal 'make tea'. Known: put the cube"),
        (MissingWeightsError, "no weights at flow.safetensors. Make them with: make train"),
        (PortInUseError, "Port 8000 on 127.0.0.1 is in use."),
        (RobotBusyError, "Robot 'arm' is driven by process 4711."),
        (RenderUnavailableError, "Cannot render with egl: OSError: no libEGL. Install libegl1."),
        (PluginError, "Plug-in 'mine' failed in `act`: ZeroDivisionError: by zero"),
        (PluginSlowError, "Plug-in mine.plan took 8.2 s, limit 5 s"),
        (ContractError, "latent.width: expected 256, got 128"),
        (RuntimeStopped, "The run has stopped: the operator pressed Ctrl-C"),
    ],
)
def test_message_says_what_happened_and_what_to_do(kind: type[TandemError], says: str) -> None:
    """The message holds the values, what exists, and the way out."""
    assert says in str(EXAMPLES[kind])


def test_all_the_operators_errors_are_config_errors() -> None:
    """One `except ConfigError` catches whatever the operator has to mend."""
    operators = (UnknownNameError, MissingWeightsError, PortInUseError, RobotBusyError)
    assert all(issubclass(kind, ConfigError) for kind in operators)


def test_a_long_value_is_cut() -> None:
    """A message stays readable when what came is large."""
    error = ContractError(leaf="text", expected="a plan", got="x" * 10_000)
    assert len(str(error)) < 300


def test_nothing_known_is_said_so() -> None:
    """An empty list of known names is said in words."""
    assert "None are known" in str(UnknownNameError(kind="robot", name="arm", known=[]))
