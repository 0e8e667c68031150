"""The latents of a run that was recorded with `recording.latents: full`, number by number."""

from collections.abc import Iterator

from agent.recording.latent_facts import LATENT, latent_from
from agent.tracing.runs import Run
from bridge.errors import ConfigError
from bridge.messages import Latent


def recorded_latents(run: Run) -> Iterator[Latent]:
    """Every latent that was recorded whole, in the order in which they came.

    Raises:
        ConfigError: The run was recorded with what sums latents up alone.
    """
    found = False
    for event in run.walk(LATENT):
        found = True
        yield latent_from(event.stamp_ns, event.facts)
    if not found:
        raise ConfigError(
            f"Run {run.id} holds no latent number by number. Record with "
            "--set recording.latents=full; norms and places are in its planner.latent events."
        )
