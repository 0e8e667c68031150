"""Teaches the policy to look things up: what it is told must say what the demonstrator did.

A planner may say "put the cube back", and only memory knows where to. The chunk says so too, but
late and faintly: which way the arm goes is the same until the cube is in the air. So in training
the skill that was carried out is read off what the policy makes of its latents, as the planner's
facts are read off its hidden states (`slow_brain/training/planner.py`). The reader is thrown away.
"""

import torch
from torch import nn
from torch.nn import functional

from fast_brain.policies.flow_network import TOLD_WIDTH

# What no loss is taken of: told by words, which leave it open, or a skill of no name.
IGNORED = -100
_WEIGHT = 0.1


class SkillReader(nn.Module):
    """Reads the demonstrator's skill off what a policy was told."""

    def __init__(self, skills: int) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.Linear(TOLD_WIDTH, TOLD_WIDTH), nn.SiLU(), nn.Linear(TOLD_WIDTH, skills)
        )

    def loss(self, told: torch.Tensor, skill: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the weighted cross-entropy of ``skill [B]`` and the share that was read right.

        Args:
            told: Of a condition ``[B, TOLD_WIDTH]``.
            skill: Class numbers; `IGNORED` ones do not count.
        """
        logits = self.read(told)
        is_known = skill != IGNORED
        if not bool(is_known.any()):
            return logits.sum() * 0.0, 0.0
        right = (logits.argmax(-1) == skill)[is_known].float().mean()
        return _WEIGHT * functional.cross_entropy(logits, skill, ignore_index=IGNORED), float(right)
