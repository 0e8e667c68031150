"""Records a series of demonstrations in several processes; stopped at any moment, it goes on later.

Episode number n of a seed is the same whoever records it, so the number of workers and the
interruptions leave no trace in the data.
"""

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from agent.demos.dataset import read_info, recorded_episodes
from agent.demos.metadata import write_metadata
from bridge import ConfigError, PluginError, RenderUnavailableError, UnknownNameError

if TYPE_CHECKING:
    from agent.demos.record import DemoRecorder
    from agent.worlds.scene.memory_tasks import MemoryKind

Tasks = Literal["scene", "memory"]
# Recording is the background's work: a robot or a training beside it goes first.
_NICENESS = 10


class Progress(NamedTuple):
    """How far a series has come: episodes on disk of those wanted, and the newest one's story."""

    done: int
    total: int
    episode: int
    info: dict[str, Any]


class _Make(NamedTuple):
    """What a recorder is made of; another process can make the same."""

    root: Path
    tasks: Tasks
    kinds: tuple["MemoryKind", ...]


def record_series(
    root: Path,
    episodes: int,
    seed: int,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    tasks: Tasks = "scene",
    kinds: Sequence[str] = (),
) -> Path:
    """Record what is missing of episodes 0 to `episodes` - 1, then describe the whole.

    An episode appears on disk whole or not at all; after an interruption the same call goes on.

    Args:
        root: The dataset's folder; made if it is not there.
        episodes: How many there shall be in the end.
        seed: Which series; another seed is another series, and needs a folder of its own.
        workers: How many processes record; 1 records in this one.
        on_progress: Called after each episode, from the calling thread.
        tasks: What is demonstrated: what the picture answers, or what wants a memory.
        kinds: Of memory tasks, those that are demonstrated, each as often; if none, all that
            teach a policy something, some more often than others.

    Returns:
        The folder, which then reads as a LeRobotDataset v3.

    Raises:
        ConfigError: The folder holds another series, or more of this one; or there are no such
            kinds.
        PluginError: A worker process died; what is recorded stays.
        RenderUnavailableError: There is no OpenGL to take the pictures with.
    """
    make = _Make(root, tasks, _checked(kinds, tasks))
    missing = _missing_episodes(root, episodes, seed, tasks)
    done = episodes - len(missing)
    for episode, info in _record(make, missing, seed, workers):
        done += 1
        if on_progress is not None:
            on_progress(Progress(done, episodes, episode, info))
    write_metadata(root)
    return root


def _missing_episodes(root: Path, episodes: int, seed: int, tasks: Tasks) -> list[int]:
    for leftover in root.glob("data/chunk-*/*.partial"):
        leftover.unlink()
    have = recorded_episodes(root)
    for episode in have:
        info = read_info(root, episode)
        found = (info["seed"], "memory" if "memory_task" in info else "scene")
        if found != (seed, tasks):
            raise ConfigError(
                f"{root} holds a series of seed {found[0]} of {found[1]} tasks, and seed {seed} of "
                f"{tasks} tasks was asked for. Choose another folder, or the same series."
            )
    if have and have[-1] >= episodes:
        raise ConfigError(
            f"{root} holds episode {have[-1]}, and only {episodes} episodes were asked for. "
            f"Ask for {have[-1] + 1} or more, or choose another folder."
        )
    return [episode for episode in range(episodes) if episode not in set(have)]


def _record(
    make: _Make, missing: list[int], seed: int, workers: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    if not missing:
        return iter(())
    if workers == 1:
        return _record_here(make, missing, seed)
    return _record_in_processes(make, missing, seed, min(workers, len(missing)))


def _record_here(
    make: _Make, episodes: Iterable[int], seed: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    with closing(_make_recorder(make)) as recorder:
        for episode in episodes:
            yield episode, recorder.record(episode, seed)


def _record_in_processes(
    make: _Make, missing: list[int], seed: int, workers: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    from fast_brain.robots.scene_opengl import HOW_TO_GET_OPENGL, opengl_trouble

    # Asked here, since a worker that cannot begin tells its pool nothing but its death.
    if trouble := opengl_trouble():
        raise RenderUnavailableError(backend="OpenGL", cause=trouble, what_to_do=HOW_TO_GET_OPENGL)
    # Spawned, not forked: OpenGL and the threads of the caller do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin_worker, initargs=(make,)
    )
    try:
        futures = {pool.submit(_record_one, episode, seed): episode for episode in missing}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise PluginError(
            plugin="demonstration recorder",
            verb="record",
            cause="a worker process died; run the same command again to go on",
        ) from error
    finally:
        # Episodes under way are finished, at most one a worker; those not begun are left out.
        pool.shutdown(wait=True, cancel_futures=True)


def _make_recorder(make: _Make) -> "DemoRecorder":
    # The scene takes a second to import, and asking how much is missing does without.
    if make.tasks == "memory":
        from agent.demos.memory_record import KIND_SHARES, MemoryRecorder

        return MemoryRecorder(make.root, dict.fromkeys(make.kinds, 1.0) or KIND_SHARES)
    from agent.demos.record import DemoRecorder

    return DemoRecorder(make.root)


def _checked(kinds: Sequence[str], tasks: Tasks) -> tuple["MemoryKind", ...]:
    if not kinds:
        return ()
    from agent.demos.memory_record import KIND_SHARES

    if tasks != "memory":
        raise ConfigError(
            f"Kinds are of memory tasks, and {tasks} tasks were asked for. Add --tasks memory, or "
            f"leave out --kinds {','.join(kinds)}."
        )
    for kind in kinds:
        if kind not in KIND_SHARES:
            raise UnknownNameError(kind="kind of memory task", name=kind, known=tuple(KIND_SHARES))
    return cast("tuple[MemoryKind, ...]", tuple(kinds))


_recorder: Any = None


def _begin_worker(make: _Make) -> None:
    """Compile the scene once a process."""
    global _recorder  # noqa: PLW0603  # A pool's worker has no other place to keep it.
    os.nice(_NICENESS)
    _recorder = _make_recorder(make)


def _record_one(episode: int, seed: int) -> dict[str, Any]:
    info: dict[str, Any] = _recorder.record(episode, seed)
    return info
