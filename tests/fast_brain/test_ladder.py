import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.ladder import Ladder, LadderRules, Rung

MS_NS = 1_000_000
RULES = LadderRules(
    stale_after_s=1.0,
    text_after_s=2.0,
    hold_after_s=3.0,
    stop_after_s=4.0,
    observation_limit_s=0.5,
    recover_after_s=0.3,
    recover_observations=2,
)
AGES_S = st.one_of(st.just(math.inf), st.floats(0, 6))
# Time that passes [ms], age of the latent and of the observation [s], and whether it is a new one.
BEATS = st.lists(
    st.tuples(st.integers(0, 400), AGES_S, st.floats(0, 6), st.booleans()), min_size=1, max_size=40
)


def _wanted(latent_age_s: float, observation_age_s: float) -> Rung:
    """The rung of these ages alone, written down once more."""
    if observation_age_s > 4 or (4 < latent_age_s < math.inf):
        return Rung.STOP
    if observation_age_s > 0.5 or (3 < latent_age_s < math.inf):
        return Rung.HOLD
    if 2 < latent_age_s < math.inf:
        return Rung.TEXT_ONLY
    return Rung.STALE_LATENT if 1 < latent_age_s < math.inf else Rung.FRESH


@pytest.mark.parametrize(
    ("age_s", "rung"),
    [
        (0.0, Rung.FRESH),
        (1.0, Rung.FRESH),
        (1.01, Rung.STALE_LATENT),
        (2.01, Rung.TEXT_ONLY),
        (3.01, Rung.HOLD),
        (4.01, Rung.STOP),
        (math.inf, Rung.FRESH),
    ],
)
def test_age_decides_the_rung(age_s: float, rung: Rung) -> None:
    """Each limit is allowed itself and starts its rung just above; no latent is no degradation."""
    assert Ladder(RULES).step(0, latent_age_s=age_s) is rung


def test_the_cause_is_told() -> None:
    """A latent and an observation that are too old are told apart; when fresh there is no cause."""
    ladder = Ladder(RULES)
    assert ladder.cause == ""
    ladder.step(0, latent_age_s=3.5)
    assert ladder.cause == "latent"
    ladder.step(0, latent_age_s=3.5, observation_age_s=9.0)
    assert ladder.cause == "observation"


def test_an_age_that_is_no_number_counts_as_too_old() -> None:
    """A clock that gives nan for the observation's age holds the robot."""
    assert Ladder(RULES).step(0, observation_age_s=math.nan) >= Rung.HOLD


def test_the_way_up_takes_time_and_observations() -> None:
    """Neither 0.3 s without new observations nor two observations at once are enough."""
    ladder = Ladder(RULES)
    ladder.step(0, latent_age_s=3.5)
    for number, now_ms in enumerate([10, 20, 30, 200], start=1):
        rung = ladder.step(now_ms * MS_NS, latent_age_s=0.1, observation_sequence=number)
        assert rung is Rung.HOLD
    assert ladder.step(311 * MS_NS, latent_age_s=0.1, observation_sequence=4) is Rung.FRESH
    ladder.step(400 * MS_NS, latent_age_s=3.5, observation_sequence=5)
    for now_ms in range(410, 1000, 10):
        assert ladder.step(now_ms * MS_NS, observation_sequence=6) is Rung.HOLD


def test_the_way_up_ends_at_the_worst_of_the_meantime() -> None:
    """Who was stale during the recovery comes back as stale, not as fresh."""
    ladder = Ladder(RULES)
    ladder.step(0, latent_age_s=3.5)
    rungs = [
        ladder.step(
            number * 10 * MS_NS,
            latent_age_s=1.5 if number == 20 else 0.1,
            observation_sequence=number,
        )
        for number in range(1, 40)
    ]
    assert next(rung for rung in rungs if rung is not Rung.HOLD) is Rung.STALE_LATENT


def test_a_reset_begins_at_the_top() -> None:
    """In a new episode the old ages mean nothing."""
    ladder = Ladder(RULES)
    ladder.step(0, latent_age_s=9.0)
    ladder.reset()
    assert (ladder.rung, ladder.cause) == (Rung.FRESH, "")


@given(BEATS)
def test_it_is_never_higher_than_the_ages_allow_and_never_climbs_early(
    beats: list[tuple[int, float, float, bool]],
) -> None:
    """Down at once; up only after the time and the observations in which all was better."""
    ladder, now_ns, sequence, before = Ladder(RULES), 0, 0, Rung.FRESH
    better_since_ns, first_sequence = None, 0
    for passed_ms, latent_age_s, observation_age_s, is_new in beats:
        now_ns += passed_ms * MS_NS
        sequence += is_new
        wanted = _wanted(latent_age_s, observation_age_s)
        rung = ladder.step(
            now_ns,
            latent_age_s=latent_age_s,
            observation_age_s=observation_age_s,
            observation_sequence=sequence,
        )
        assert rung >= wanted
        if wanted >= before:
            assert rung is wanted
            better_since_ns = None
        elif better_since_ns is None:
            better_since_ns, first_sequence = now_ns, sequence
        if rung < before:
            assert better_since_ns is not None
            assert now_ns - better_since_ns >= 300 * MS_NS
            assert sequence - first_sequence >= 2
            better_since_ns = None
        before = rung


@given(st.floats(0, 10), st.floats(0, 10))
def test_older_is_never_better(age_s: float, more_s: float) -> None:
    """From the top, an older latent never gives a higher rung."""
    younger = Ladder(RULES).step(0, latent_age_s=age_s)
    assert Ladder(RULES).step(0, latent_age_s=age_s + more_s) >= younger
