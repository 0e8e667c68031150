"""Every kind of memory keeps the contract of `Memory`."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from bridge.plugins import list_plugins, make_plugin
from bridge.protocols import Memory
from bridge.testing import EXAMPLE_LATENT, MemoryContract

KINDS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("bank", {}),
    ("bank", {"consolidation": "fifo", "capacity": 2}),
    ("anchor", {}),
    ("anchor", {"episode": False}),
    ("window", {}),
    ("window", {"capacity": 1, "subtask_only": True}),
    ("keyframes", {}),
    ("keyframes", {"threshold": 0.5, "cooldown_s": 10.0, "capacity": 2}),
    ("memory_vla", {}),
    ("memory_vla", {"capacity": 1}),
    ("memory_vla", {"consolidation": "fifo", "merged_time": "mean"}),
    ("mem_0", {}),
    ("composition", {}),
    (
        "composition",
        {"parts": [{"memory": "memory_vla", "capacity": 3}, {"memory": "window", "capacity": 2}]},
    ),
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
class TestEveryKind(MemoryContract):
    kind: ClassVar[tuple[str, Mapping[str, Any]]]

    @pytest.fixture(autouse=True)
    def _chosen(self, kind: tuple[str, Mapping[str, Any]]) -> None:
        self._kind = kind

    def make(self) -> Memory:
        """One of the kinds, by name as in a preset."""
        name, options = self._kind
        memory: Memory = make_plugin("memory", name, {"latent": EXAMPLE_LATENT, **options})
        return memory


def test_every_installed_memory_was_tried() -> None:
    """A kind that is added to the distribution is added here too."""
    installed = {plugin.name for plugin in list_plugins("memory")}
    assert installed == {name for name, _ in KINDS}
