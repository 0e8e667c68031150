"""Which faults a campaign injects, when and for how long: drawn from seeds, the same every time."""

import random
from collections.abc import Iterator

import msgspec

from agent.faults.kinds import KINDS, World
from bridge.errors import UnknownNameError

# The drill's task takes about 4 s: what breaks must break while there is something to do [s].
_MOMENTS_S = (0.3, 3.0)


class FaultCase(msgspec.Struct, frozen=True, kw_only=True):
    """One fault to inject: what, when after the goal was stated [s], and for how long [s]."""

    kind: str
    seed: int
    world: World
    moment_s: float
    duration_s: float

    @property
    def name(self) -> str:
        """What identifies the case in a book of results."""
        return f"{self.world}/{self.kind}/{self.seed}"


def draw_case(kind: str, seed: int, world: World) -> FaultCase:
    """The case of a kind and a seed.

    Raises:
        UnknownNameError: There is no such kind of fault in that world.
    """
    known = [name for name, each in KINDS.items() if world in each.worlds]
    if kind not in known:
        raise UnknownNameError(kind=f"fault in the {world} world", name=kind, known=known)
    drawing = random.Random(f"{kind}/{seed}")  # noqa: S311  # Cases, not secrets.
    return FaultCase(
        kind=kind,
        seed=seed,
        world=world,
        moment_s=round(drawing.uniform(*_MOMENTS_S), 3),
        duration_s=round(drawing.uniform(*KINDS[kind].duration_s), 3),
    )


def draw_campaign(count: int, seed: int, world: World) -> list[FaultCase]:
    """`count` cases, every kind in turn; the seeds begin at `seed`."""
    turns = _turns(seed, world)
    return [next(turns) for _ in range(count)]


def _turns(seed: int, world: World) -> Iterator[FaultCase]:
    while True:
        for name, kind in KINDS.items():
            if world in kind.worlds:
                yield draw_case(name, seed, world)
        seed += 1
