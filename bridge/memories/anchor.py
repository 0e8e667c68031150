"""The anchor: how the episode and its subtask began, never forgotten meanwhile."""

from typing import ClassVar

from bridge.errors import ConfigError
from bridge.memories.episode_memory import EpisodeMemory
from bridge.messages import Latent
from bridge.specs import LatentSpec

_EPISODE_START, _SUBTASK_START = 2.0, 1.0


class AnchorMemory(EpisodeMemory):
    """Keeps the first latent of the episode, and of the subtask under way, as they were.

    Neither is ever evicted or merged: the episode's stays until the episode ends, the subtask's
    until as many further subtasks have begun as there is room for.

    Source: of the parts of a memory, the first frame is the one that later work could least do
    without (EventVLA, arXiv 2606.20092: 67.8 % with it, 33.7 % without).

    Args:
        latent: Shape of the latents; others are refused.
        episode: Keep the episode's first latent.
        subtasks: Of how many subtasks, counted back from the one under way, the first is kept.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "anchor"

    def __init__(
        self,
        *,
        latent: LatentSpec,
        episode: bool = True,
        subtasks: int = 1,
        shared_name: str = "",
        run_id: str = "memory",
    ) -> None:
        if subtasks < 0 or not (episode or subtasks):
            raise ConfigError(
                f"An anchor keeps the episode's start, a subtask's or both; with episode: {episode}"
                f" and subtasks: {subtasks} it keeps nothing. Set episode: true or subtasks ≥ 1."
            )
        self._has_episode, self._subtasks = episode, subtasks
        super().__init__(
            latent=latent,
            capacity=int(episode) + subtasks,
            shared_name=shared_name,
            run_id=run_id,
        )

    def _kind(self) -> str:
        return f"anchor(episode={self._has_episode}, subtasks={self._subtasks})"

    def _mark(self, latent: Latent) -> float:
        if not len(self._perceptual) and self._has_episode:
            return _EPISODE_START
        starts = self._subtasks > 0 and self._begins_subtask(latent)
        return _SUBTASK_START if starts else 0.0

    def _make_room(self, incoming: Latent) -> None:
        marks = self._perceptual.marks
        if marks and marks[-1] == 0:
            self._drop(len(marks) - 1)
        starts = [place for place, mark in enumerate(marks) if mark == _SUBTASK_START]
        left = self._subtasks - (self._mark(incoming) == _SUBTASK_START)
        if len(starts) > left:
            self._drop(starts[0])
