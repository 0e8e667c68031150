"""The recorded runs of a server's folder, opened when somebody looks, and kept for a while.

Files are read beside the event loop, and nobody waits for them without a limit.
"""

import asyncio
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from agent.page.recorded import Recording
from agent.tracing.runs import LAST, Run, run_folders
from agent.tracing.story import RunStory, story_of
from bridge.errors import ConfigError, TandemError, UnknownNameError

# So many runs are kept open; one is a few megabytes, and more for a long one.
_MOST_OPEN = 4
# A run of an hour is read in some seconds where the disk is slow.
READ_LIMIT_S = 30.0
# Their own: a disk that hangs must not take the threads from the pictures of the live run.
_READERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="agent.page.read")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Listed(NamedTuple):
    """What was found in the folder of runs: the newest first, and what cannot be read."""

    stories: tuple[RunStory, ...]
    troubles: tuple[str, ...]


class Shelf:
    """Recorded runs by id. For the server's event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: OrderedDict[tuple[str, int], Recording] = OrderedDict()
        # Two who want the same run at the same time read it once.
        self._one_at_a_time = threading.Lock()

    async def listed(self) -> Listed:
        """All runs of the folder.

        Raises:
            ConfigError: They could not be read in time.
        """
        return await beside(_list, self._root)

    async def recording(self, run_id: str) -> Recording:
        """One run, "last" is the newest; it is read again when it has grown.

        Raises:
            UnknownNameError: There is none of that id.
            ConfigError: It cannot be read, or not in time.
        """
        return await beside(self._read, run_id)

    def _read(self, run_id: str) -> Recording:
        # By its plain name only: an address must not reach other folders.
        found = run_folders(self._root)
        folders = {folder.name: folder for folder in found}
        if run_id == LAST and found:
            run_id = found[-1].name
        if run_id not in folders:
            raise UnknownNameError(kind="recorded run", name=run_id, known=folders)
        folder = folders[run_id]
        size = sum(file.stat().st_size for file in folder.glob("*.mcap"))
        with self._one_at_a_time:
            if (run_id, size) not in self._open:
                self._open[run_id, size] = Recording(folder)
                while len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end((run_id, size))
            return self._open[run_id, size]


async def beside(read: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call what reads files in a thread.

    Raises:
        ConfigError: It takes too long.
    """
    reading = asyncio.get_running_loop().run_in_executor(
        _READERS, functools.partial(read, *args, **kwargs)
    )
    try:
        return await asyncio.wait_for(reading, READ_LIMIT_S)
    except TimeoutError as error:
        raise ConfigError(
            f"The recording was not read within {READ_LIMIT_S:g} s: is the disk busy?"
        ) from error


def _list(root: Path) -> Listed:
    stories, troubles = list[RunStory](), list[str]()
    for folder in reversed(run_folders(root)):
        try:
            stories.append(story_of(Run(folder)))
        except TandemError as error:
            troubles.append(str(error))
    return Listed(tuple(stories), tuple(troubles))
