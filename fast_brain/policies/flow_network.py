"""The shipped policy's network: two pictures, the arm's feelings and fused memory in, a flow out.

Flow matching as in π0 (arXiv 2410.24164) with time from noise (0) to action (1): the network learns
the velocity ``action - noise`` along the straight line between them.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from bridge.fusion.gated import GatedFusion, encode_seconds

ACTION_WIDTH = 5
HORIZON = 16
STEP_S = 0.05
PROPRIOCEPTION_WIDTH = 7
LATENT_WIDTH = 192
PERCEPTUAL_TOKENS, COGNITIVE_TOKENS = 16, 1
WORD_BUCKETS = 1024
LONGEST_TEXT_WORDS = 32
_WIDTH = 128
_HEAD_WIDTH = 384
_TIME_WIDTH = 64


@dataclass(frozen=True)
class PolicyInput:
    """One batch of what the policy knows. ``has_latent`` false means: look at the words instead."""

    front: torch.Tensor  # float32 [B, 3, 96, 96] in [-1, 1]
    wrist: torch.Tensor  # float32 [B, 3, 96, 96] in [-1, 1]
    proprioception: torch.Tensor  # float32 [B, PROPRIOCEPTION_WIDTH]
    words: torch.Tensor  # int64 [B, LONGEST_TEXT_WORDS], 0 pads
    perceptual: torch.Tensor  # float32 [B, L, N, D], newest last
    cognitive: torch.Tensor  # float32 [B, L, M, D]
    elapsed_s: torch.Tensor  # float32 [B, L]
    is_kept: torch.Tensor  # bool [B, L]; the last entry is the current latent
    has_latent: torch.Tensor  # bool [B]


class Eye(nn.Module):
    """A small convolution net that says where things are (spatial softmax) and how they look.

    Source: spatial softmax from Levine et al. (arXiv 1504.00702); FiLM by the instruction from
    Perez et al. (arXiv 1709.07871), as HiRT does with its latent.
    """

    places: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2),
            nn.GroupNorm(4, 24),
            nn.SiLU(),
            nn.Conv2d(24, 48, 3, 2, 1),
            nn.GroupNorm(6, 48),
            nn.SiLU(),
        )
        self.fine = nn.Conv2d(48, 64, 3, 1, 1)
        self.fine_norm = nn.GroupNorm(8, 64)
        self.film = nn.Linear(_WIDTH, 2 * 64)
        self.coarse = nn.Sequential(
            nn.Conv2d(64, 96, 3, 2, 1),
            nn.GroupNorm(8, 96),
            nn.SiLU(),
            nn.Conv2d(96, 12, 1),
            nn.Flatten(),
            nn.Linear(12 * 12 * 12, _WIDTH),
        )
        self.keypoints = nn.Conv2d(64, 64, 1)
        places = torch.linspace(-1, 1, 24)
        self.register_buffer("places", places, persistent=False)

    def forward(self, image: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """Return features ``[B, 256]`` of ``image [B, 3, 96, 96]`` for ``task [B, 128]``."""
        fine = self.fine_norm(self.fine(self.stem(image)))
        scale, shift = self.film(task)[:, :, None, None].chunk(2, dim=1)
        fine = functional.silu(fine * (1 + scale) + shift)
        heat = self.keypoints(fine).flatten(2).softmax(-1).unflatten(2, (24, 24))
        across, down = heat.sum(2) @ self.places, heat.sum(3) @ self.places
        return torch.cat([across, down, self.coarse(fine)], dim=-1)


class FlowHead(nn.Module):
    """Residual layers that turn a noisy chunk and a condition into a velocity."""

    frequencies: torch.Tensor

    def __init__(self, condition_width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(HORIZON * ACTION_WIDTH, _HEAD_WIDTH)
        self.condition = nn.Linear(condition_width + _TIME_WIDTH, _HEAD_WIDTH)
        self.blocks = nn.ModuleList(_Block() for _ in range(3))
        self.leave = nn.Linear(_HEAD_WIDTH, HORIZON * ACTION_WIDTH)
        frequencies = torch.logspace(0, 2, _TIME_WIDTH // 2)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        """Return the velocity ``[B, H, A]`` of ``noisy [B, H, A]`` at flow time ``time [B]``."""
        angles = time[:, None] * self.frequencies
        when = torch.cat([angles.sin(), angles.cos()], dim=-1)
        given = functional.silu(self.condition(torch.cat([condition, when], dim=-1)))
        x = self.enter(noisy.flatten(1))
        for block in self.blocks:
            x = block(x, given)
        return self.leave(x).unflatten(1, (HORIZON, ACTION_WIDTH))


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_HEAD_WIDTH, elementwise_affine=False)
        self.modulate = nn.Linear(_HEAD_WIDTH, 2 * _HEAD_WIDTH)
        self.wide = nn.Linear(_HEAD_WIDTH, 2 * _HEAD_WIDTH)
        self.narrow = nn.Linear(2 * _HEAD_WIDTH, _HEAD_WIDTH)

    def forward(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulate(given).chunk(2, dim=-1)
        inner = self.norm(x) * (1 + scale) + shift
        return x + self.narrow(functional.silu(self.wide(inner)))


class FlowNetwork(nn.Module):
    """Observation and memory to a condition, and the flow head on top of it."""

    action_mean: torch.Tensor
    action_std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(WORD_BUCKETS, _WIDTH, mode="mean", padding_idx=0)
        self.text = nn.Sequential(nn.Linear(_WIDTH, 256), nn.SiLU(), nn.Linear(256, _WIDTH))
        self.cognitive_fusion = GatedFusion(LATENT_WIDTH)
        self.perceptual_fusion = GatedFusion(LATENT_WIDTH)
        self.latent_norm = nn.LayerNorm(LATENT_WIDTH)
        self.cognitive = nn.Sequential(
            nn.Linear(LATENT_WIDTH, 256), nn.SiLU(), nn.Linear(256, _WIDTH)
        )
        self.perceptual = nn.Linear(LATENT_WIDTH, _WIDTH)
        self.scene = nn.MultiheadAttention(_WIDTH, 4, batch_first=True)
        self.no_scene = nn.Parameter(torch.zeros(_WIDTH))
        self.age = nn.Linear(_TIME_WIDTH, _WIDTH)
        self.front_eye = Eye()
        self.wrist_eye = Eye()
        self.body = nn.Sequential(
            nn.Linear(PROPRIOCEPTION_WIDTH, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, _WIDTH)
        )
        width = 2 * 2 * _WIDTH + 3 * _WIDTH
        self.head = FlowHead(width)
        rows = (HORIZON, ACTION_WIDTH)
        self.register_buffer("action_mean", torch.zeros(rows))
        self.register_buffer("action_std", torch.ones(rows))

    def condition(self, given: PolicyInput) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the condition ``[B, C]`` and each row's mean gate ``[B]``."""
        task, scene, gate = self._task(given)
        eyes = [self.front_eye(given.front, task), self.wrist_eye(given.wrist, task)]
        return torch.cat([*eyes, self.body(given.proprioception), task, scene], dim=-1), gate

    def _task(self, given: PolicyInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        words = self.text(self.words(given.words))
        age_s = given.elapsed_s[:, -1]
        cognitive, cognitive_gate = self._read(self.cognitive_fusion, given.cognitive, given)
        perceptual, perceptual_gate = self._read(self.perceptual_fusion, given.perceptual, given)
        latent = self.cognitive(self.latent_norm(cognitive)).mean(1)
        latent = latent + self.age(encode_seconds(age_s, _TIME_WIDTH))
        tokens = self.perceptual(self.latent_norm(perceptual))
        seen, _ = self.scene(latent.unsqueeze(1), tokens, tokens, need_weights=False)
        chosen = given.has_latent[:, None]
        task = torch.where(chosen, latent, words)
        scene = torch.where(chosen, seen.squeeze(1), self.no_scene.expand_as(latent))
        gate = (cognitive_gate.mean((1, 2)) + perceptual_gate.mean((1, 2))) / 2
        return task, scene, gate

    @staticmethod
    def _read(
        fusion: GatedFusion, stream: torch.Tensor, given: PolicyInput
    ) -> tuple[torch.Tensor, torch.Tensor]:
        fused: tuple[torch.Tensor, torch.Tensor] = fusion(
            stream[:, -1], stream, given.elapsed_s, given.is_kept, given.elapsed_s[:, -1]
        )
        return fused

    def loss(self, given: PolicyInput, chunk: torch.Tensor, draws: int) -> torch.Tensor:
        """Return the flow-matching loss of normalised ``chunk [B, H, A]``.

        The pictures are looked at once and the flow is drawn ``draws`` times, which is nearly free.
        """
        condition, _ = self.condition(given)
        condition = condition.repeat(draws, 1)
        target = chunk.repeat(draws, 1, 1)
        time = torch.rand(len(target)) ** 0.8
        noise = torch.randn_like(target)
        noisy = torch.lerp(noise, target, time[:, None, None])
        return functional.mse_loss(self.head(noisy, time, condition), target - noise)

    def sample(
        self, given: PolicyInput, steps: int, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return chunks ``[B, H, A]`` relative to the gripper, and mean gates ``[B]``.

        Euler steps from ``noise [B, H, A]`` (time 0) to the action (time 1).
        """
        condition, gate = self.condition(given)
        x = noise
        for step in range(steps):
            time = torch.full((len(x),), step / steps)
            x = x + self.head(x, time, condition) / steps
        return x * self.action_std + self.action_mean, gate


def bucket_words(text: str) -> list[int]:
    """Return each word's bucket, padded with 0 to ``LONGEST_TEXT_WORDS``.

    The hash is spelled out because Python's own differs from process to process.
    """
    buckets = []
    for word in text.lower().replace(",", " ").replace(".", " ").split()[:LONGEST_TEXT_WORDS]:
        number = 0
        for letter in word:
            number = (number * 131 + ord(letter)) % 1_000_003
        buckets.append(1 + number % (WORD_BUCKETS - 1))
    return buckets + [0] * (LONGEST_TEXT_WORDS - len(buckets))
