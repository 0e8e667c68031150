"""The whole configuration: the sum of the parts, read from a preset and overrides.

Each package owns its settings; this file adds those of the runtimes and the server, and turns
what is wrong into errors that name the path, what was expected and what came.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.config_errors import explain
from agent.recording.config import RecordingConfig
from bridge.errors import ConfigError, UnknownNameError
from configs import parse_settings, preset_names, read_preset
from fast_brain.config import FastBrainConfig, RobotConfig
from slow_brain.config import SlowBrainConfig

# A preset can name another one that it changes; longer chains than this are a circle.
BASED_ON = "based_on"
_LONGEST_CHAIN = 8


class ServeConfig(BaseModel):
    """The HTTP server and its page; off loopback it demands a token.

    Whoever shows `read_only_token` may watch, and is refused everything that moves the robot.
    `status_rate_hz` [Hz] is how often all who watch are told, `video_rate_hz` [Hz] how often a
    camera's picture is encoded at most, however many watch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8642, ge=0, le=65535)
    token: str = ""
    read_only_token: str = ""
    status_rate_hz: float = Field(default=10.0, ge=0.5, le=60)
    video_rate_hz: float = Field(default=5.0, gt=0, le=60)
    max_request_bytes: int = Field(default=65_536, gt=0)


class RestartRule(BaseModel):
    """When a node that fell is started anew, and which others with it.

    Backoff doubles from `backoff_s` to `backoff_max_s` [s]; `max_restarts` are allowed within
    `window_s` [s]. `dependents` are nodes that are taken down and started anew together with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Literal["never", "on_failure"] = "on_failure"
    backoff_s: float = Field(default=0.5, gt=0)
    backoff_max_s: float = Field(default=30.0, gt=0)
    window_s: float = Field(default=300.0, gt=0)
    max_restarts: int = Field(default=5, ge=0)
    dependents: tuple[str, ...] = ()


class RuntimeConfig(BaseModel):
    """How the graph is run and watched.

    The two latencies are those of virtual time only: what the planner or the policy publishes in
    the local runtime is seen that much later. So is `coupling`: "synchronous" freezes the arm while
    the planner thinks, as rivals do, to compare with.

    A node whose last sign of life is older than its `…hang_after_s` [s] counts as hung. The two
    limits are of one encoded message in shared memory [bytes], where two of each have room; so is
    `memory_limit_bytes`, of what the policy remembers.

    A planner or a policy whose process holds more than its `…memory_limit_mb` [MB] is ended and, if
    its rule says so, started anew; 0 is no limit.

    The four settings of restarting are those of every node that may be restarted (`RestartRule`);
    `restarts` changes them for one node, by its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    planner_latency_s: float = Field(default=0.5, ge=0)
    policy_latency_s: float = Field(default=0.05, ge=0)
    coupling: Literal["asynchronous", "synchronous"] = "asynchronous"
    start_timeout_s: float = Field(default=180.0, gt=0)
    stop_timeout_s: float = Field(default=10.0, gt=0)
    hang_after_s: float = Field(default=5.0, gt=0)
    planner_hang_after_s: float = Field(default=120.0, gt=0)
    restart_backoff_s: float = Field(default=0.5, gt=0)
    restart_backoff_max_s: float = Field(default=30.0, gt=0)
    restart_window_s: float = Field(default=300.0, gt=0)
    max_restarts: int = Field(default=5, ge=0)
    restarts: dict[str, RestartRule] = Field(default_factory=dict[str, RestartRule])
    planner_nice: int = Field(default=10, ge=0, le=19)
    planner_memory_limit_mb: int = Field(default=0, ge=0)
    policy_memory_limit_mb: int = Field(default=0, ge=0)
    observation_limit_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    latent_limit_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    memory_limit_bytes: int = Field(default=4 * 1024 * 1024, gt=0)

    def restart_rule(self, node: str) -> RestartRule:
        """The rule of a node that may be restarted: the run's, with the node's own changes."""
        common = RestartRule(
            backoff_s=self.restart_backoff_s,
            backoff_max_s=self.restart_backoff_max_s,
            window_s=self.restart_window_s,
            max_restarts=self.max_restarts,
        )
        own = self.restarts.get(node)
        return (
            common if own is None else common.model_copy(update=own.model_dump(exclude_unset=True))
        )


class AgentConfig(BaseModel):
    """Everything that can be set; with `fast_brain.mode: flat` there is no planner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    robot: RobotConfig = RobotConfig()
    fast_brain: FastBrainConfig = FastBrainConfig()
    slow_brain: SlowBrainConfig = SlowBrainConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    serve: ServeConfig = ServeConfig()
    recording: RecordingConfig = RecordingConfig()


def load_config(preset: str, overrides: Iterable[str] = ()) -> AgentConfig:
    """Read a preset, apply overrides, and check the result.

    Args:
        preset: A name from `configs`, or the path of a YAML file.
        overrides: Settings as `slow_brain.rate_hz=2`; the value is YAML. Later ones win.

    Raises:
        UnknownNameError: There is no such preset.
        UnknownKeyError: A setting that nobody reads.
        ConfigError: A value of the wrong type or range, or a file that is not settings.
    """
    return override_settings(_read_chain(preset), overrides)


def override_settings(settings: Mapping[str, Any], overrides: Iterable[str]) -> AgentConfig:
    """Change plain settings by overrides, and check the result.

    Raises:
        UnknownKeyError: As for `load_config`.
        ConfigError: As for `load_config`.
    """
    for override in overrides:
        settings = merge_settings(settings, _parse_override(override))
    return check_settings(settings)


def check_settings(settings: Mapping[str, Any]) -> AgentConfig:
    """Turn plain settings into a checked configuration.

    Raises:
        UnknownKeyError: As for `load_config`.
        ConfigError: As for `load_config`.
    """
    try:
        return AgentConfig.model_validate(settings)
    except ValidationError as error:
        raise explain(error, AgentConfig) from error


def merge_settings(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one set of settings over another; neither is changed. Lists and nulls replace."""
    merged = dict(below)
    for key, value in above.items():
        old: object = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge_settings(
                cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", value)
            )
        else:
            merged[key] = value
    return merged


def _read_chain(preset: str) -> dict[str, Any]:
    """Read a preset and the ones it is based on, the deepest first."""
    settings: dict[str, Any] = {}
    name: object = preset
    for _ in range(_LONGEST_CHAIN):
        layer = _read(str(name))
        name = layer.pop(BASED_ON, None)
        settings = merge_settings(layer, settings)
        if name is None:
            return settings
    raise ConfigError(
        f"Preset {preset!r} is based on more than {_LONGEST_CHAIN} others: is it a circle?"
    )


def _read(name: str) -> dict[str, Any]:
    try:
        return read_preset(name)
    except FileNotFoundError as error:
        raise UnknownNameError(kind="preset", name=name, known=preset_names()) from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"Cannot read the preset {name!r}: {error}") from error


def _parse_override(override: str) -> dict[str, Any]:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"Override {override!r} is not a setting. Write it as slow_brain.rate_hz=2"
        )
    try:
        value = parse_settings(f"value: {text}", f"The value in {override!r}")["value"]
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for key in reversed(keys):
        value = {key: value}
    return cast("dict[str, Any]", value)
