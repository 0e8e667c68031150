"""How long reading a memory takes: ours, and the published code path that projects all of it anew.

Both read 256 tokens of width 256 with MemoryVLA's network and blend them by the gate, on one thread
of the same CPU, in one run and in turns; their results are compared first. The published path works
out every key and value on each call. Ours keeps them for as long as an entry lives, and what was
retrieved for as long as there is no newer latent: between two latents only the age moves the gate.
So a read has two prices, and `ratio_to_recompute` weighs them as the shipped settings do: a policy
that acts `policy_rate_hz` times a second, and a planner that sends `rate_hz` latents in that time.

    python -m benchmarks.memory_read --json memory_read.json --plot memory_read.png
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.support.latencies import summarize_ns, write_json
from benchmarks.support.machine import describe_machine
from bridge.fusion.memory_reader import StreamReader
from bridge.fusion.memory_vla import StreamReading, published
from bridge.memories.memory_vla import MemoryVlaMemory, Variant
from bridge.memories.rows import StreamEntries
from bridge.messages import Latent
from bridge.specs import LatentSpec

LENGTH, TOKENS, WIDTH = 16, 256, 256
SIZES = (16, 32, 64, 128, 256, 512, 1024)
GOAL_RATIO, GOAL_GROWTH = 1 / 5, 1.2
_SPEC = LatentSpec(perceptual_tokens=TOKENS, cognitive_tokens=1, width=WIDTH)
# A planner makes a new array for each latent: some, in turn, so that none is hot in every cache.
_LATENTS = 32
_STEP_NS = 1_000_000_000
_FEW_WRITES = 100


class Rig:
    """A memory that is full, both ways of reading it, and latents to go on with."""

    def __init__(self, length: int, variant: Variant = "openvla") -> None:
        torch.manual_seed(0)
        self.reading = StreamReading(published(variant, WIDTH, sees_age=True)).eval()
        self.memory = MemoryVlaMemory(latent=_SPEC, capacity=length)
        self.memory.reset(episode_id="", start_ns=0)
        self.reader = StreamReader(self.reading)
        self.writes = 0
        self._given = [_latent(seed) for seed in range(_LATENTS)]
        while self.writes <= length:
            self.write()

    def write(self) -> None:
        """Remember one more latent, a second after the last."""
        tokens = self._given[self.writes % _LATENTS]
        self.memory.write(
            Latent(
                perceptual=tokens,
                cognitive=tokens[:1],
                observation_stamp_ns=self.writes * _STEP_NS,
                ready_stamp_ns=self.writes * _STEP_NS,
                sequence=self.writes,
            )
        )
        self.writes += 1

    def entries(self) -> StreamEntries:
        """What is remembered, in place."""
        return self.memory.streams().perceptual

    def ours(self) -> torch.Tensor:
        """Read and gate as the runtime does."""
        return self.reader.read(self.entries(), 0.3).tokens

    def bank(self) -> list[tuple[float, torch.Tensor]]:
        """The entries as the published code keeps them: a list of times and tensors."""
        entries = self.entries()
        tokens = torch.from_numpy(entries.rows[entries.row_of])
        return list(zip(entries.time_s.tolist(), tokens, strict=True))


@torch.inference_mode()
def recompute(reading: StreamReading, bank: Sequence[tuple[float, torch.Tensor]]) -> torch.Tensor:
    """One call as published, for the last entry of `bank` and those before it.

    Source: the sequence of operations of MemoryVLA's `process_batch` (openvla code base): stack the
    entries, encode their times, and let each layer project all of them.
    """
    current = bank[-1][1].unsqueeze(0)
    past = bank[:-1]
    tokens, width = current.shape[1:]
    entries = torch.stack([entry for _, entry in past]).reshape(1, -1, width)
    times = torch.tensor([time_s for time_s, _ in past])
    code = reading.timestep_encoder(times).unsqueeze(0).repeat_interleave(tokens, dim=1)
    query = current
    for layer in reading.layers:
        query = layer(query, layer.k_proj(entries + code), layer.v_proj(entries))
    return reading.blend(current, query, torch.tensor([0.3])).tokens


class Prices(NamedTuple):
    """Medians for one size of memory [ms]."""

    recompute_ms: float
    new_latent_ms: float
    same_latent_ms: float

    def ratio(self, reads_per_latent: float) -> float:
        """Our mean price of a read over the published one, at so many reads a latent."""
        share = 1 / max(reads_per_latent, 1.0)
        ours = share * self.new_latent_ms + (1 - share) * self.same_latent_ms
        return ours / self.recompute_ms


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw them")
    parser.add_argument("--rounds", type=int, default=30, help="reads of each kind, at length 16")
    parser.add_argument("--writes", type=int, default=100_000, help="length of the long episode")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="largest memory to read")
    arguments = parser.parse_args()
    report = measure(arguments.rounds, arguments.writes, arguments.largest)
    _print(report)
    if arguments.json is not None:
        write_json(report, arguments.json)
    plot = arguments.plot or (arguments.json and arguments.json.with_suffix(".png"))
    if plot is not None:
        from benchmarks.support.memory_plot import draw

        draw(report, plot)


def measure(rounds: int, writes: int, largest: int) -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    rates = _shipped_rates()
    reads_per_latent = rates["policy_rate_hz"] / rates["planner_rate_hz"]
    sizes = {size: prices(Rig(size), _rounds(rounds, size)) for size in SIZES if size <= largest}
    at_16 = sizes[LENGTH]
    other = prices(Rig(LENGTH, "dexbotic"), rounds)
    return {
        "benchmark": "memory_read",
        "length": LENGTH,
        "tokens": TOKENS,
        "width": WIDTH,
        "rounds": rounds,
        **rates,
        "reads_per_latent": reads_per_latent,
        "ratio_to_recompute": at_16.ratio(reads_per_latent),
        "ratio_new_latent": at_16.ratio(1.0),
        "ratio_same_latent": at_16.same_latent_ms / at_16.recompute_ms,
        "ratio_to_recompute_dexbotic": other.ratio(reads_per_latent),
        "sizes": {str(size): found._asdict() for size, found in sizes.items()},
        **long_episode(writes, rounds),
        "goals": {
            "ratio_to_recompute": {"at_most": GOAL_RATIO},
            "growth_1e2_to_1e5": {"at_most": GOAL_GROWTH},
        },
        "machine": describe_machine(),
    }


def prices(rig: Rig, rounds: int) -> Prices:
    """Read in turns, so that a noisy machine is noisy for all; results are compared first."""
    difference = float((rig.ours() - recompute(rig.reading, rig.bank())).abs().max())
    if not difference < 1e-4:  # noqa: PLR2004  # Of values around one, in float32.
        raise SystemExit(f"The two ways differ by {difference}: there is nothing to compare.")
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(rounds):
        rig.write()
        bank = rig.bank()
        taken[0].append(_ms(lambda bank=bank: recompute(rig.reading, bank)))
        taken[1].append(_ms(rig.ours))
        taken[2].append(_ms(rig.ours))
    return Prices(*(statistics.median(times) for times in taken))


def long_episode(writes: int, rounds: int) -> dict[str, Any]:
    """Reads after few and after many writes of one episode, and what all those writes took."""
    rig = Rig(LENGTH)
    bytes_before = rig.memory.memory_bytes
    _write_until(rig, _FEW_WRITES)
    few = _reads_ms(rig, rounds)
    times_ns = _write_until(rig, writes)
    many = _reads_ms(rig, rounds)
    return {
        "writes": writes,
        "growth_1e2_to_1e5": statistics.median(many) / statistics.median(few),
        "read_after_1e2_ms": statistics.median(few),
        "read_after_1e5_ms": statistics.median(many),
        "write_and_consolidate": summarize_ns(times_ns),
        "memory_bytes": rig.memory.memory_bytes,
        "memory_bytes_grown": rig.memory.memory_bytes - bytes_before,
    }


def _write_until(rig: Rig, writes: int) -> list[int]:
    times_ns: list[int] = []
    while rig.writes < writes:
        start_ns = time.perf_counter_ns()
        rig.write()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return times_ns


def _reads_ms(rig: Rig, rounds: int) -> list[float]:
    """First reads of new latents, gate included [ms]."""
    times_ms: list[float] = []
    for _ in range(rounds):
        rig.write()
        times_ms.append(_ms(rig.ours))
    return times_ms


def _ms(read: Callable[[], object]) -> float:
    start_ns = time.perf_counter_ns()
    read()
    return (time.perf_counter_ns() - start_ns) * 1e-6


def _rounds(rounds: int, size: int) -> int:
    """Fewer of the long ones, and never less than three."""
    return max(3, rounds * LENGTH // size)


def _latent(seed: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    random = np.random.default_rng(seed)
    tokens = random.standard_normal((TOKENS, WIDTH), dtype=np.float32)
    tokens.flags.writeable = False
    return tokens


def _shipped_rates() -> dict[str, float]:
    """How often the demo's policy acts, and how often its planner thinks [Hz]."""
    from agent.config import load_config

    config = load_config("demo")
    return {
        "policy_rate_hz": config.fast_brain.policy_rate_hz,
        "planner_rate_hz": config.slow_brain.rate_hz,
    }


def _print(report: dict[str, Any]) -> None:
    print("read + gate [ms]          recomputed   new latent  same latent")
    for size, found in report["sizes"].items():
        times = (found[key] for key in ("recompute_ms", "new_latent_ms", "same_latent_ms"))
        print(f"{size:>6} entries         " + "".join(f"{value:13.2f}" for value in times))
    print(
        f"ours / recomputed, {report['reads_per_latent']:.1f} reads a latent: "
        f"{report['ratio_to_recompute']:.3f} (goal {GOAL_RATIO}); "
        f"each latent read once {report['ratio_new_latent']:.3f}, "
        f"again {report['ratio_same_latent']:.4f}"
    )
    print(f"read after {report['writes']} writes / after 100: {report['growth_1e2_to_1e5']:.3f}")
    written = report["write_and_consolidate"]
    print(f"write + consolidate: p50 {written['p50_us']} µs, p99 {written['p99_us']} µs")
    print(f"memory: {report['memory_bytes']} bytes, grown by {report['memory_bytes_grown']}")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the description's own lines."""


if __name__ == "__main__":
    main()
