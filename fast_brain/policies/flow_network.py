"""The shipped policy's network: two pictures, the arm's feelings and fused memory in, a flow out.

Flow matching as in π0 (arXiv 2410.24164) with time from noise (0) to action (1): the network learns
the velocity ``action - noise`` along the straight line between them. Each row of a chunk may be at
a flow time of its own: rows that are known already are clean, at time 1 (training-time RTC,
arXiv 2512.05964).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import nn
from torch.nn import functional

from bridge.errors import ContractError
from bridge.fusion.gated import GatedFusion, encode_seconds
from bridge.memory_use import MemoryUse

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
# Of a condition, the part that words or latents tell.
TOLD_WIDTH = 2 * _WIDTH
_TIME_WIDTH = 64
_ROW_TIME_WIDTH = 16


@dataclass(frozen=True)
class PolicyInput:
    """One batch of what the policy knows. ``has_latent`` false means: look at the words instead.

    The streams may remember different times; without ``cognitive_elapsed_s`` they are the same.
    ``now_s`` is the time of the episode; without it entries are told apart by their age alone.
    """

    front: torch.Tensor  # float32 [B, 3, 96, 96] in [-1, 1]
    wrist: torch.Tensor  # float32 [B, 3, 96, 96] in [-1, 1]
    proprioception: torch.Tensor  # float32 [B, PROPRIOCEPTION_WIDTH]
    words: torch.Tensor  # int64 [B, LONGEST_TEXT_WORDS], 0 pads
    perceptual: torch.Tensor  # float32 [B, L, N, D], newest last
    cognitive: torch.Tensor  # float32 [B, L, M, D]
    elapsed_s: torch.Tensor  # float32 [B, L]
    is_kept: torch.Tensor  # bool [B, L]; the last entry is the current latent
    has_latent: torch.Tensor  # bool [B]
    cognitive_elapsed_s: torch.Tensor | None = None  # float32 [B, L]
    now_s: torch.Tensor | None = None  # float32 [B]


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
    """Residual layers that turn a noisy chunk and a condition into a velocity.

    The layers see the chunk as a whole, not row by row, so a row's own flow time enters their
    modulation as its difference from the chunk's: where all rows are at one time nothing is added,
    and weights that never knew of row times act as they did.
    """

    frequencies: torch.Tensor

    def __init__(self, condition_width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(HORIZON * ACTION_WIDTH, _HEAD_WIDTH)
        self.condition = nn.Linear(condition_width + _TIME_WIDTH, _HEAD_WIDTH)
        self.row_time = nn.Linear(_TIME_WIDTH, _ROW_TIME_WIDTH, bias=False)
        self.row_times = nn.Linear(HORIZON * _ROW_TIME_WIDTH, _HEAD_WIDTH, bias=False)
        nn.init.zeros_(self.row_times.weight)
        self.blocks = nn.ModuleList(_Block() for _ in range(3))
        self.leave = nn.Linear(_HEAD_WIDTH, HORIZON * ACTION_WIDTH)
        frequencies = torch.logspace(0, 2, _TIME_WIDTH // 2)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        """Return the velocity ``[B, H, A]`` of ``noisy [B, H, A]``.

        Args:
            noisy: The chunk on its way from noise to action, normalised.
            time: Flow time in [0, 1], of the whole chunk ``[B]`` or of each row ``[B, H]``; the
                last row's is then the chunk's.
            condition: What is known ``[B, C]``.
        """
        whole = time if time.ndim == 1 else time[:, -1]
        when = self._encode(whole)
        given = self.condition(torch.cat([condition, when], dim=-1))
        if time.ndim > 1:
            ahead = self._encode(time) - when[:, None]
            given = given + self.row_times(self.row_time(ahead).flatten(1))
        given = functional.silu(given)
        x = self.enter(noisy.flatten(1))
        for block in self.blocks:
            x = block(x, given)
        return self.leave(x).unflatten(1, (HORIZON, ACTION_WIDTH))

    def _encode(self, time: torch.Tensor) -> torch.Tensor:
        angles = time[..., None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


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

    @staticmethod
    def told(condition: torch.Tensor) -> torch.Tensor:
        """Return the part of a condition ``[B, C]`` that says what to do: task, then scene."""
        return condition[:, -TOLD_WIDTH:]

    def read(self, given: PolicyInput) -> torch.Tensor:
        """Return what `told` would of the condition, ``[B, TOLD_WIDTH]``, without looking."""
        task, scene, _ = self._task(given)
        return torch.cat([task, scene], dim=-1)

    def reading_parts(self) -> nn.ModuleList:
        """The parts that make latents and memory into what is told."""
        fusions = [self.cognitive_fusion, self.perceptual_fusion, self.latent_norm]
        return nn.ModuleList([*fusions, self.cognitive, self.perceptual, self.scene, self.age])

    def cognitive_attention(self, given: PolicyInput) -> torch.Tensor:
        """How much each head attends to each entry of the cognitive stream ``[B, H, L]``."""
        elapsed_s = _cognitive_elapsed_s(given)
        return _attention(self.cognitive_fusion, given.cognitive, elapsed_s, given)

    def memory_use(self, given: PolicyInput) -> MemoryUse:
        """How the memory of the first row of a batch is read."""
        attention, gates = dict[str, list[float]](), dict[str, float]()
        for name, fusion, stream, elapsed_s in (
            ("perceptual", self.perceptual_fusion, given.perceptual, given.elapsed_s),
            ("cognitive", self.cognitive_fusion, given.cognitive, _cognitive_elapsed_s(given)),
        ):
            weights = _attention(fusion, stream, elapsed_s, given)[0].mean(0)
            _, gate = self._read(fusion, stream, elapsed_s, given)
            attention[name], gates[name] = weights.tolist(), float(gate[0].mean())
        return MemoryUse(attention, gates)

    def _task(self, given: PolicyInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        words = self.text(self.words(given.words))
        age_s = given.elapsed_s[:, -1]
        cognitive, cognitive_gate = self._read(
            self.cognitive_fusion, given.cognitive, _cognitive_elapsed_s(given), given
        )
        perceptual, perceptual_gate = self._read(
            self.perceptual_fusion, given.perceptual, given.elapsed_s, given
        )
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
        fusion: GatedFusion, stream: torch.Tensor, elapsed_s: torch.Tensor, given: PolicyInput
    ) -> tuple[torch.Tensor, torch.Tensor]:
        fused: tuple[torch.Tensor, torch.Tensor] = fusion(
            stream[:, -1],
            stream,
            elapsed_s,
            given.is_kept,
            elapsed_s[:, -1],
            time_s=_time_s(given, elapsed_s),
        )
        return fused

    def loss(
        self,
        given: PolicyInput,
        chunk: torch.Tensor,
        draws: int,
        prefix_rows: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the flow-matching loss of normalised ``chunk [B, H, A]``.

        The pictures are looked at once and the flow is drawn ``draws`` times, which is nearly free.

        Args:
            given: What is known.
            chunk: What was done.
            draws: How many flows of each sample.
            prefix_rows: How many rows are known already, ``[draws · B]`` in [0, H); None for none.
                They are clean, at flow time 1, and do not count: Σ loss · mask / Σ mask
                (training-time RTC, arXiv 2512.05964, Algorithm 1).
        """
        condition, _ = self.condition(given)
        return self.flow_loss(condition, chunk, draws, prefix_rows)

    def flow_loss(
        self,
        condition: torch.Tensor,
        chunk: torch.Tensor,
        draws: int,
        prefix_rows: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the flow-matching loss for a ``condition [B, C]``; the rest as for `loss`."""
        condition = condition.repeat(draws, 1)
        target = chunk.repeat(draws, 1, 1)
        time = torch.rand(len(target)) ** 0.8
        noise = torch.randn_like(target)
        if prefix_rows is None:
            noisy = torch.lerp(noise, target, time[:, None, None])
            return functional.mse_loss(self.head(noisy, time, condition), target - noise)
        is_known = torch.arange(HORIZON) < prefix_rows[:, None]
        times = torch.where(is_known, 1.0, time[:, None])
        noisy = torch.lerp(noise, target, times[..., None])
        error = (self.head(noisy, times, condition) - (target - noise)).square().mean(-1)
        return (error * ~is_known).sum() / (~is_known).sum()

    def sample(
        self,
        given: PolicyInput,
        steps: int,
        noise: torch.Tensor,
        prefix: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return chunks ``[B, H, A]`` relative to the gripper, and mean gates ``[B]``.

        Euler steps from ``noise [B, H, A]`` (time 0) to the action (time 1). The rows of
        ``prefix [B, d, A]`` (normalised) are known: they stay as they are.
        """
        condition, gate = self.condition(given)
        x = self.flow(condition, steps, noise, prefix)
        return x * self.action_std + self.action_mean, gate

    def flow(
        self,
        condition: torch.Tensor,
        steps: int,
        noise: torch.Tensor,
        prefix: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return normalised chunks ``[B, H, A]`` for a condition; the rest as for `sample`."""
        x, known = noise, 0 if prefix is None else prefix.shape[1]
        for step in range(steps):
            time = torch.full((len(x),), step / steps)
            if prefix is not None and known:
                x = torch.cat([prefix, x[:, known:]], dim=1)
                time = time[:, None].repeat(1, HORIZON)
                time[:, :known] = 1.0
            x = x + self.head(x, time, condition) / steps
        return x if prefix is None else torch.cat([prefix, x[:, known:]], dim=1)


def _attention(
    fusion: GatedFusion, stream: torch.Tensor, elapsed_s: torch.Tensor, given: PolicyInput
) -> torch.Tensor:
    time_s = _time_s(given, elapsed_s)
    return fusion.attention(stream[:, -1], stream, elapsed_s, given.is_kept, time_s)


def _cognitive_elapsed_s(given: PolicyInput) -> torch.Tensor:
    return given.elapsed_s if given.cognitive_elapsed_s is None else given.cognitive_elapsed_s


def _time_s(given: PolicyInput, elapsed_s: torch.Tensor) -> torch.Tensor | None:
    """When in the episode each entry was observed ``[B, L]`` [s]; None if nobody knows."""
    return None if given.now_s is None else (given.now_s[:, None] - elapsed_s).clamp_min(0)


# What weights lack from before flow times of rows, and from before times of the episode; zeros
# then, which act as those weights did.
_ADDED_LATER = frozenset(
    {
        "head.row_time.weight",
        "head.row_times.weight",
        "cognitive_fusion.clock.weight",
        "perceptual_fusion.clock.weight",
    }
)


def load_weights(network: FlowNetwork, path: Path) -> None:
    """Fill in the weights from a safetensors file; older ones lack what was added later.

    Raises:
        ContractError: The file is of another network.
    """
    missing, unexpected = load_model(network, str(path), strict=False)
    if unexpected or not _ADDED_LATER.issuperset(missing):
        raise ContractError(
            leaf=f"the tensors of {path}",
            expected="those of FlowNetwork",
            got=f"{sorted(unexpected)} beyond them, {sorted(missing)} missing",
        )


def fingerprint(path: Path) -> str:
    """Return a digest of a file of weights, for what was trained on top of just these."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def save_weights(network: FlowNetwork, path: Path) -> None:
    """Write the weights as safetensors."""
    save_model(network, str(path))


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
