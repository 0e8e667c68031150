# pyright: basic
"""Ray for one run only: started on loopback, in a folder of its own, and gone afterwards.

Import `ray` from here: what it reads from the environment when it is imported is set first.
"""

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Listen on loopback only, on Linux as well; don't call home; a token of this process's own instead
# of one in the user's home (docs/decisions/002-ray-on-loopback.md).
# And who yields to whom is ours to say: Ray makes each of its workers as nice as 15.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

import psutil
import ray
from ray.exceptions import RayError, RayTaskError

from agent.logs import get_logger
from bridge.errors import ConfigError

__all__ = ["EmbeddedRay", "RayError", "RayTaskError", "ray", "sweep_stale_runs"]

# Ray's own object store is not used for data: its smallest size will do [bytes].
_OBJECT_STORE_BYTES = 80 * 1024 * 1024
# Followed by the pid of the process that started Ray.
_FOLDER = "tandem-ray-"
_LAST_WORD_S = 5.0
# Without the first nothing can be started anew; the second is the parent of all nodes.
_HELPERS = ("gcs_server", "raylet")
_log = get_logger("runtime")


class EmbeddedRay:
    """Ray for this run only; one that runs already is used and left as it is."""

    def __init__(self) -> None:
        self._is_ours = not ray.is_initialized()
        self._folder: Path | None = None
        self._before = set(psutil.Process().children(recursive=True))
        self._helpers: dict[str, psutil.Process] = {}
        if self._is_ours:
            sweep_stale_runs()
            self._open_patiently()

    def _open_patiently(self) -> None:
        """Start it; once more if the machine was too busy for Ray's own patience of 30 s.

        Raises:
            ConfigError: It did not start the second time either.
        """
        for is_last in (False, True):
            try:
                self._open()
            except Exception as error:
                self.close()
                _log.warning("ray_did_not_start", reason=str(error))
                if is_last:
                    raise ConfigError(
                        f"Ray did not start, twice: {error} Is the machine very busy, or "
                        f"{tempfile.gettempdir()} full?"
                    ) from error
            except BaseException:
                self.close()
                raise
            else:
                return

    def _open(self) -> None:
        # Short, because the path of a socket in it may have 107 letters.
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        with _own_signal_handlers():
            ray.init(
                num_cpus=0,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(self._folder),
            )
        children = set(psutil.Process().children(recursive=True)) - self._before
        self._helpers = {child.name(): child for child in children if child.name() in _HELPERS}

    def trouble(self) -> str:
        """Which of Ray's own processes has died, in words; empty while all live."""
        for name, process in self._helpers.items():
            if not _is_alive(process):
                return f"Ray's {name} died: nothing can be started anew"
        return ""

    def close(self) -> None:
        """Shut Ray down, wait for its processes, and remove its folder."""
        if not self._is_ours:
            return
        children = set(psutil.Process().children(recursive=True)) - self._before
        ray.shutdown()
        _end(children)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def sweep_stale_runs() -> tuple[Path, ...]:
    """End what a killed run left behind, and say which folders went; another user's stay.

    Ray's own helpers take a minute to notice that their run is gone; they are known by its folder.
    """
    stale = [folder for folder in _run_folders() if not _owner_lives(folder)]
    if stale:
        _end({process for process in psutil.process_iter() if _belongs_to(process, stale)})
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return tuple(stale)


def _run_folders() -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"))


def _owner_lives(folder: Path) -> bool:
    owner = folder.name.removeprefix(_FOLDER).split("-")[0]
    return not owner.isdigit() or psutil.pid_exists(int(owner))


def _belongs_to(process: psutil.Process, folders: list[Path]) -> bool:
    """Whether a process was started with one of these folders, or writes its log there.

    Some of Ray's helpers replace their command line by a title.
    """
    try:
        words = process.cmdline()
        if any(word.startswith("ray::") for word in words):
            words += [file.path for file in process.open_files()]
    except psutil.Error:
        # It ended meanwhile, or is not ours to look at.
        return False
    return any(str(folder) in word for folder in folders for word in words)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(processes: set[psutil.Process]) -> None:
    """Give them a moment to end by themselves, then kill those that did not."""
    _, left = psutil.wait_procs(processes, timeout=_LAST_WORD_S)
    for process in left:
        _log.warning("process_killed", pid=process.pid)
        process.kill()
    psutil.wait_procs(left, timeout=_LAST_WORD_S)


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep Ray from taking SIGTERM: who started the run decides what it means."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
