import pytest
from pydantic import ValidationError

from fast_brain.config import FastBrainConfig, RobotConfig


def test_defaults_are_complete() -> None:
    """Without a single setting the fast brain can run."""
    config = FastBrainConfig()
    assert config.control_rate_hz == 100.0
    assert RobotConfig().kind == "ogbench_scene"


def test_the_ladder_must_be_in_order() -> None:
    """Holding earlier than a latent counts as stale is a slip, and both values are said."""
    with pytest.raises(ValidationError, match=r"stale_after_s \(20\.0 s\) is above text_after_s"):
        FastBrainConfig(stale_after_s=20.0)


def test_the_dead_man_allows_a_late_beat() -> None:
    """A limit shorter than two beats would stop the robot for jitter."""
    with pytest.raises(ValidationError, match="shorter than two beats"):
        FastBrainConfig(dead_man_s=0.015)


def test_unknown_settings_are_refused() -> None:
    """A setting that nobody reads is a slip of the pen."""
    with pytest.raises(ValidationError, match="polcy"):
        FastBrainConfig.model_validate({"polcy": "hold"})
