"""The numbers of an evaluation, from its episodes alone: pure, and the same in any order."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from agent.evaluation.motion import Motion
from agent.evaluation.records import EpisodeRecord

# Two-sided 95 % of the standard normal distribution.
_Z_95 = 1.959963984540054
_P90 = 0.9
_RESAMPLES = 2000
_MEASURES = (
    "jerk_mean_m_per_s3",
    "jerk_p99_m_per_s3",
    "gap_mean_m",
    "gap_p99_m",
    "step_mean_m",
)


def wilson_interval(successes: int, trials: int, z: float = _Z_95) -> tuple[float, float]:
    """Where the true success rate lies, by Wilson's score interval: fit for few trials.

    Args:
        successes: How many worked, 0 to `trials`.
        trials: How many were made; with none, nothing is known and the answer is (0, 1).
        z: Quantile of the normal distribution; the default gives 95 %.

    Source: Wilson 1927, without continuity correction.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    weight = z * z / trials
    middle = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    # Rounding must not push the ends past the rate itself or past what a rate can be.
    return max(0.0, min(middle - half, rate)), min(1.0, max(middle + half, rate))


def quantile(values: Iterable[float], share: float) -> float | None:
    """The value below which `share` in [0, 1] of them lie, linear in between; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    step = ordered[above] - ordered[below]
    return ordered[below] + (place - below) * step


def mean_interval(values: Iterable[float]) -> tuple[float, float] | None:
    """Where the true mean lies, 95 %, by the percentile bootstrap; None of fewer than two values.

    Resampled with a fixed seed from the values in order, so that the same values give the same.

    Source: Efron 1979.
    """
    ordered = np.sort(np.fromiter(values, np.float64))
    if len(ordered) < 2:  # noqa: PLR2004  # One value says nothing about the spread.
        return None
    drawn = np.random.default_rng(0).choice(ordered, (_RESAMPLES, len(ordered)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """How likely at least this much imbalance is, if neither were better; exact and two-sided.

    Args:
        only_first: Pairs in which only the first worked.
        only_second: Pairs in which only the second did.

    Source: McNemar 1947, with the binomial distribution in the stead of its approximation.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"{only_first} and {only_second} pairs")
    trials, least = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(trials, count) for count in range(least + 1)) / 2**trials
    return min(1.0, 2 * tail)


def paired_difference_interval(
    both: int, only_first: int, only_second: int, neither: int
) -> tuple[float, float]:
    """Where the difference of two rates over the same pairs lies, second less first, 95 %.

    Args:
        both: Pairs in which both worked.
        only_first: Pairs in which only the first did.
        only_second: Pairs in which only the second did.
        neither: Pairs in which neither did.

    Source: Newcombe 1998 (Statistics in Medicine 17:2635), method 10: Wilson's intervals of both,
    joined by the correlation of the pairs.
    """
    trials = both + only_first + only_second + neither
    if trials == 0:
        return -1.0, 1.0
    first, second = both + only_first, both + only_second
    rates = second / trials, first / trials
    low_2, high_2 = wilson_interval(second, trials)
    low_1, high_1 = wilson_interval(first, trials)
    correlation = _pair_correlation(both, only_first, only_second, neither)
    below = _joined(rates[0] - low_2, high_1 - rates[1], correlation)
    above = _joined(high_2 - rates[0], rates[1] - low_1, correlation)
    difference = rates[0] - rates[1]
    return max(-1.0, difference - below), min(1.0, difference + above)


def compare_pairs(
    first: Iterable[EpisodeRecord], second: Iterable[EpisodeRecord]
) -> dict[str, Any]:
    """How the same episodes went under two settings; differences are second less first."""
    of_first = {episode.index: episode.success for episode in first}
    pairs = [
        (of_first[episode.index], episode.success)
        for episode in second
        if episode.index in of_first
    ]
    both, only_first, only_second, neither = (
        pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    return {
        "pairs": len(pairs),
        "only_reference": only_first,
        "only_this": only_second,
        "difference": (only_second - only_first) / len(pairs) if pairs else None,
        "difference_interval_95": list(
            paired_difference_interval(both, only_first, only_second, neither)
        ),
        "mcnemar_p": mcnemar_p(only_first, only_second),
    }


def _pair_correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    margins = (
        (both + only_first)
        * (only_second + neither)
        * (both + only_second)
        * (only_first + neither)
    )
    if margins == 0:
        return 0.0
    excess = both * neither - only_first * only_second
    if excess > 0:
        # Newcombe's correction for continuity; without it the interval is too narrow.
        excess = max(excess - (both + only_first + only_second + neither) / 2, 0.0)
    return excess / math.sqrt(margins)


def _joined(one: float, other: float, correlation: float) -> float:
    """The length of the sum of two correlated deviations."""
    return math.sqrt(max(one * one - 2 * correlation * one * other + other * other, 0.0))


def motion_figures(motions: Iterable[Motion]) -> dict[str, dict[str, Any]]:
    """For each measure of smoothness: its mean over the episodes, and where that lies."""
    kept = list(motions)
    found: dict[str, dict[str, Any]] = {}
    for measure in _MEASURES:
        values: list[float | None] = [getattr(motion, measure) for motion in kept]
        known = [value for value in values if value is not None]
        found[measure] = {
            "n": len(known),
            "mean": _mean(known),
            "interval_95": mean_interval(known),
        }
    return found


def subtask_rates(episodes: Iterable[EpisodeRecord]) -> dict[str, dict[str, Any]]:
    """For each subtask: how often it was needed, reached in its turn, and how long it took [s]."""
    needed: dict[str, list[float | None]] = {}
    for episode in episodes:
        for subtask in episode.subtasks:
            needed.setdefault(subtask.text, []).append(subtask.took_s)
    return {text: _subtask_figures(times) for text, times in needed.items()}


def summarize(episodes: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """All figures of an evaluation, for JSON: shares in [0, 1], times of the simulation [s]."""
    successes = [episode for episode in episodes if episode.success]
    finished_s = [e.time_to_finish_s for e in successes if e.time_to_finish_s is not None]
    count = len(episodes)
    return {
        "n": count,
        "successes": len(successes),
        "success_rate": len(successes) / count if count else None,
        "interval_95": list(wilson_interval(len(successes), count)),
        "planner_agreed_rate": _mean(float(e.planner_said_done) for e in successes),
        "subtask_rates": subtask_rates(episodes),
        "time_to_finish_s": {"p50": quantile(finished_s, 0.5), "p90": quantile(finished_s, _P90)},
        "plans_made_mean": _mean(e.plans_made for e in episodes),
        "held_share_mean": _mean(e.held_ticks / e.ticks for e in episodes if e.ticks),
        "motion": motion_figures(e.motion for e in episodes if e.motion is not None),
        "failures": _failures(episodes),
    }


def _subtask_figures(times: list[float | None]) -> dict[str, Any]:
    reached_s = [time_s for time_s in times if time_s is not None]
    return {
        "n": len(times),
        "reached": len(reached_s),
        "rate": len(reached_s) / len(times),
        "interval_95": list(wilson_interval(len(reached_s), len(times))),
        "time_s_p50": quantile(reached_s, 0.5),
    }


def _mean(values: Iterable[float]) -> float | None:
    kept = list(values)
    return math.fsum(kept) / len(kept) if kept else None


def _failures(episodes: Iterable[EpisodeRecord]) -> dict[str, int]:
    """How often each reason ended an episode without success, the most frequent first."""
    counts: dict[str, int] = {}
    for episode in episodes:
        if not episode.success:
            counts[episode.reason] = counts.get(episode.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
