import pytest

from agent.memory_limit import MemoryLimit, resident_bytes
from bridge.errors import PluginError


def test_a_plugin_that_leaks_is_named_with_the_figures() -> None:
    """Above the limit it is ended: whose memory it is, how much it holds, how much it may."""
    held = iter([90_000_000, 100_000_000, 100_600_000])
    limit = MemoryLimit(100, "my_planner.plan", read_bytes=lambda: next(held))
    limit.check()
    limit.check()
    with pytest.raises(PluginError) as caught:
        limit.check()
    assert str(caught.value) == (
        "Plug-in 'my_planner' failed in `plan`: its process holds 101 MB of memory, limit 100 MB"
    )


def test_without_a_limit_nothing_is_measured() -> None:
    """The default costs nothing."""
    MemoryLimit(0, "my_planner.plan", read_bytes=lambda: pytest.fail("measured")).check()


def test_this_process_holds_something() -> None:
    """What is read is this process's own memory, in bytes."""
    assert resident_bytes() > 1_000_000
    with pytest.raises(PluginError):
        MemoryLimit(1, "examples.leaking:Leaking.plan").check()
