"""Runs inside vLLM's worker: notes the hidden states of every request while its model runs.

vLLM mixes this class into its worker (`worker_extension_cls`). The states are those of the very
forward passes that wrote the text; nothing is computed a second time.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

# So many requests are remembered; whoever does not fetch the states of one soon loses them.
_MOST_REQUESTS = 64


@dataclass
class _Noted:
    """By position in the sequence: the image tokens, the declared token, and the newest one."""

    images: dict[int, torch.Tensor] = field(default_factory=dict[int, torch.Tensor])
    cognitive: torch.Tensor | None = None
    newest: torch.Tensor | None = None
    prompt_end: torch.Tensor | None = None


class TandemWorkerTap:
    """What vLLM's worker can do besides; `self` is the worker."""

    model_runner: Any

    def tandem_tap(self, layer: int, image_token: int, cognitive_token: int) -> None:
        """Begin to note states.

        Args:
            layer: Decoder layer, or -1 for the last after the final norm.
            image_token: Which tokens are parts of pictures.
            cognitive_token: Whose state is the cognitive latent; -1 for none.
        """
        self._tandem_noted: OrderedDict[str, _Noted] = OrderedDict()
        self._tandem_image, self._tandem_cognitive = image_token, cognitive_token
        self._tandem_states = torch.empty(0)
        model = self.model_runner.get_model()
        if layer >= 0:
            _layers(model)[layer].register_forward_hook(self._tandem_note_layer)
        self._tandem_is_last = layer < 0
        model.register_forward_hook(self._tandem_note)

    def _tandem_note_layer(self, _module: Any, _inputs: Any, output: Any) -> None:  # noqa: ANN401  # As torch calls it.
        # vLLM's layers return what they add apart from what they add it to.
        self._tandem_states = output[0] + output[1] if isinstance(output, tuple) else output

    def _tandem_note(self, _module: Any, _inputs: Any, output: Any) -> None:  # noqa: ANN401  # As above.
        batch = self.model_runner.input_batch
        states = output if self._tandem_is_last else self._tandem_states
        ends = self.model_runner.query_start_loc.np
        for row, request_id in enumerate(batch.req_ids):
            start, end = int(ends[row]), int(ends[row + 1])
            first = int(batch.num_computed_tokens_cpu[row])
            ids = batch.token_ids_cpu[row, first : first + end - start]
            prompt = int(batch.num_prompt_tokens[row])
            self._tandem_keep(request_id, states[start:end], ids, first, prompt)

    def _tandem_keep(
        self, request_id: str, states: torch.Tensor, ids: np.ndarray, first: int, prompt: int
    ) -> None:
        noted = self._tandem_noted.setdefault(request_id, _Noted())
        for place in np.flatnonzero(ids == self._tandem_image):
            noted.images[first + int(place)] = states[place].clone()
        for place in np.flatnonzero(ids == self._tandem_cognitive):
            noted.cognitive = states[place].clone()
        if first < prompt <= first + len(ids):
            noted.prompt_end = states[prompt - 1 - first].clone()
        if len(ids):
            noted.newest = states[len(ids) - 1].clone()
        while len(self._tandem_noted) > _MOST_REQUESTS:
            self._tandem_noted.popitem(last=False)

    def tandem_take(self, request_id: str, which: str, *, keep: bool) -> tuple[bytes, bytes, int]:
        """Return the image tokens' states, the cognitive one's, and their width.

        Args:
            request_id: As it was given; vLLM puts something behind it.
            which: "token", "answer" or "prompt", the cognitive one to return.
            keep: Whether they will be asked for again.

        Returns:
            Both as float32 bytes ``[N, D]`` and ``[1, D]``, empty if not there, and D.
        """
        names = [name for name in self._tandem_noted if name.startswith(request_id)]
        noted = self._tandem_noted[names[-1]] if names else _Noted()
        if names and not keep:
            del self._tandem_noted[names[-1]]
        images = [noted.images[place] for place in sorted(noted.images)]
        chosen = {"token": noted.cognitive, "answer": noted.newest, "prompt": noted.prompt_end}
        cognitive = [state for state in [chosen[which]] if state is not None]
        width = noted.newest.shape[-1] if noted.newest is not None else 0
        return _packed(images), _packed(cognitive), width


def _packed(rows: list[torch.Tensor]) -> bytes:
    return torch.stack(rows).float().cpu().numpy().tobytes() if rows else b""


def _layers(model: Any) -> Any:  # noqa: ANN401  # vLLM has no common type for models.
    """The decoder layers of the text model."""
    text = model.get_language_model() if hasattr(model, "get_language_model") else model
    return getattr(text, "model", text).layers
