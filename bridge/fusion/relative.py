"""Mem-0's reading: entries by their place and not their time, added to the latent without a gate.

    x = w + W_o softmax(W_q LN(w) (W_k (LN(m) + P))ᵀ / √d_head) W_v LN(m)

where P encodes how many entries ago m was: 1 is the entry before the latent. What is read is added
whatever it is worth, so nothing bounds the result by its inputs: the baseline for gated fusion.

Source: Mem-0 in RMBench (arXiv 2603.01229): an anchor and a queue, places relative to the newest,
attention with the norm before it, a residual, and no gate. The sinusoid for P is ours.
"""

import torch
from torch import nn
from torch.nn import functional

from bridge.errors import ConfigError

_LONGEST = 10_000.0


class RelativeReading(nn.Module):
    """One stream's memory, read by place.

    Args:
        width: Of the tokens.
        heads: Must divide the width.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        if width < 1 or heads < 1 or width % (2 * heads):
            raise ConfigError(
                f"A width of {width} cannot be split among {heads} heads of even width; choose "
                "heads that divide half the width."
            )
        self.width, self.heads = width, heads
        self.current_norm = nn.LayerNorm(width)
        self.entry_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, current: torch.Tensor, entries: torch.Tensor, is_kept: torch.Tensor
    ) -> torch.Tensor:
        """Return ``[B, N, D]``: the latent, and what was read added to it.

        Args:
            current: The newest latents ``[B, N, D]``.
            entries: What is remembered before them ``[B, L, N, D]``, in order; L may be 0.
            is_kept: Which entries there are ``[B, L]``; those that are not take no place.
        """
        if entries.shape[1] == 0:
            return current
        # The last that is kept is 1, whatever stands in places that are not.
        place = is_kept.flip(1).cumsum(1).flip(1)
        known = self.entry_norm(entries)
        keys = self.key(known + encode_places(place, self.width).unsqueeze(2))
        mask = is_kept.repeat_interleave(entries.shape[2], dim=1)[:, None, None]
        # A row without entries has nothing to read: it reads anything, and adds none of it.
        is_empty = ~is_kept.any(1)[:, None, None, None]
        read = functional.scaled_dot_product_attention(
            self._split(self.query(self.current_norm(current))),
            self._split(keys.flatten(1, 2)),
            self._split(self.value(known).flatten(1, 2)),
            attn_mask=mask | is_empty,
        )
        added = self.out(read.transpose(1, 2).flatten(2))
        return current + torch.where(is_empty[:, 0], torch.zeros_like(added), added)

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, count, width = tokens.shape
        return tokens.view(batch, count, self.heads, width // self.heads).transpose(1, 2)


def encode_places(place: torch.Tensor, width: int) -> torch.Tensor:
    """Return sinusoids ``[..., width]`` of places, 1 for the newest entry.

    Source: Vaswani et al. (arXiv 1706.03762), section 3.5.
    """
    half = torch.arange(width // 2, dtype=torch.float32, device=place.device)
    angles = place.unsqueeze(-1) * _LONGEST ** (-2 * half / width)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
