"""How well a policy in training does on held-out demonstrations, in every way it is to be used."""

import numpy as np
import torch

from fast_brain.policies.flow_network import ACTION_WIDTH, HORIZON, FlowNetwork
from fast_brain.training.chunk_samples import BATCH, ChunkSamples

_SAMPLES = 512
# How late the chunk of a late sample is: 0.2 s.
_LATE_ROWS = 4


@torch.no_grad()
def held_out_figures(network: FlowNetwork, samples: ChunkSamples) -> dict[str, float]:
    """Return figures of held-out samples: as they are, with a known prefix, and rolled forward."""
    chosen = np.random.default_rng(0).permutation(samples.validation)[:_SAMPLES]
    figures: dict[str, list[float]] = {}
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    for start in range(0, len(chosen), BATCH):
        for name, value in _judge(network, samples, chosen[start : start + BATCH]).items():
            figures.setdefault(name, []).append(value)
    torch.random.set_rng_state(torch_state)
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _judge(network: FlowNetwork, samples: ChunkSamples, pictures: np.ndarray) -> dict[str, float]:
    random = np.random.default_rng(0)
    noise = torch.randn(len(pictures), HORIZON, ACTION_WIDTH)
    given, chunk = samples.collate(pictures, random, is_training=False)
    normal = (chunk - network.action_mean) / network.action_std
    known = _LATE_ROWS
    with_prefix, _ = network.sample(given, 8, noise, normal[:, :known])
    alone, _ = network.sample(given, 8, noise)
    late = np.full(len(pictures), known)
    rolled_given, rolled_chunk = samples.collate(pictures, random, is_training=False, ahead=late)
    rolled, _ = network.sample(rolled_given, 8, noise)
    return {
        "held out loss": float(network.loss(given, normal, 4)),
        "held out position error m": _error_m(alone, chunk),
        "held out position error past a known prefix m": _error_m(
            with_prefix[:, known:], chunk[:, known:]
        ),
        "held out position error rolled forward m": _error_m(rolled, rolled_chunk),
    }


def _error_m(guess: torch.Tensor, chunk: torch.Tensor) -> float:
    return float((guess - chunk)[..., :3].norm(dim=-1).mean())
