from pathlib import Path

import pytest

from agent.config import AgentConfig, load_config, merge_settings
from agent.config_errors import unit_of
from bridge.errors import ConfigError, UnknownKeyError, UnknownNameError
from configs import preset_names, read_preset


def error_of(*overrides: str, preset: str = "point_arm") -> str:
    """What the operator reads."""
    with pytest.raises(ConfigError) as caught:
        load_config(preset, overrides)
    return str(caught.value)


def test_an_unknown_preset_answers_with_the_near_match_and_the_list() -> None:
    """A typing error in a preset's name is answered with what was meant."""
    with pytest.raises(UnknownNameError) as caught:
        load_config("point_arn")
    assert str(caught.value) == (
        "No preset is called 'point_arn'. Did you mean 'point_arm'? "
        f"Known: {', '.join(preset_names())}."
    )


def test_an_unknown_key_answers_with_its_path_and_what_exists() -> None:
    """A setting that nobody reads is refused, wherever it stands."""
    with pytest.raises(UnknownKeyError) as caught:
        load_config("point_arm", ["slow_brain.rte_hz=2"])
    assert str(caught.value).startswith(
        "slow_brain has no setting 'rte_hz'. Did you mean 'rate_hz'? Known: "
    )
    assert error_of("slowbrain.rate_hz=2") == (
        "The configuration has no setting 'slowbrain'. Did you mean 'slow_brain'? "
        "Known: fast_brain, recording, robot, runtime, serve, slow_brain."
    )


def test_a_wrong_value_answers_with_path_expectation_value_and_unit() -> None:
    """The message says where, what was expected in which unit, and what came."""
    assert error_of("fast_brain.control_rate_hz=fast") == (
        "fast_brain.control_rate_hz: expected a valid number [Hz], got 'fast'"
    )
    assert error_of("runtime.stop_timeout_s=-1") == (
        "runtime.stop_timeout_s: expected greater than 0 [s], got -1"
    )
    assert error_of("serve.port=70000") == (
        "serve.port: expected less than or equal to 65535, got 70000"
    )


def test_two_mistakes_are_told_at_once() -> None:
    """Each wrong setting has its own line."""
    lines = error_of("fast_brain.control_rate_hz=x", "serve.prt=1").splitlines()
    assert len(lines) == 2


@pytest.mark.parametrize("override", ["slow_brain.rate_hz", "=2", "slow_brain..rate_hz=2"])
def test_an_override_that_is_no_setting_shows_how_to_write_one(override: str) -> None:
    """Whoever forgets the value or the name sees an example."""
    assert error_of(override) == (
        f"Override {override!r} is not a setting. Write it as slow_brain.rate_hz=2"
    )


def test_later_overrides_win_over_earlier_ones_and_the_preset() -> None:
    """Order decides; what is not mentioned stays."""
    config = load_config("point_arm", ["slow_brain.rate_hz=3", "slow_brain.rate_hz=4"])
    assert config.slow_brain.rate_hz == 4
    assert config.robot.kind == "point_arm"


def test_a_plug_in_s_option_can_be_overridden() -> None:
    """Options are free-form here: the plug-in itself refuses what it does not know."""
    config = load_config("point_arm", ["slow_brain.planner_options.anything={a: 1}"])
    assert config.slow_brain.planner_options["anything"] == {"a": 1}


def test_a_preset_of_your_own_is_a_file(tmp_path: Path) -> None:
    """A path instead of a name is read, and may be based on a shipped preset."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("based_on: point_arm\nserve: {port: 0}\n")
    config = load_config(str(mine))
    assert (config.robot.kind, config.serve.port) == ("point_arm", 0)


def test_a_circle_of_presets_is_refused(tmp_path: Path) -> None:
    """A preset that is based on itself ends in an error, not in a loop."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"based_on: {mine}\n")
    assert "is it a circle?" in error_of(preset=str(mine))


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just words"])
def test_a_file_that_is_not_settings_says_so(tmp_path: Path, text: str) -> None:
    """Lists, broken YAML and prose are refused with the file's name."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    message = error_of(preset=str(mine))
    assert message.startswith(f"Cannot read the preset '{mine}'")


def test_a_preset_states_only_what_differs() -> None:
    """No shipped preset repeats a default."""
    defaults = AgentConfig().model_dump()
    for name in preset_names():
        layer = read_preset(name)
        if "based_on" in layer:
            continue
        for section, settings in layer.items():
            for key, value in settings.items():
                assert defaults[section][key] != value, f"{name}: {section}.{key}"


def test_merging_changes_neither_side() -> None:
    """Laying settings over others leaves both as they were; nulls and lists replace."""
    below = {"a": {"b": 1, "c": [1]}, "d": 2}
    above = {"a": {"c": [2]}, "d": None}
    assert merge_settings(below, above) == {"a": {"b": 1, "c": [2]}, "d": None}
    assert below == {"a": {"b": 1, "c": [1]}, "d": 2}
    assert above == {"a": {"c": [2]}, "d": None}


def test_units_are_read_off_the_longest_ending() -> None:
    """Speed is not a time although its name ends in _s."""
    assert unit_of("max_speed_m_per_s") == "m/s"
    assert unit_of("dead_man_s") == "s"
    assert unit_of("planner") == ""


def test_a_configuration_survives_the_trip_through_plain_data() -> None:
    """What is written into a trace can be read back as the same configuration."""
    config = load_config("point_arm")
    assert AgentConfig.model_validate(config.model_dump(mode="json")) == config
