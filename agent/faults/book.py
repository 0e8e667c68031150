"""What is kept of a campaign: one line of JSON a fault, so that it can be gone on with."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agent.faults.drill import drill_config
from agent.faults.judge import CaseResult
from agent.faults.kinds import KINDS
from bridge.errors import ConfigError


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A result, and which drill it is of: results of another one cannot be mixed with it."""

    drill_id: str
    result: CaseResult


class CampaignBook:
    """The results of one campaign in a file, appended as they come.

    A line that was cut off when the program was killed is dropped when the book is opened again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drill_id = _drill_id()

    def open(self, *, resume: bool) -> dict[str, CaseResult]:
        """Make the file, or read what it holds: the results by the name of their case.

        Raises:
            ConfigError: It holds results and was not to be resumed, or results of another drill.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {line.result.case.name: line for line in self._read()}
        if kept and not resume:
            raise ConfigError(
                f"{self._path} holds {len(kept)} results already. Go on with --resume, "
                "remove the file, or choose another --json."
            )
        if any(line.drill_id != self._drill_id for line in kept.values()):
            raise ConfigError(
                f"{self._path} is of a drill with other faults or settings. Choose another --json."
            )
        # Also cuts off the broken end of the last line.
        self._path.write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in kept.values()))
        return {name: line.result for name, line in kept.items()}

    def append(self, result: CaseResult) -> None:
        """Write one result; it is on its way to the disk when this returns."""
        line = _Line(drill_id=self._drill_id, result=result)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def _read(self) -> Iterator[_Line]:
        if not self._path.is_file():
            return
        # What stands after the last newline was cut off while it was written.
        for number, line in enumerate(self._path.read_bytes().split(b"\n")[:-1], start=1):
            try:
                yield msgspec.json.decode(line, type=_Line)
            except msgspec.MsgspecError as error:
                raise ConfigError(f"{self._path}:{number} is not a result: {error}") from error


def _drill_id() -> str:
    """The same for the same faults and settings."""
    told = f"{KINDS!r} {drill_config().model_dump_json()}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]
