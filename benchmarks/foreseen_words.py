"""How long does a planner think whose answer is mostly the last one again?

Both shipped planners, in virtual time, in an episode of a task of theirs. Every question is asked
twice on the same core, in turns: word by word, and with the words that the last answer lets foresee
read in one pass. Each way keeps the beginning of the prompt, as always.

    python -m benchmarks.foreseen_words --json foreseen_words.json
"""

import argparse
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from agent.config import load_config
from agent.evaluation.play import episode_config, play_episode
from agent.evaluation.suites import find_suite
from benchmarks.support.latencies import write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.markdown import cell, heading
from benchmarks.support.twice_engine import TwiceEngine

_SUITE_BY_PRESET = {"demo": "scene-chain", "memory": "memory-count"}
_ENGINE = "benchmarks.support.twice_engine:TwiceEngine"


def main() -> None:
    """Measure both planners, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episode", type=int, default=3, help="which episode of the suites")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    planners = {preset: figures_of(preset, options.episode) for preset in _SUITE_BY_PRESET}
    print_table(planners)
    if options.json:
        report = {
            "benchmark": "foreseen_words",
            "planners": planners,
            "machine": describe_machine(),
        }
        write_json(report, options.json)


def figures_of(preset: str, index: int) -> dict[str, float]:
    """Times of all answers of one episode, both ways."""
    print(f"measuring the planner of {preset} …", file=sys.stderr, flush=True)
    suite = find_suite(_SUITE_BY_PRESET[preset])
    episode = suite.make(0, index)
    config = load_config(preset, [f"slow_brain.planner_options.engine={_ENGINE}"])
    TwiceEngine.answers.clear()
    play_episode(
        episode_config(config, suite, episode), episode, settings_id="", limit_s=suite.limit_s
    )
    answers = TwiceEngine.answers
    if not answers:
        raise SystemExit(f"The planner of {preset} was never asked: there is nothing to measure.")
    words, foreseen, tokens, differ = zip(*answers, strict=True)
    return {
        "answers": len(answers),
        "answers_that_differ": sum(differ),
        "tokens_p50": statistics.median(tokens),
        "word_by_word_p50_ms": statistics.median(words),
        "foreseen_p50_ms": statistics.median(foreseen),
        "ratio_to_word_by_word": sum(foreseen) / sum(words),
    }


def print_table(planners: Mapping[str, Mapping[str, float]]) -> None:
    """A line for each figure, a column for each planner."""
    print(f"{'':32}" + "".join(f"{name:>16}" for name in planners))
    for key in next(iter(planners.values())):
        print(f"{heading(key):32}" + "".join(f"{cell(one[key]):>16}" for one in planners.values()))


if __name__ == "__main__":
    main()
