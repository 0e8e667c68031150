from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.errors import ConfigError, ContractError, TransportError
from bridge.memories.bank import BankMemory, Consolidation
from bridge.messages import Latent
from bridge.specs import LatentSpec
from bridge.testing import example_latent

SPEC = LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=3)
SECOND_NS = 1_000_000_000
Tokens = npt.NDArray[np.float32]


def _similarity(first: Tokens, second: Tokens) -> float:
    """The formula of MemoryVLA, written as plainly as it can be."""
    cosines = [
        float(a @ b) / (float(np.linalg.norm(a)) * float(np.linalg.norm(b)))
        for a, b in zip(first.astype(float), second.astype(float), strict=True)
    ]
    return sum(cosines) / len(cosines)


class ListModel:
    """A memory bank as a plain list of (time, tokens)."""

    def __init__(self, capacity: int, consolidation: Consolidation) -> None:
        self.entries: list[tuple[float, Tokens]] = []
        self.capacity = capacity
        self.consolidation = consolidation

    def write(self, time_s: float, tokens: Tokens) -> None:
        """Append, after making room."""
        if len(self.entries) == self.capacity:
            if self.consolidation == "fifo" or self.capacity == 1:
                self.entries.pop(0)
            else:
                self._merge()
        self.entries.append((time_s, tokens))

    def _merge(self) -> None:
        pairs = zip(self.entries, self.entries[1:], strict=False)
        alike = [_similarity(first[1], second[1]) for first, second in pairs]
        best = alike.index(max(alike))
        (time_a, tokens_a), (time_b, tokens_b) = self.entries[best : best + 2]
        merged = (tokens_a / 2 + tokens_b / 2).astype(np.float32)
        self.entries[best : best + 2] = [((time_a + time_b) / 2, merged)]


class BankAgainstList(RuleBasedStateMachine):
    """Whatever the order of writes, refusals, resets and restores, the bank is the list."""

    @initialize(capacity=st.integers(1, 5), consolidation=st.sampled_from(["merge", "fifo"]))
    def begin(self, capacity: int, consolidation: Consolidation) -> None:
        """Make a bank and its model."""
        self.make = lambda: BankMemory(latent=SPEC, capacity=capacity, consolidation=consolidation)
        self.new_model = lambda: ListModel(capacity, consolidation)
        self.bank, self.model = self.make(), self.new_model()
        self.episode, self.now_ns, self.sequence = 0, 0, 0
        self.reset()

    @rule(later_ns=st.integers(0, 3 * SECOND_NS))
    def write(self, later_ns: int) -> None:
        """Remember a latent of now or later."""
        self.now_ns += later_ns
        self.sequence += 1
        latent = self._latent(self.now_ns)
        self.bank.write(latent)
        tokens = np.concatenate([latent.perceptual, latent.cognitive])
        self.model.write((self.now_ns - self.start_ns) / SECOND_NS, tokens)

    @precondition(lambda self: self.model.entries)
    @rule(fault=st.sampled_from(["past", "nan", "inf", "width", "episode"]))
    def refuse(self, fault: str) -> None:
        """A bad latent is refused; the invariant checks that nothing changed."""
        latent = self._latent(self.now_ns)
        if fault in ("nan", "inf"):
            ruined = np.full_like(latent.cognitive, float(fault))
            latent = msgspec.structs.replace(latent, cognitive=ruined)
        elif fault == "width":
            latent = msgspec.structs.replace(latent, cognitive=latent.cognitive[:, :2])
        elif fault == "past":
            latent = msgspec.structs.replace(latent, observation_stamp_ns=self.now_ns - 1)
        else:
            latent = msgspec.structs.replace(latent, episode_id="another")
        with pytest.raises(ContractError):
            self.bank.write(latent)

    @rule()
    def reset(self) -> None:
        """Begin another episode."""
        self.episode += 1
        self.start_ns = self.now_ns
        self.bank.reset(episode_id=f"{self.episode}", start_ns=self.start_ns)
        self.model = self.new_model()

    @rule()
    def crash_and_restore(self) -> None:
        """Go on with a new bank from a snapshot."""
        snapshot = self.bank.snapshot()
        self.bank = self.make()
        self.bank.restore(snapshot)

    @invariant()
    def reads_as_the_list(self) -> None:
        """The view holds the model's entries, and the newest latent's names."""
        view = self.bank.read(self.now_ns)
        entries = self.model.entries
        assert view.time_s.size == len(entries)
        assert view.now_s == (self.now_ns - self.start_ns) / SECOND_NS
        if entries:
            got = np.concatenate([view.perceptual, view.cognitive], axis=1)
            np.testing.assert_allclose(got, [tokens for _, tokens in entries], rtol=1e-5)
            np.testing.assert_allclose(view.time_s, [time for time, _ in entries], rtol=1e-6)
            assert view.latent_sequence == self.sequence
            assert view.newest_age_s == 0.0

    def _latent(self, stamp_ns: int) -> Latent:
        return example_latent(
            SPEC, stamp_ns=stamp_ns, sequence=self.sequence, episode_id=f"{self.episode}"
        )


