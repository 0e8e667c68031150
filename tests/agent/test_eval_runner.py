import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from agent.config import AgentConfig, load_config
from agent.evaluation.play import EvaluationStopped, episode_config, play_episode
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.report import make_report, write_report
from agent.evaluation.runner import Evaluation, evaluate
from agent.evaluation.suites import find_suite
from bridge.errors import ConfigError, UnknownNameError

REACHING = (
    "fast_brain.policy=straight_line",
    "slow_brain.rate_hz=5",
    "runtime.planner_latency_s=0.1",
)


@pytest.fixture
def config() -> AgentConfig:
    """The point arm with a policy that reaches."""
    return load_config("point_arm", REACHING)


def evaluation(config: AgentConfig, episodes: int = 2) -> Evaluation:
    """A small one."""
    return Evaluation(suite="point-reach", episodes=episodes, seed=3, config=config)


def test_an_evaluation_counts_what_the_world_says(config: AgentConfig, tmp_path: Path) -> None:
    """Episodes are judged by the world's facts, and each is told as it ends."""
    told: list[tuple[int, int, int]] = []
    episodes = evaluate(
        evaluation(config),
        tmp_path / "book.jsonl",
        on_progress=lambda episode, done, total: told.append((episode.index, done, total)),
    )
    assert [episode.success for episode in episodes] == [True, True]
    assert [episode.goal for episode in episodes] == ["reach left", "reach right"]
    assert told == [(0, 1, 2), (1, 2, 2)]
    first = episodes[0]
    assert first.time_to_finish_s is not None
    assert 0.2 < first.time_to_finish_s < first.duration_s < 10
    assert first.subtasks[0].took_s is not None
    assert first.plans_made > 0


def test_an_evaluation_is_the_same_every_time(config: AgentConfig, tmp_path: Path) -> None:
    """Same suite, seed and settings: the same episodes to the last digit."""
    once = evaluate(evaluation(config, 1), tmp_path / "once.jsonl")
    again = evaluate(evaluation(config, 1), tmp_path / "again.jsonl")
    assert once == again


