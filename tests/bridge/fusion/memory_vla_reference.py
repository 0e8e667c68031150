"""MemoryVLA as its formulas read, with plain loops in float64: what ours is compared with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Array]


@dataclass(kw_only=True)
class ReferenceStream:
    """One stream: retrieve, gate, write and consolidate on each call, everything worked out anew.

    `weights` bear openvla's names without the stream's prefix.
    """

    weights: Weights
    heads: int
    layers: int
    waves: int
    attends_to_itself: bool
    store_fused: bool
    mean_time: bool
    capacity: int
    consolidation: str
    bank: list[tuple[float, Array]] = field(default_factory=list)

    def call(self, w: Array, t: float) -> Array:
        """One call of the published module for tokens w [N, D] at time t."""
        out = self.fuse(w, t)
        self.bank.append((t, out if self.store_fused else w))
        while len(self.bank) > self.capacity:
            if self.consolidation == "fifo":
                self.bank = self.bank[-self.capacity :]
            else:
                self._merge()
        return out

    def fuse(self, w: Array, t: float) -> Array:
        """Retrieval and gate: out = g ⊙ w + (1 − g) ⊙ H."""
        bank = self.bank
        if not bank and self.attends_to_itself:
            bank = [(t, w)]
        h = w
        if bank:
            stamped = np.concatenate([m + self._encode(time) for time, m in bank])
            plain = np.concatenate([m for _, m in bank])
            for layer in range(self.layers):
                h = self._layer(f"retrieval_blocks.{layer}.", h, stamped, plain)
        both = np.concatenate([w, h], axis=1)
        g = 1 / (1 + np.exp(-self._linear("gate_fusion_blocks.proj", both)))
        return g * w + (1 - g) * h

    def _layer(self, name: str, q: Array, stamped: Array, plain: Array) -> Array:
        queries = self._linear(name + "q_proj", q)
        keys = self._linear(name + "k_proj", stamped)
        values = self._linear(name + "v_proj", plain)
        size = queries.shape[1] // self.heads
        found = np.zeros_like(queries)
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            for token in range(len(q)):
                scores = keys[:, part] @ queries[token, part] / math.sqrt(size)
                share = np.exp(scores - scores.max())
                found[token, part] = share / share.sum() @ values[:, part]
        h = self._norm(name + "attn_norm", q + found)
        wide = self._linear(name + "ffn.0", h)
        bent = 0.5 * wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        return self._norm(name + "ffn_norm", h + self._linear(name + "ffn.2", bent))

    def _encode(self, t: float) -> Array:
        half = self.waves // 2
        code = np.zeros(self.waves)
        for k in range(half):
            f = math.exp(-math.log(10_000) * k / half)
            code[k], code[half + k] = math.cos(t * f), math.sin(t * f)
        inner = self._linear("timestep_encoder.mlp.0", code)
        return self._linear("timestep_encoder.mlp.2", inner / (1 + np.exp(-inner)))

    def _merge(self) -> None:
        alike = [self._cosine(a[1], b[1]) for a, b in zip(self.bank, self.bank[1:], strict=False)]
        i = alike.index(max(alike))
        (t_i, m_i), (t_j, m_j) = self.bank[i], self.bank[i + 1]
        time = (t_i + t_j) / 2 if self.mean_time else t_i
        self.bank[i : i + 2] = [(time, (m_i + m_j) / 2)]

    @staticmethod
    def _cosine(a: Array, b: Array) -> float:
        each = [x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in zip(a, b, strict=True)]
        return float(np.mean(each))

    def _linear(self, name: str, x: Array) -> Array:
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def _norm(self, name: str, x: Array) -> Array:
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * self.weights[name + ".weight"] + (
            self.weights[name + ".bias"]
        )
