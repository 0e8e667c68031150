"""Runs the episodes of an evaluation, here or in several processes, and keeps each as it ends."""

import concurrent.futures
import functools
import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import msgspec

from agent.config import AgentConfig, check_settings
from agent.evaluation.judge import SETTLED_S, VERDICT_GRACE_S
from agent.evaluation.play import (
    EvaluationStopped,
    episode_config,
    play_episode,
)
from agent.evaluation.records import EpisodeRecord, RecordBook
from agent.evaluation.suites import find_suite
from agent.logs import configure_logs
from bridge.errors import PluginError

Progress = Callable[[EpisodeRecord, int, int], None]
# Each process is one of several: libraries must not start threads of their own.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOOK_AFTER_PARENT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is to be measured: a suite, its seed and number of episodes, and the agent."""

    suite: str
    episodes: int
    seed: int
    config: AgentConfig

    @property
    def settings_id(self) -> str:
        """Names everything that changes an episode, so that results are never mixed."""
        settings = self.config.model_dump(exclude={"serve", "recording"}, mode="json")
        rules = [find_suite(self.suite).limit_s, SETTLED_S, VERDICT_GRACE_S]
        text = msgspec.json.encode([self.suite, self.seed, settings, rules], order="deterministic")
        return hashlib.sha256(text).hexdigest()[:12]


def evaluate(
    evaluation: Evaluation,
    book_path: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> list[EpisodeRecord]:
    """Run what is missing of an evaluation, and return all of its episodes by index.

    Args:
        evaluation: What to measure.
        book_path: Where episodes are kept, a line each; see `RecordBook`.
        workers: Processes; 1 runs in this one.
        resume: Go on with what the book holds.
        on_progress: Called with each new episode, how many there are now, and how many in all.

    Raises:
        UnknownNameError: There is no such suite.
        ConfigError: The suite is for another robot, or the book is of something else or in use.
        PluginError: A worker process died; what has ended is kept.
        KeyboardInterrupt: Passed on, once the workers have ended; what has ended is kept.
    """
    suite = find_suite(evaluation.suite)
    episode_config(evaluation.config, suite, suite.make(evaluation.seed, 0))
    with closing(RecordBook(book_path, evaluation.settings_id)) as book:
        kept = book.open(resume=resume)
        missing = [index for index in range(evaluation.episodes) if index not in kept]
        for episode in _run(evaluation, missing, workers):
            book.append(episode)
            kept[episode.index] = episode
            if on_progress is not None:
                on_progress(episode, len(kept), max(evaluation.episodes, len(kept)))
    return [kept[index] for index in sorted(kept) if index < evaluation.episodes]


def _run(evaluation: Evaluation, indices: Sequence[int], workers: int) -> Iterator[EpisodeRecord]:
    if workers <= 1 or len(indices) <= 1:
        _use_one_thread()
        return (_play(evaluation, index) for index in indices)
    return _run_in_processes(evaluation, indices, min(workers, len(indices)))


def _play(
    evaluation: Evaluation, index: int, should_stop: Callable[[], bool] = lambda: False
) -> EpisodeRecord:
    suite = find_suite(evaluation.suite)
    episode = suite.make(evaluation.seed, index)
    config = episode_config(evaluation.config, suite, episode)
    return play_episode(
        config,
        episode,
        settings_id=evaluation.settings_id,
        limit_s=suite.limit_s,
        should_stop=should_stop,
    )


def _run_in_processes(
    evaluation: Evaluation, indices: Sequence[int], workers: int
) -> Iterator[EpisodeRecord]:
    # Spawned, not forked: OpenGL and the threads of the caller do not survive a fork.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    settings = evaluation.config.model_dump(mode="json")
    plain = (evaluation.suite, evaluation.episodes, evaluation.seed, settings)
    with _one_thread_in_children():
        pool = concurrent.futures.ProcessPoolExecutor(
            workers, mp_context=context, initializer=_begin_worker, initargs=(stop, *plain)
        )
        try:
            futures = [pool.submit(_play_in_worker, index) for index in indices]
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise PluginError(
                plugin="evaluation worker",
                verb="play",
                cause="a process died; what has ended is kept, go on with --resume",
            ) from error
        finally:
            # Episodes under way look at the event several times a second of their own time.
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


_play_here: Callable[[int], EpisodeRecord] | None = None


def _begin_worker(
    stop: Event, suite: str, episodes: int, seed: int, settings: dict[str, Any]
) -> None:
    """Prepare a worker process; who started it decides when it ends, not the keyboard."""
    global _play_here  # noqa: PLW0603  # A pool's worker has no other place to keep it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure_logs(level="ERROR")
    _use_one_thread()
    config = check_settings(settings)
    evaluation = Evaluation(suite=suite, episodes=episodes, seed=seed, config=config)
    _play_here = functools.partial(_play, evaluation, should_stop=stop.is_set)


def _end_with_parent() -> None:
    """Whoever started this process may be killed; what it wanted to know nobody asks any more."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        parent.join(_LOOK_AFTER_PARENT_S)
    os._exit(1)


def _play_in_worker(index: int) -> EpisodeRecord:
    if _play_here is None:
        raise EvaluationStopped(reason="this process was not prepared")
    return _play_here(index)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextmanager
def _one_thread_in_children() -> Generator[None]:
    """Let processes that are started meanwhile find one thread in their environment."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
