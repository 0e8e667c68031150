from random import Random

import pytest
from eval_examples import example_record
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.records import SubtaskRecord
from agent.evaluation.statistics import (
    compare_pairs,
    mcnemar_p,
    paired_difference_interval,
    quantile,
    subtask_rates,
    summarize,
    wilson_interval,
)

trials = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
times_s = st.lists(st.floats(0, 1e4), min_size=1, max_size=50)


@given(trials)
def test_an_interval_holds_the_measured_rate_and_is_a_part_of_what_a_rate_can_be(
    counts: tuple[int, int],
) -> None:
    """Whatever was counted, 0 ≤ low ≤ rate ≤ high ≤ 1."""
    low, high = wilson_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1


@given(trials)
def test_an_interval_of_failures_mirrors_that_of_successes(counts: tuple[int, int]) -> None:
    """To count what failed says the same as to count what worked."""
    worked, made = counts
    low, high = wilson_interval(worked, made)
    mirrored = wilson_interval(made - worked, made)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@given(trials, st.integers(2, 50))
def test_more_trials_at_the_same_rate_say_more(counts: tuple[int, int], times: int) -> None:
    """The interval shrinks when the same rate was seen more often."""
    low, high = wilson_interval(*counts)
    narrow_low, narrow_high = wilson_interval(counts[0] * times, counts[1] * times)
    assert narrow_high - narrow_low < high - low


def test_the_interval_agrees_with_published_values() -> None:
    """Wilson's interval of 81 of 263, and of 10 of 10, are those of the literature."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_without_trials_nothing_is_known() -> None:
    """No trial leaves every rate possible, and counts that cannot be are refused."""
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        wilson_interval(3, 2)


@given(times_s, st.floats(0, 1), st.randoms(use_true_random=False))
def test_a_quantile_lies_inside_and_does_not_depend_on_order(
    values: list[float], share: float, random: Random
) -> None:
    """A quantile is between the smallest and the largest, in whatever order they come."""
    found = quantile(values, share)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert found is not None
    assert min(values) <= found <= max(values)
    assert quantile(shuffled, share) == found


def test_quantiles_of_little() -> None:
    """Nothing has no quantile, one value is all of its quantiles, and two are met halfway."""
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.9) == 3.0
    assert quantile([1.0, 2.0], 0.5) == 1.5


@given(st.lists(st.booleans(), max_size=60), st.randoms(use_true_random=False))
def test_a_summary_counts_and_does_not_depend_on_order(
    outcomes: list[bool], random: Random
) -> None:
    """The figures of an evaluation are those of its episodes, however they came in."""
    episodes = [example_record(index=i, success=worked) for i, worked in enumerate(outcomes)]
    summary = summarize(episodes)
    random.shuffle(episodes)
    assert summarize(episodes) == summary
    assert summary["n"] == len(outcomes)
    assert summary["successes"] == sum(outcomes)
    assert sum(summary["failures"].values()) == len(outcomes) - sum(outcomes)


def test_a_subtask_counts_where_it_was_needed() -> None:
    """The rate of a subtask is over the episodes that needed it, reached or not."""
    episodes = [
        example_record(index=0, subtasks=(SubtaskRecord(text="open", took_s=2.0),)),
        example_record(index=1, subtasks=(SubtaskRecord(text="open"), SubtaskRecord(text="put"))),
        example_record(index=2, subtasks=()),
    ]
    rates = subtask_rates(episodes)
    assert (rates["open"]["n"], rates["open"]["rate"], rates["open"]["time_s_p50"]) == (2, 0.5, 2.0)
    assert (rates["put"]["rate"], rates["put"]["time_s_p50"]) == (0.0, None)


def test_only_what_worked_counts_for_the_time_to_finish() -> None:
    """A failed episode has no time to finish, so it cannot make the others look slow."""
    episodes = [
        example_record(index=0, success=True, time_to_finish_s=30.0),
        example_record(index=1, success=False, time_to_finish_s=None),
    ]
    assert summarize(episodes)["time_to_finish_s"] == {"p50": 30.0, "p90": 30.0}


COUNTS = st.integers(0, 60)


@given(first=COUNTS, second=COUNTS)
def test_mcnemar_does_not_care_who_is_first(first: int, second: int) -> None:
    """It is a probability, the same both ways round, and 1 where nothing speaks for either."""
    p = mcnemar_p(first, second)
    assert 0 < p <= 1
    assert p == mcnemar_p(second, first)
    assert mcnemar_p(first, first) == 1
    assert mcnemar_p(first, second + 1) <= p or second < first


def test_mcnemar_is_the_exact_binomial_test() -> None:
    """Ten pairs against two: 2 (1 + 12 + 66) / 2¹²."""
    assert mcnemar_p(10, 2) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    with pytest.raises(ValueError, match="-1 and 2 pairs"):
        mcnemar_p(-1, 2)


@given(both=COUNTS, first=COUNTS, second=COUNTS, neither=COUNTS)
def test_the_interval_of_a_paired_difference_holds_it(
    both: int, first: int, second: int, neither: int
) -> None:
    """It holds the difference that was measured, within [-1, 1], and turns about with the pairs."""
    low, high = paired_difference_interval(both, first, second, neither)
    trials = both + first + second + neither
    difference = (second - first) / trials if trials else 0.0
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    swapped = paired_difference_interval(both, second, first, neither)
    assert swapped == pytest.approx((-high, -low))


def test_pairs_are_the_episodes_that_both_have() -> None:
    """Episodes are paired by their index; those of one side alone do not count."""
    first = [example_record(index=i, success=i < 3) for i in range(5)]
    second = [example_record(index=i, success=i in {0, 3}) for i in range(4)]
    pairs = compare_pairs(first, second)
    assert (pairs["pairs"], pairs["only_reference"], pairs["only_this"]) == (4, 2, 1)
    assert pairs["difference"] == pytest.approx(-0.25)
