"""One master a robot: a lock on a file that the kernel frees when its holder dies."""

import fcntl
import os
import re
import tempfile
from pathlib import Path
from typing import IO

from bridge import ConfigError, RobotBusyError

# POSIX locks do not keep out their own process, so this does: the process that holds a path, and
# its open file. The process stands there because a forked child gets a copy of this, not the lock.
_held: dict[Path, tuple[int, IO[str]]] = {}


class RobotLock:
    """Holds a robot for this process, from `take` to `free`.

    The file is in the temp directory, named for the robot, and contains the holder's process id.
    A forked child does not inherit the lock, and a crash frees it.
    """

    def __init__(self, robot: str) -> None:
        self._robot = robot
        safe_name = re.sub(r"[^A-Za-z0-9_.-]", "_", robot)
        self.path = Path(tempfile.gettempdir()) / f"tandem-robot-{safe_name}.lock"
        self._is_ours = False

    def take(self) -> None:
        """Take hold.

        Raises:
            RobotBusyError: Another process, or another robot object of this one, holds it.
            ConfigError: The lock file cannot be written.
        """
        if self.path in _held and _held[self.path][0] == os.getpid():
            raise RobotBusyError(robot=self._robot, pid=os.getpid())
        file = self._open()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip()
            file.close()
            raise RobotBusyError(
                robot=self._robot, pid=int(holder) if holder.isdigit() else 0
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        _held[self.path] = (os.getpid(), file)
        self._is_ours = True

    def free(self) -> None:
        """Let go; does nothing when it is not held."""
        if not self._is_ours:
            return
        # The file stays: removing it would let two processes hold two files of one name.
        _, file = _held.pop(self.path)
        file.close()
        self._is_ours = False

    def _open(self) -> IO[str]:
        # No following of links: the temp directory is everybody's.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.fdopen(os.open(self.path, flags, 0o666), "r+")
        except OSError as error:
            raise ConfigError(
                f"Cannot open the lock {self.path} of robot {self._robot!r}: {error}. "
                "Remove the file if no run uses it, or set robot.options.robot_name."
            ) from error
