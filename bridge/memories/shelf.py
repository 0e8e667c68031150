"""Memories of several robots side by side, each made once and reused from episode to episode."""

from collections.abc import Callable, Sequence

from bridge.errors import ConfigError, ContractError
from bridge.protocols import Memory


class MemoryShelf:
    """One memory a robot, for a policy that serves many.

    All are made at the start: a new episode of one robot takes no memory, touches no tokens, and
    does not concern the others.

    Args:
        make: Makes one empty memory.
        robots: Their names.
    """

    def __init__(self, make: Callable[[], Memory], robots: Sequence[str]) -> None:
        if not robots or len(set(robots)) != len(robots):
            raise ConfigError(f"A shelf holds a memory for each robot by name, not {list(robots)}.")
        self._memories = {robot: make() for robot in robots}

    def of(self, robot: str) -> Memory:
        """The memory of one robot.

        Raises:
            ContractError: There is no robot of that name.
        """
        if robot not in self._memories:
            raise ContractError(
                leaf="robot", expected=f"one of {sorted(self._memories)}", got=repr(robot)
            )
        return self._memories[robot]

    def reset(self, robot: str, *, episode_id: str, start_ns: int) -> None:
        """Begin another episode of one robot.

        Raises:
            ContractError: There is no robot of that name.
        """
        self.of(robot).reset(episode_id=episode_id, start_ns=start_ns)
