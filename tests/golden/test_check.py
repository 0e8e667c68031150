"""`agent check`: what is said about parts that fit, and about those that do not, word for word."""

import json

import pytest
from typer.testing import CliRunner

from agent.cli import app

FAILED, MISCONFIGURED = 1, 2


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
        "  policy    hold: 16 actions, 0.05 s apart; cameras none; feels target_pose_in_base; "
        "no latents\n"
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