TestBankAgainstList = BankAgainstList.TestCase
TestBankAgainstList.settings = settings(max_examples=100, stateful_step_count=30)


def _latent_of(value: list[float], second: float) -> Latent:
    tokens = np.tile(np.array(value, np.float32), (2, 1))
    return Latent(
        perceptual=tokens,
        cognitive=tokens[:1],
        observation_stamp_ns=round(second * SECOND_NS),
        ready_stamp_ns=round(second * SECOND_NS),
        sequence=round(second),
    )


def test_sameness_shrinks_and_change_stays() -> None:
    """Of four latents the two that look alike become one, halfway between them."""
    bank = BankMemory(latent=SPEC, capacity=3)
    for second, value in enumerate([[1, 0, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1]]):
        bank.write(_latent_of([float(x) for x in value], second))
    view = bank.read(4 * SECOND_NS)
    np.testing.assert_allclose(view.time_s, [0.0, 1.5, 3.0])
    np.testing.assert_allclose(view.cognitive[:, 0], [[1, 0, 0], [0, 1, 0.05], [0, 0, 1]])


def test_a_zero_latent_is_like_nothing() -> None:
    """A latent of zeros has no direction; it is neither an error nor anybody's twin."""
    bank = BankMemory(latent=SPEC, capacity=3)
    for second, value in enumerate([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0.1, 0]]):
        bank.write(_latent_of([float(x) for x in value], second))
    bank.write(_latent_of([0.0, 0.0, 1.0], 4.0))
    np.testing.assert_allclose(bank.read(5 * SECOND_NS).time_s[-2:], [2.5, 4.0])


def test_large_finite_values_stay_finite() -> None:
    """Merging the largest floats there are does not overflow."""
    huge = float(np.finfo(np.float32).max)
    bank = BankMemory(latent=SPEC, capacity=2)
    for second in range(4):
        bank.write(_latent_of([huge, huge, huge], second))
    assert np.isfinite(bank.read(5 * SECOND_NS).perceptual).all()


def test_the_first_latent_begins_an_episode_by_itself() -> None:
    """Without a reset, seconds count from the first observation."""
    bank = BankMemory(latent=SPEC)
    bank.write(_latent_of([1.0, 0.0, 0.0], 7.0))
    view = bank.read(9 * SECOND_NS)
    assert (view.time_s[0], view.now_s, view.newest_age_s) == (0.0, 2.0, 2.0)
    assert bank.read(10 * SECOND_NS).newest_age_s == 3.0


def test_a_latent_from_before_the_episode_is_refused() -> None:
    """A plan that was under way at a reset does not leak into the new episode."""
    bank = BankMemory(latent=SPEC)
    bank.reset(episode_id="", start_ns=5 * SECOND_NS)
    with pytest.raises(ContractError, match=r"1\.000 s earlier"):
        bank.write(_latent_of([1.0, 0.0, 0.0], 4.0))


def test_a_view_does_not_change_with_later_writes() -> None:
    """What a policy was given stays as it was while it thinks."""
    bank = BankMemory(latent=SPEC, capacity=2)
    bank.write(_latent_of([1.0, 0.0, 0.0], 0.0))
    view = bank.read(0)
    for second in range(1, 5):
        bank.write(_latent_of([0.0, float(second), 0.0], second))
    np.testing.assert_array_equal(view.perceptual[0, 0], [1, 0, 0])


def test_reading_twice_shares_the_arrays() -> None:
    """A read without a write in between copies nothing."""
    bank = BankMemory(latent=SPEC)
    bank.write(_latent_of([1.0, 0.0, 0.0], 0.0))
    assert bank.read(1).perceptual is bank.read(2).perceptual


def test_snapshot_bytes_that_are_no_message_are_a_transport_error() -> None:
    """A file cut short by a crash is told from one that is merely of another bank."""
    bank = BankMemory(latent=SPEC)
    with pytest.raises(TransportError):
        bank.restore(bank.snapshot()[:-1])


@pytest.mark.parametrize("options", [{"capacity": 0}, {"consolidation": "lifo"}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    """A bank without room and an unknown rule are the operator's mistakes."""
    with pytest.raises(ConfigError):
        BankMemory(latent=SPEC, **options)
