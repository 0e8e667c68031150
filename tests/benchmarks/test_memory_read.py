"""The memory benchmark compares like with like, and weighs the two prices of a read."""

import pytest
import torch

from benchmarks import memory_read
from benchmarks.memory_read import Prices, Rig, long_episode, prices, recompute
from bridge.specs import LatentSpec


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which nothing takes long."""
    monkeypatch.setattr(memory_read, "TOKENS", 6)
    monkeypatch.setattr(memory_read, "WIDTH", 16)
    spec = LatentSpec(perceptual_tokens=6, cognitive_tokens=1, width=16)
    monkeypatch.setattr(memory_read, "_SPEC", spec)
    monkeypatch.setattr(memory_read, "_FEW_WRITES", 20)


def test_both_ways_read_the_same() -> None:
    """What the published operations give is what our reader gives, over many writes."""
    rig = Rig(5)
    for _ in range(20):
        rig.write()
        torch.testing.assert_close(
            rig.ours(), recompute(rig.reading, rig.bank()), atol=1e-5, rtol=1e-5
        )


def test_ways_that_differ_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong result has no price."""
    rig = Rig(5)
    monkeypatch.setattr(Rig, "ours", lambda self: torch.zeros(1, 6, 16))
    with pytest.raises(SystemExit, match="nothing to compare"):
        prices(rig, 1)


def test_a_ratio_weighs_first_and_further_reads() -> None:
    """Of four reads of a latent one is dear and three are cheap; fewer than one is one."""
    found = Prices(recompute_ms=10.0, new_latent_ms=4.0, same_latent_ms=0.0)
    assert found.ratio(4.0) == pytest.approx(0.1)
    assert found.ratio(1.0) == found.ratio(0.3) == pytest.approx(0.4)


def test_the_long_episode_is_reported_whole() -> None:
    """Growth, writes and bytes are there, and the bytes did not grow."""
    report = long_episode(writes=60, rounds=2)
    assert report["growth_1e2_to_1e5"] > 0
    assert report["memory_bytes_grown"] == 0
    assert report["write_and_consolidate"]["n"] > 0
