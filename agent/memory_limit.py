"""A plug-in that leaks is ended before the machine's memory is, and named."""

from collections.abc import Callable

import psutil

from bridge.errors import PluginError

_BYTES_PER_MB = 1_000_000


def resident_bytes() -> int:
    """How much memory this process holds [bytes]."""
    return int(psutil.Process().memory_info().rss)


class MemoryLimit:
    """What the process of a plug-in may hold.

    Args:
        limit_mb: The limit [MB]; 0 for none.
        plugin: Whom to blame, and its verb: `my_planner.plan`.
        read_bytes: Says how much the process holds [bytes].
    """

    def __init__(
        self, limit_mb: int, plugin: str, *, read_bytes: Callable[[], int] = resident_bytes
    ) -> None:
        self._limit_mb = limit_mb
        self._plugin, _, self._verb = plugin.rpartition(".")
        self._read_bytes = read_bytes

    def check(self) -> None:
        """Refuse to go on above the limit; the supervisor then starts a fresh process.

        Raises:
            PluginError: Says how much it holds and how much it may.
        """
        if self._limit_mb == 0:
            return
        held_mb = self._read_bytes() / _BYTES_PER_MB
        if held_mb > self._limit_mb:
            cause = f"its process holds {held_mb:.0f} MB of memory, limit {self._limit_mb} MB"
            raise PluginError(plugin=self._plugin, verb=self._verb, cause=cause)