def test_a_stopped_evaluation_goes_on_where_it_was(config: AgentConfig, tmp_path: Path) -> None:
    """Ctrl-C costs the episode under way: the rest is kept, and resuming runs what is missing."""
    book = tmp_path / "book.jsonl"
    ran: list[int] = []

    def interrupt(episode: EpisodeRecord, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(evaluation(config), book, on_progress=interrupt)
    episodes = evaluate(
        evaluation(config),
        book,
        resume=True,
        on_progress=lambda episode, done, total: ran.append(episode.index),
    )
    assert ran == [1]
    assert len(episodes) == 2


def test_an_agent_that_does_nothing_fails(tmp_path: Path) -> None:
    """A planner's word without motion is no success, and the reason is kept."""
    episodes = evaluate(
        evaluation(load_config("point_arm", ["fast_brain.policy=hold"]), 1), tmp_path / "book.jsonl"
    )
    assert not episodes[0].success
    assert episodes[0].reason == "the planner says done, the world does not"
    assert episodes[0].subtasks[0].took_s is None


def test_without_a_planner_the_facts_alone_judge(tmp_path: Path) -> None:
    """In flat mode success needs nobody who says so."""
    config = load_config("point_arm", (*REACHING, "fast_brain.mode=flat"))
    (episode,) = evaluate(evaluation(config, 1), tmp_path / "book.jsonl")
    assert episode.success
    assert not episode.planner_said_done
    assert episode.plans_made == 0


def test_an_episode_can_be_stopped_from_outside(config: AgentConfig) -> None:
    """A worker that is told to end does so within the episode."""
    suite = find_suite("point-reach")
    episode = suite.make(0, 0)
    with pytest.raises(EvaluationStopped):
        play_episode(
            episode_config(config, suite, episode),
            episode,
            settings_id="",
            should_stop=lambda: True,
        )


def test_a_suite_of_another_robot_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """The message names the preset to take."""
    wrong = Evaluation(suite="scene-chain", episodes=1, seed=0, config=load_config("point_arm"))
    with pytest.raises(ConfigError, match="Choose --preset demo"):
        evaluate(wrong, tmp_path / "book.jsonl")
    assert not (tmp_path / "book.jsonl").exists()


def test_an_unknown_suite_answers_with_the_near_match() -> None:
    """A typing error in a suite's name is answered with what was meant."""
    with pytest.raises(UnknownNameError, match="Did you mean 'scene-chain'"):
        find_suite("scene-chains")


def test_episodes_of_a_seed_differ_and_come_again(config: AgentConfig) -> None:
    """Each index has a world of its own, the same in every evaluation of the seed."""
    suite = find_suite("scene-chain")
    made = [suite.make(7, index) for index in range(20)]
    assert len({episode.seed for episode in made}) == 20
    assert len({episode.goal for episode in made}) > 3
    assert [e.goal for e in made] == [suite.make(7, index).goal for index in range(20)]
    assert suite.make(8, 0).seed != made[0].seed


def test_the_report_says_how_to_get_its_figures_again(config: AgentConfig, tmp_path: Path) -> None:
    """Settings, versions and seed stand beside the figures, and the file is strict JSON."""
    wanted = evaluation(config, 1)
    report = make_report(wanted, evaluate(wanted, tmp_path / "book.jsonl"))
    write_report(report, tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["success_rate"] == 1.0
    assert read["mode"] == "hierarchical"
    assert read["settings"]["fast_brain"]["policy"] == "straight_line"
    assert read["versions"]["python"].startswith("3.")
    assert read["seed"] == 3


@pytest.mark.slow
def test_several_processes_measure_the_same_as_one(config: AgentConfig, tmp_path: Path) -> None:
    """The number of workers leaves no trace in the results."""
    alone = evaluate(evaluation(config), tmp_path / "alone.jsonl")
    assert evaluate(evaluation(config), tmp_path / "both.jsonl", workers=2) == alone


def test_each_single_skill_needs_just_itself() -> None:
    """From its start, a single skill is the only thing to do, and all skills take a turn."""
    from agent.evaluation.scene_episodes import SINGLE_SKILLS
    from agent.worlds.scene.tasks import remaining_subtasks
    from fast_brain.robots.scene_facts import SKILLS, SceneFacts

    needed: list[str] = []
    for goal, start in SINGLE_SKILLS:
        facts = SceneFacts(
            drawer="open" if start.get("drawer_m") else "closed",
            drawer_locked=bool(start.get("drawer_locked")),
            window="open" if start.get("window_m") else "closed",
            window_locked=bool(start.get("window_locked")),
            cube_in_drawer=False,
            cube_held=False,
        )
        steps = remaining_subtasks(goal, facts)
        assert len(steps) == 1
        needed += steps
    assert sorted(needed) == sorted(SKILLS)


_KILLED = """
import os, signal
from pathlib import Path
import psutil
from agent.config import load_config
from agent.evaluation.runner import Evaluation, evaluate
config = load_config("point_arm", ["fast_brain.policy=straight_line"])

def note(episode, done, total):
    print([child.pid for child in psutil.Process().children()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    evaluate(
        Evaluation(suite="point-reach", episodes=1000, seed=3, config=config),
        Path("book.jsonl"), workers=2, on_progress=note,
    )
"""


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    """An evaluation that is killed leaves no process behind that goes on computing."""
    script = tmp_path / "killed.py"
    script.write_text(_KILLED)
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, str(script)],
        check=False, capture_output=True, text=True, cwd=tmp_path, timeout=90,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    pids = [int(pid) for pid in run.stdout.strip(" []\n").split(",")]
    assert len(pids) >= 2, run.stderr
    workers = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(workers, timeout=30)[1] == []
