"""Where the time of a tick goes: one mark at the end of each section, a few tens of ns a mark."""

import time
from typing import Literal, Protocol, get_args

Section = Literal["observe", "pick", "filter", "command", "publish"]
SECTIONS: tuple[Section, ...] = get_args(Section)


class Sections(Protocol):
    """Whoever wants to know when a section of the tick is over."""

    def done(self, section: Section) -> None:
        """Say that this section has just ended; the next begins now."""
        ...


class NoSections:
    """Nobody wants to know: for tests, and for a loop without a node."""

    def done(self, section: Section) -> None:
        """Do nothing."""


NO_SECTIONS = NoSections()


class SectionTimer:
    """Adds up how long each section of the tick under way took; allocates nothing.

    A section that is ended twice in a tick counts both times, one that is never ended counts 0.
    Its clock is always the machine's, also in virtual time: this is about computing.
    """

    def __init__(self) -> None:
        self._took_ns = dict.fromkeys(SECTIONS, 0)
        self._since_ns = 0

    def begin(self) -> None:
        """A new tick begins now."""
        for section in SECTIONS:
            self._took_ns[section] = 0
        self._since_ns = time.perf_counter_ns()

    def done(self, section: Section) -> None:
        """What passed since the last mark belongs to this section."""
        now_ns = time.perf_counter_ns()
        self._took_ns[section] += now_ns - self._since_ns
        self._since_ns = now_ns

    def took_ns(self, section: Section) -> int:
        """How long a section of this tick has taken so far [ns]."""
        return self._took_ns[section]
