import sys

import pytest

from bridge.errors import ConfigError
from slow_brain.engines.vllm_engine import VllmEngine


def test_without_vllm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is named, before anything is loaded."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"tandem-agent\[vllm\].*docs/engines.md"):
        VllmEngine()
