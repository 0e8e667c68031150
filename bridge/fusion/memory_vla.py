"""MemoryVLA's network for reading a memory: retrieval by cross-attention, and a gate.

One stream w [N, D] is read with the bank's entries m_i [N, D], observed at t_i:

    K-input = m_i + TE(t_i) for each of the N tokens, V-input = m_i, q = w
    a layer:  a = softmax(W_q q (W_k K-input)ᵀ / √d_head) W_v V-input
              h = LN(q + a),  q ← LN(h + FFN(h))
    gate:     g = σ(W [w; q] + b),  out = g ⊙ w + (1 − g) ⊙ q

The paper writes g where the code has 1 − g; the published weights are of the code's form, so that
is what stands here. There is no output projection after the attention, and no encoding on q. The
two published code bases differ: see `PUBLISHED`. One of them leaves dropout on at run time; here it
is a matter of training alone.

Source: MemoryVLA (arXiv 2508.19236), "openvla" and "dexbotic" code bases; TE is DiT's sinusoid
(arXiv 2212.09748). Ours: times in seconds through `unit_s`, and a gate that may see the age.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from bridge.errors import ConfigError
from bridge.fusion.gated import MAX_AGE_S, encode_seconds
from bridge.memories.memory_vla import Variant

# The slowest wave of the time encoding has this period over 2π [units of time].
_LONGEST_PERIOD = 10_000.0
_GATE_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """One stream's network.

    `unit_s` is how many seconds one unit of the time encoding stands for: 1 for networks trained
    here; for published weights the seconds between two frames of their training data.
    `attends_to_itself` says what happens with nothing remembered: the latent is read with itself as
    the only entry, or else stays as it is. `sees_age` lets the gate see how old the latent is.
    """

    width: int
    heads: int = 1
    layers: int = 2
    frequency_width: int = 0
    dropout: float = 0.0
    attends_to_itself: bool = False
    fusion: Literal["gate", "add"] = "gate"
    sees_age: bool = False
    unit_s: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.heads < 1 or self.width % self.heads:
            raise ConfigError(
                f"A stream of width {self.width} cannot be split among {self.heads} heads; choose "
                "heads that divide the width."
            )
        if self.layers < 1 or not 0 <= self.dropout < 1 or not self.unit_s > 0:
            raise ConfigError(
                f"A stream wants at least 1 layer, dropout in [0, 1) and unit_s > 0, not "
                f"{self.layers}, {self.dropout} and {self.unit_s}."
            )

    @property
    def waves(self) -> int:
        """Width of the sinusoid before its network; a quarter of the stream's if not given."""
        return self.frequency_width or max(self.width // 4, 2)


def published(variant: Variant, width: int, **changes: object) -> StreamConfig:
    """The network of one stream as a published variant has it, with changes by name.

    Raises:
        ConfigError: There is no such variant, or a change does not fit.
    """
    if variant == "openvla":
        config = StreamConfig(width=width, heads=1)
    elif variant == "dexbotic":
        config = StreamConfig(
            width=width, heads=4, frequency_width=256, dropout=0.1, attends_to_itself=True
        )
    else:
        raise ConfigError(f"MemoryVLA has the variants openvla and dexbotic, not {variant!r}.")
    return replace(config, **changes)  # pyright: ignore[reportArgumentType]  # Fields by name.


class TimeEncoder(nn.Module):
    """A time as a token: sinusoids [cos, sin], then two linear layers."""

    frequencies: torch.Tensor

    def __init__(self, width: int, waves: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(waves, width), nn.SiLU(), nn.Linear(width, width))
        half = waves // 2
        steps = torch.arange(half, dtype=torch.float32) / half
        frequencies = torch.exp(-math.log(_LONGEST_PERIOD) * steps)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self._padding = waves % 2

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        """Return ``[..., D]`` of times ``[...]`` in units of the encoding."""
        angles = time.float().unsqueeze(-1) * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.mlp(functional.pad(waves, (0, self._padding)))


class RetrievalLayer(nn.Module):
    """One layer of reading: attention to the entries, then a network, both normed afterwards."""

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        width = config.width
        self.heads, self.dropout = config.heads, config.dropout
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.attn_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.ffn_norm = nn.LayerNorm(width)

    def forward(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        is_kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Read once.

        Args:
            query: ``[B, N, D]``.
            keys: Projected, ``[B, T, D]``.
            values: Projected, ``[B, T, D]``.
            is_kept: Which of the T count ``[B, T]``; all if None.
        """
        mask = None if is_kept is None else is_kept[:, None, None]
        rate = self.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(
            self._split(self.q_proj(query)),
            self._split(keys),
            self._split(values),
            attn_mask=mask,
            dropout_p=rate,
        )
        between = self.attn_norm(query + found.transpose(1, 2).flatten(2))
        return self.ffn_norm(between + self._widen(between))

    def weights(self, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """How much of each key is read ``[B, T]``, summing to 1: mean of heads and tokens."""
        asked, known = self._split(self.q_proj(query)), self._split(keys)
        scores = asked @ known.transpose(-2, -1) / math.sqrt(known.shape[-1])
        return scores.softmax(-1).mean((1, 2))

    def _widen(self, tokens: torch.Tensor) -> torch.Tensor:
        into, bend, out = self.ffn
        inner = functional.dropout(bend(into(tokens)), self.dropout, self.training)
        return functional.dropout(out(inner), self.dropout, self.training)

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, count, width = tokens.shape
        return tokens.view(batch, count, self.heads, width // self.heads).transpose(1, 2)


class ContentGate(nn.Module):
    """How much of the latent stays, element by element, by content and, if wanted, by age.

    What the age adds begins at zero: published weights act as published until it is trained.
    """

    def __init__(self, width: int, *, sees_age: bool) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * width, width)
        nn.init.normal_(self.proj.weight, std=_GATE_SPREAD)
        nn.init.normal_(self.proj.bias, std=_GATE_SPREAD)
        self.age = nn.Linear(width, width, bias=False) if sees_age else None
        if self.age is not None:
            nn.init.zeros_(self.age.weight)

    def forward(self, content: torch.Tensor, age_s: torch.Tensor) -> torch.Tensor:
        """Return the gate ``[B, N, D]`` in (0, 1) for a latent of age ``[B]`` [s].

        Args:
            content: From `content`, which stays as it is while the latent only grows older.
            age_s: Age of the current latent [s], ≥ 0.
        """
        if self.age is None:
            return torch.sigmoid(content)
        width = self.age.in_features
        code = encode_seconds(age_s.clamp(0, MAX_AGE_S), width - width % 2)
        return torch.sigmoid(content + self.age(functional.pad(code, (0, width % 2))).unsqueeze(1))

    def content(self, current: torch.Tensor, retrieved: torch.Tensor) -> torch.Tensor:
        """Return what the gate makes of both ``[B, N, D]`` alone, before the sigmoid."""
        return self.proj(torch.cat([current, retrieved], dim=-1))


class Fused(NamedTuple):
    """What was read ``[B, N, D]``, what it was blended from, and the gate ``[B, N, D]``."""

    tokens: torch.Tensor
    retrieved: torch.Tensor
    gate: torch.Tensor


class StreamReading(nn.Module):
    """One stream's retrieval and gate; its tensors bear the published names."""

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.config = config
        self.retrieval_blocks = nn.ModuleList(RetrievalLayer(config) for _ in range(config.layers))
        self.timestep_encoder = TimeEncoder(config.width, config.waves)
        if config.fusion == "gate":
            self.gate_fusion_blocks = ContentGate(config.width, sees_age=config.sees_age)

    @property
    def layers(self) -> Sequence[RetrievalLayer]:
        """The layers in order."""
        return [layer for layer in self.retrieval_blocks if isinstance(layer, RetrievalLayer)]

    def project(
        self, entries: torch.Tensor, time_s: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values ``[..., L, N, D]`` of entries ``[..., L, N, D]``, for each layer.

        They depend on nothing but the entry and when it was observed ``[..., L]`` [s], so they hold
        for as long as it does.
        """
        code = self.timestep_encoder(time_s / self.config.unit_s).unsqueeze(-2)
        stamped = entries + code
        return [(layer.k_proj(stamped), layer.v_proj(entries)) for layer in self.layers]

    def retrieve(
        self,
        current: torch.Tensor,
        projected: Sequence[tuple[torch.Tensor, torch.Tensor]],
        is_kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Read ``[B, N, D]`` from keys and values ``[B, T, D]`` of each layer."""
        query = current
        for layer, (keys, values) in zip(self.layers, projected, strict=True):
            query = layer(query, keys, values, is_kept)
        return query

    def attention(
        self, current: torch.Tensor, projected: Sequence[tuple[torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        """How much of each key `retrieve` reads ``[B, T]``: mean of the layers, summing to 1."""
        query, found = current, list[torch.Tensor]()
        for layer, (keys, values) in zip(self.layers, projected, strict=True):
            found.append(layer.weights(query, keys))
            query = layer(query, keys, values)
        return torch.stack(found).mean(0)

    def blend(self, current: torch.Tensor, retrieved: torch.Tensor, age_s: torch.Tensor) -> Fused:
        """Gate ``current`` and ``retrieved``, both ``[B, N, D]``; `age_s` ``[B]`` is ≥ 0."""
        return self.mix(current, retrieved, self.gate_content(current, retrieved), age_s)

    def gate_content(self, current: torch.Tensor, retrieved: torch.Tensor) -> torch.Tensor:
        """What the gate makes of the tokens alone ``[B, N, D]``; zeros with fusion "add"."""
        if self.config.fusion == "add":
            return torch.zeros_like(current)
        return self.gate_fusion_blocks.content(current, retrieved)

    def mix(
        self,
        current: torch.Tensor,
        retrieved: torch.Tensor,
        content: torch.Tensor,
        age_s: torch.Tensor,
    ) -> Fused:
        """Blend by what `gate_content` gave; "add" is a gate of one half."""
        is_gated = self.config.fusion == "gate"
        gate = self.gate_fusion_blocks(content, age_s) if is_gated else torch.sigmoid(content)
        return Fused(torch.lerp(retrieved, current, gate), retrieved, gate)

    def forward(
        self,
        current: torch.Tensor,
        entries: torch.Tensor,
        time_s: torch.Tensor,
        is_kept: torch.Tensor,
        *,
        now_s: torch.Tensor,
        age_s: torch.Tensor,
    ) -> Fused:
        """Read a batch of memories of different lengths, as training does.

        Args:
            current: The newest latents ``[B, N, D]``.
            entries: What is remembered before them ``[B, L, N, D]``; L may be 0.
            time_s: When each was observed ``[B, L]`` [s of the episode].
            is_kept: Which entries there are ``[B, L]``.
            now_s: When the newest was observed ``[B]`` [s of the episode].
            age_s: How old it is at this moment ``[B]`` [s].
        """
        tokens = current.shape[1]
        # With nothing remembered a row reads itself; whether that counts is decided below.
        alone = ~is_kept.any(1)
        entries = torch.cat([entries, current.unsqueeze(1)], dim=1)
        time_s = torch.cat([time_s, now_s.unsqueeze(1)], dim=1)
        kept = torch.cat([is_kept, alone.unsqueeze(1)], dim=1).repeat_interleave(tokens, dim=1)
        projected = [
            (keys.flatten(1, 2), values.flatten(1, 2))
            for keys, values in self.project(entries, time_s)
        ]
        retrieved = self.retrieve(current, projected, kept)
        if not self.config.attends_to_itself:
            retrieved = torch.where(alone[:, None, None], current, retrieved)
        return self.blend(current, retrieved, age_s)


class MemoryVla(nn.Module):
    """Both streams' networks; their widths may differ."""

    def __init__(self, perceptual: StreamConfig, cognitive: StreamConfig) -> None:
        super().__init__()
        self.per_mem_bank = StreamReading(perceptual)
        self.cog_mem_bank = StreamReading(cognitive)
