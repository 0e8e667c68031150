"""What a spec says, on one line, for people."""

from collections.abc import Iterable

from bridge.specs import LatentSpec, PlannerSpec, PolicySpec, RobotSpec


def in_words(spec: object) -> str:
    """What a robot, a policy or a planner declares; empty for anything else."""
    match spec:
        case RobotSpec():
            action, seen = spec.action, spec.observation
            return "; ".join(
                (
                    f"{action.width} actions ({', '.join(action.names)})",
                    f"{action.mode} at {action.control_rate_hz:g} Hz",
                    f"cameras {_names(image.name for image in seen.images)}",
                    f"feels {_names(each.name for each in seen.proprioception)}",
                )
            )
        case PolicySpec():
            return "; ".join(
                (
                    f"{spec.horizon} actions, {spec.step_s:g} s apart",
                    _cameras_in_words(spec),
                    f"feels {_names(spec.proprioception)}",
                    _latent_in_words(spec.latent),
                )
            )
        case PlannerSpec():
            return f"{_cameras_in_words(spec)}; {_latent_in_words(spec.latent)}"
        case _:
            return ""


def _cameras_in_words(spec: PlannerSpec | PolicySpec) -> str:
    size = f" of {spec.picture_px} px" if spec.picture_px else ""
    return f"cameras {_names(spec.cameras)}{size}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _latent_in_words(latent: LatentSpec | None) -> str:
    if latent is None:
        return "no latents"
    tokens = " + ".join(f"{count} {stream}" for stream, count in latent.streams().items())
    origin = f", {latent.origin}" if latent.origin else ""
    return f"latents of {tokens} tokens, {latent.width} wide{origin}"
