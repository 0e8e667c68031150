"""`agent check`: what is said about parts that fit, and about those that do not, word for word."""

import json
import sys

import pytest
from transformers.utils import logging
from typer.testing import CliRunner

from agent.cli import app
from slow_brain.engines import vllm_engine

FAILED, MISCONFIGURED = 1, 2


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """As `agent` starts, also if another test has imported the library before."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()


def check(*overrides: str) -> tuple[int, str, str]:
    """Check the point arm with changes; exit code, standard output and standard error."""
    words = [word for change in overrides for word in ("--set", change)]
    done = CliRunner().invoke(app, ["check", "point_arm", *words], prog_name="agent")
    assert "Traceback" not in done.stderr
    return done.exit_code, done.stdout, done.stderr


def test_parts_that_fit() -> None:
    """Each part is shown with what it declares."""
    code, said, wrong = check()
    assert (code, wrong) == (0, "")
    assert said == (
        "  robot     point_arm: 3 actions (x, y, z); absolute at 100 Hz; cameras front; "
        "feels tip_position_in_base, target_pose_in_base\n"
        "  planner   scripted: cameras none; latents of 1 perceptual + 1 cognitive tokens, 8 wide\n"
        "  policy    straight_line: 16 actions, 0.05 s apart; cameras none; "
        "feels target_pose_in_base; no latents\n"
        "  memory    bank\n"
        "  stitcher  latest\n"
        "point_arm: the parts fit.\n"
    )


def test_parts_that_fit_for_programs() -> None:
    """The same as one JSON object."""
    done = CliRunner().invoke(app, ["check", "point_arm", "--json"], prog_name="agent")
    parts = {part["part"]: part["plugin"] for part in json.loads(done.stdout)["parts"]}
    assert parts["planner"] == "scripted"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            "WideLatents",
            (
                "planner latent: expected LatentSpec(perceptual_tokens=1, cognitive_tokens=1, "
                "width=16) (the policy's), got LatentSpec(perceptual_tokens=1, cognitive_tokens=1, "
                "width=8)\n"
            ),
        ),
        (
            "WristCamera",
            (
                "robot camera 'wrist', which the policy needs: expected the robot to have it, "
                "got only ['front']\n"
            ),
        ),
        (
            "SmallPictures",
            "robot camera 'front': expected 32 x 32 pixels (the policy's), got 64 x 64\n",
        ),
        (
            "Millimetres",
            "policy action units: expected ('m', 'm', 'm') (the robot's), got ('mm', 'mm', 'mm')\n",
        ),
    ],
)
def test_parts_that_do_not_fit(policy: str, said: str) -> None:
    """Latents, cameras and actions: both sides are named, and nothing is said to fit."""
    code, shown, wrong = check(f"fast_brain.policy=mismatched:{policy}")
    assert (code, shown, wrong) == (FAILED, "", said)


def test_a_planner_made_for_other_pictures() -> None:
    """The shipped planner sees 96 px, the arm shows 64."""
    code, shown, wrong = check("slow_brain.planner=vlm")
    assert (code, shown) == (FAILED, "")
    assert wrong == "robot camera 'front': expected 96 x 96 pixels (the planner's), got 64 x 64\n"


PLANNER = "slow_brain.planner_options"
NO_VLLM = (
    "The vllm engine needs vLLM (import of vllm halted; None in sys.modules): pip install "
    "'tandem-agent[vllm]' for a GPU; for a CPU see docs/engines.md.\n"
)
NO_LAYER = (
    "The model has no hidden layer 9: it has 0 to 3, and -1 for the last one after the final "
    "norm. Set `tap.layer` to one of these.\n"
)
NO_ROOM = (
    "planner_options.max_tokens is 1024, but the model reads 1024 tokens, prompt and answer "
    "together: there is no room for a prompt. Lower max_tokens.\n"
)
NO_SERVER = (
    "No OpenAI-compatible server answers at http://127.0.0.1:9/v1: [Errno 111] Connection "
    "refused. Start one, such as `vllm serve MODEL`, or set engine_options.base_url.\n"
)
NO_CLIENT = "The openai engine needs its client library: pip install 'tandem-agent[openai]'.\n"
ENGINES = {
    "client library": (("engine=openai",), "openai", NO_CLIENT),
    "vllm": (("engine=vllm",), "vllm", NO_VLLM),
    "layer": (("engine_options.tap.layer=9",), "", NO_LAYER),
    "answer": (("max_tokens=1024",), "", NO_ROOM),
    "server": (
        ("engine=openai", "engine_options.base_url=http://127.0.0.1:9/v1"), "", NO_SERVER
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "missing", "said"), ENGINES.values(), ids=list(ENGINES))
def test_an_engine_that_cannot_run(
    changes: tuple[str, ...], missing: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing extra, a layer, a length or a server: one sentence, before anything moves."""
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(vllm_engine, "prepare_environment", lambda threads: None)
    options = (f"{PLANNER}.{change}" for change in changes)
    code, shown, wrong = check("slow_brain.planner=vlm", *options)
    assert (code, shown, wrong) == (MISCONFIGURED, "", said)


def test_latents_of_an_engine_that_the_policy_cannot_take() -> None:
    """What is tapped of the model must be what the policy was made for: both are told."""
    engine = f'{PLANNER}.engine_options={{"replies": [""], "latent_tokens": 4}}'
    planner = ("slow_brain.planner=vlm", f"{PLANNER}.engine=recorded", engine)
    code, _, wrong = check(*planner, "fast_brain.policy=mismatched:WideLatents")
    assert code == FAILED
    assert wrong == (
        "planner latent: expected LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=16) "
        "(the policy's), got LatentSpec(perceptual_tokens=4, cognitive_tokens=1, width=8)\n"
    )


def test_rates_that_do_not_fit() -> None:
    """A chunk that is over before the next one can come."""
    code, _, wrong = check("fast_brain.policy_rate_hz=1")
    assert code == MISCONFIGURED
    assert wrong == (
        "The policy's chunk lasts 0.8 s (16 actions, 0.05 s apart), but fast_brain.policy_rate_hz "
        "is 1 Hz, a chunk every 1 s. Ask it at least 1.25 times a second.\n"
    )


def test_a_part_that_is_not_installed() -> None:
    """The near match and the list."""
    code, _, wrong = check("slow_brain.planner=scriptd")
    assert code == MISCONFIGURED
    assert wrong.startswith("No planner is called 'scriptd'. Did you mean 'scripted'? Known: ")


def test_a_module_that_is_not_there() -> None:
    """A plug-in by path is named with what went wrong."""
    code, _, wrong = check("slow_brain.planner=my_file:MyPlanner")
    assert code == FAILED
    assert wrong == (
        "Plug-in 'my_file:MyPlanner' failed in `import`: "
        "ModuleNotFoundError: No module named 'my_file'\n"
    )


def test_an_option_that_a_part_does_not_take() -> None:
    """A plug-in's own options are checked too."""
    code, _, wrong = check("fast_brain.stitcher_options.alpha=1")
    assert code == MISCONFIGURED
    assert wrong.startswith("stitcher 'latest' has no setting 'alpha'.")
