"""From the settings to a robot: by plug-in name, or `gymnasium:<environment id>`."""

from typing import cast

from bridge.plugins import make_plugin
from bridge.protocols import Robot
from bridge.specs import RobotSpec
from fast_brain.config import RobotConfig

_GYMNASIUM = "gymnasium"


def make_robot(config: RobotConfig) -> Robot:
    """Make the robot, not yet connected.

    Raises:
        UnknownNameError: There is no robot, or no environment, of that name.
        UnknownKeyError: It takes no option of that name.
        PluginError: Its code does not load.
    """
    name, colon, environment = config.kind.partition(":")
    if name == _GYMNASIUM and colon:
        return make_plugin("robot", _GYMNASIUM, {"env_id": environment, **config.options})
    return cast("Robot", make_plugin("robot", config.kind, config.options))


def read_robot_spec(config: RobotConfig) -> RobotSpec:
    """What the robot declares, without connecting to it: for who must know its limits.

    Raises:
        TandemError: As for `make_robot`.
    """
    return make_robot(config).spec
