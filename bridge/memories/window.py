"""The window: the last few latents, first in, first out."""

from typing import ClassVar

from bridge.memories.episode_memory import EpisodeMemory
from bridge.messages import Latent
from bridge.specs import LatentSpec


class WindowMemory(EpisodeMemory):
    """Keeps the last `capacity` latents before the newest.

    Args:
        latent: Shape of the latents; others are refused.
        capacity: How many are kept beside the newest.
        subtask_only: Forget what was seen before the subtask began, as Mem-0 does.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "window"

    def __init__(
        self,
        *,
        latent: LatentSpec,
        capacity: int = 8,
        subtask_only: bool = False,
        shared_name: str = "",
        run_id: str = "memory",
    ) -> None:
        super().__init__(latent=latent, capacity=capacity, shared_name=shared_name, run_id=run_id)
        self._subtask_only = subtask_only

    def _kind(self) -> str:
        return f"window({self._capacity}{', subtask_only' if self._subtask_only else ''})"

    def _make_room(self, incoming: Latent) -> None:
        is_over = self._subtask_only and self._begins_subtask(incoming)
        left = 0 if is_over else self._capacity
        while len(self._perceptual) > left:
            self._drop(0)
