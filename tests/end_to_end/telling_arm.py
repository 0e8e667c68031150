"""A point arm that writes down what becomes of it, found as `telling_arm:TellingArm`."""

from pathlib import Path

from fast_brain.robots.point_arm import PointArm


class TellingArm(PointArm):
    """Appends a line to the file `diary` when it is stopped and when it is let go."""

    def __init__(self, *, diary: str, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._diary = Path(diary)

    def stop(self, reason: str) -> None:
        """Stay, and tell."""
        super().stop(reason)
        self._tell(f"stop: {reason}")

    def close(self) -> None:
        """Let go, and tell."""
        super().close()
        self._tell("close")

    def _tell(self, line: str) -> None:
        with self._diary.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
