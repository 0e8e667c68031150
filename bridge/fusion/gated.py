"""Gated fusion of the newest latent with what memory retrieves for it; trained with the policy.

The one module of the bridge that needs torch: its weights belong to the policy's checkpoint.
"""

import math

import torch
from torch import nn

# Ages above this are encoded as this [s]; far beyond what the control loop lets live.
MAX_AGE_S = 30.0


def encode_seconds(seconds: torch.Tensor, width: int) -> torch.Tensor:
    """Return sinusoids ``[..., width]`` of times or ages [s], from 0.1 s to 100 s periods.

    Source: the sinusoid of MemoryVLA (arXiv 2508.19236) with periods in seconds, so that training
    and run time agree whatever the planner's rate.
    """
    half = width // 2
    periods = torch.logspace(math.log10(0.1), 2.0, half, device=seconds.device)
    angles = 2 * math.pi * seconds.unsqueeze(-1) / periods
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class GatedFusion(nn.Module):
    """One stream's memory read: cross-attention over the bank, then a gate.

    ``out = g * current + (1 - g) * retrieved``, elementwise, so every output lies between its two
    inputs.

    Source: MemoryVLA (arXiv 2508.19236), retrieval and gate; here the gate also sees the age of the
    current latent, and times are seconds. The gate starts near one half.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.width = width
        self.heads = heads
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        # What the time of the episode adds starts at nothing: without training it tells no more.
        self.clock = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.clock.weight)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(3 * width, width)
        nn.init.normal_(self.gate.weight, std=1e-3)
        nn.init.zeros_(self.gate.bias)

    def forward(
        self,
        current: torch.Tensor,
        bank: torch.Tensor,
        elapsed_s: torch.Tensor,
        is_kept: torch.Tensor,
        age_s: torch.Tensor,
        *,
        time_s: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Fuse.

        Args:
            current: The newest latent's tokens ``[B, N, D]``.
            bank: Remembered tokens ``[B, L, N, D]``; must hold at least one kept entry a row.
            elapsed_s: Time since each entry was observed ``[B, L]`` [s], ≥ 0.
            is_kept: Which entries count ``[B, L]``, bool.
            age_s: Age of the newest latent ``[B]`` [s], ≥ 0.
            time_s: When in the episode each entry was observed ``[B, L]`` [s], ≥ 0: what tells the
                second light from the third, however long ago. None leaves it out.

        Returns:
            The fused tokens ``[B, N, D]`` and the gate ``[B, N, D]`` in (0, 1).
        """
        retrieved = self._retrieve(current, bank, elapsed_s, is_kept, time_s)
        age = encode_seconds(age_s.clamp(0, MAX_AGE_S), self.width)
        age = age.unsqueeze(1).expand_as(current)
        gate = torch.sigmoid(self.gate(torch.cat([current, retrieved, age], dim=-1)))
        return gate * current + (1 - gate) * retrieved, gate

    def attention(
        self,
        current: torch.Tensor,
        bank: torch.Tensor,
        elapsed_s: torch.Tensor,
        is_kept: torch.Tensor,
        time_s: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """How much each head attended to each entry ``[B, H, L]``, summing to 1: mean of tokens.

        Worked out anew, as the fused kernel of `forward` does not give it; arguments as there.
        """
        batch, length, tokens, width = bank.shape
        stamped = self._stamped(bank, elapsed_s, time_s)
        keys, query = self._split(self.key(stamped).flatten(1, 2)), self._split(self.query(current))
        scores = query @ keys.transpose(-2, -1) / math.sqrt(width // self.heads)
        mask = is_kept.unsqueeze(-1).expand(batch, length, tokens).flatten(1)[:, None, None]
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1).mean(2)
        return weights.view(batch, self.heads, length, tokens).sum(-1)

    def _retrieve(
        self,
        current: torch.Tensor,
        bank: torch.Tensor,
        elapsed_s: torch.Tensor,
        is_kept: torch.Tensor,
        time_s: torch.Tensor | None = None,
    ) -> torch.Tensor:
        batch, length, tokens, _ = bank.shape
        stamped = self._stamped(bank, elapsed_s, time_s)
        keys = self._split(self.key(stamped).flatten(1, 2))
        values = self._split(self.value(bank).flatten(1, 2))
        mask = is_kept.unsqueeze(-1).expand(batch, length, tokens).flatten(1)[:, None, None]
        read = nn.functional.scaled_dot_product_attention(
            self._split(self.query(current)), keys, values, attn_mask=mask
        )
        return read.transpose(1, 2).flatten(2)

    def _stamped(
        self, bank: torch.Tensor, elapsed_s: torch.Tensor, time_s: torch.Tensor | None
    ) -> torch.Tensor:
        """Entries with their times added, for the keys."""
        stamp = self.time(encode_seconds(elapsed_s, self.width))
        if time_s is not None:
            stamp = stamp + self.clock(encode_seconds(time_s, self.width))
        return bank + stamp.unsqueeze(2)

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, count, width = tokens.shape
        return tokens.view(batch, count, self.heads, width // self.heads).transpose(1, 2)
