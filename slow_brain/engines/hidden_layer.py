"""The output of one declared layer, noted while the model runs."""

from typing import Any

import torch

from bridge.errors import ConfigError
from slow_brain.engines.engine import LAST_LAYER


class HiddenLayer:
    """Holds what the layer said in the newest forward pass, ``[B, T, D]``.

    Args:
        model: Any `AutoModelForImageTextToText`.
        layer: Number of a decoder layer, or -1 for the last one after the final norm.

    Raises:
        ConfigError: There is no such layer.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # transformers has no common type for these models.
        layer: int,
    ) -> None:
        self.states = torch.empty(0)
        self._is_last = layer == LAST_LAYER
        if self._is_last:
            return
        layers = model.get_decoder().layers
        if layer >= len(layers):
            raise ConfigError(
                f"The model has no hidden layer {layer}: it has 0 to {len(layers) - 1}, and "
                f"{LAST_LAYER} for the last one after the final norm. Set `tap.layer` to one of "
                "these."
            )
        layers[layer].register_forward_hook(self._hook)

    def note(self, last_hidden_state: torch.Tensor) -> None:
        """Take what the model returned, if that is what was asked for."""
        if self._is_last:
            self.states = last_hidden_state

    def keep_first(self, count: int) -> None:
        """Of the newest pass forget the states that come after so many tokens."""
        self.states = self.states[:, :count]

    def _hook(self, _layer: torch.nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401  # As torch calls it.
        self.states = output[0] if isinstance(output, tuple) else output
