"""What is kept of an evaluation: one line of JSON an episode, so that it can be gone on with."""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from agent.evaluation.motion import Motion
from bridge.errors import ConfigError


class SubtaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask that the goal needed from this start; `took_s` is None if it was not reached.

    Subtasks count in their turn: one is reached when its effect is first true after the one
    before it. `took_s` [s] counts from there.
    """

    text: str
    took_s: float | None = None


class EpisodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One episode; times are of the simulation [s].

    `settings_id` names the settings it was run with. `held_ticks` of `ticks` had no action.
    `motion` is missing in records that were made before it was measured.
    """

    index: int
    seed: int
    settings_id: str
    goal: str
    success: bool
    reason: str
    planner_said_done: bool
    time_to_finish_s: float | None
    duration_s: float
    subtasks: tuple[SubtaskRecord, ...]
    plans_made: int
    ticks: int
    held_ticks: int
    missed_ticks: int
    phase: str
    facts: dict[str, bool | float | str]
    motion: Motion | None = None


class RecordBook:
    """The episodes of one evaluation in a file, one JSON line each, appended as they end.

    A line that was cut off when the program was killed is dropped when the book is opened again.
    One program at a time has it open; the kernel closes it when that one dies.
    """

    def __init__(self, path: Path, settings_id: str) -> None:
        self._path = path
        self._settings_id = settings_id
        self._file: BinaryIO | None = None

    def open(self, *, resume: bool) -> dict[int, EpisodeRecord]:
        """Make the file, or read what it holds: the episodes by index.

        Raises:
            ConfigError: It holds episodes and was not to be resumed, or of other settings, or
                another program has it open.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock()
        try:
            return self._gone_on_with(resume=resume)
        except ConfigError:
            self.close()
            raise

    def _gone_on_with(self, *, resume: bool) -> dict[int, EpisodeRecord]:
        kept = {episode.index: episode for episode in self._read()}
        if kept and not resume:
            raise ConfigError(
                f"{self._path} holds {len(kept)} episodes already. Go on with --resume, "
                "remove the file, or choose another --json."
            )
        for episode in kept.values():
            self._check(episode)
        # Also cuts off the broken end of the last line.
        self._path.write_bytes(b"".join(_line(kept[index]) for index in sorted(kept)))
        return kept

    def close(self) -> None:
        """Let another program have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock(self) -> None:
        self._file = self._path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise ConfigError(
                f"{self._path} is being written by another evaluation, and two would spoil it. "
                "Wait for that one or end it, or choose another --json."
            ) from error

    def append(self, episode: EpisodeRecord) -> None:
        """Write one episode; it is on its way to the disk when this returns."""
        with self._path.open("ab") as file:
            file.write(_line(episode))

    def _read(self) -> Iterator[EpisodeRecord]:
        if not self._path.is_file():
            return
        lines = self._path.read_bytes().split(b"\n")
        # What stands after the last newline was cut off while it was written.
        for number, line in enumerate(lines[:-1], start=1):
            try:
                yield msgspec.json.decode(line, type=EpisodeRecord)
            except msgspec.MsgspecError as error:
                raise ConfigError(f"{self._path}:{number} is not an episode: {error}") from error

    def _check(self, episode: EpisodeRecord) -> None:
        if episode.settings_id != self._settings_id:
            raise ConfigError(
                f"{self._path} was made with other settings ({episode.settings_id}, now "
                f"{self._settings_id}): they cannot be mixed. Choose another --json."
            )


def _line(episode: EpisodeRecord) -> bytes:
    return msgspec.json.encode(episode) + b"\n"
