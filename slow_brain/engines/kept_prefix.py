"""The keys and values of the last request, so that the next one need not read its beginning again.

A plan's prompt begins with the goal and the rules, which stay; the picture comes late and changes.
"""

from itertools import takewhile
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class KeptPrefix:
    """Lends one cache at a time; whoever takes it gives it back with what is in it.

    Args:
        model: Any `AutoModelForImageTextToText`.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # transformers has no common type.
        self._config = model.config.get_text_config(decoder=True)
        # Where positions are counted over pictures the beginning is not all there is to know.
        self._is_allowed = not hasattr(model.model, "get_rope_index")
        self._kept: DynamicCache | None = None
        self._ids: list[int] = []

    def take(self, ids: list[int], image_token: int) -> tuple[DynamicCache, int]:
        """Return a cache, and how many tokens of the prompt are in it.

        At least one token is left to read, and all of the pictures: whether a picture is the same
        its tokens do not tell.
        """
        kept, self._kept = self._kept, None
        common = takewhile(
            lambda pair: pair[0] == pair[1] != image_token, zip(ids[:-1], self._ids, strict=False)
        )
        count = sum(1 for _ in common)
        if kept is None or not count:
            return DynamicCache(config=self._config), 0
        kept.crop(count - len(self._ids))
        return kept, count

    def can_cut(self, cache: DynamicCache) -> bool:
        """Whether what was read last can be taken back, and read again in one piece."""
        return self._is_allowed and all(type(layer) is DynamicLayer for layer in cache.layers)

    def give_back(self, cache: DynamicCache, ids: list[int]) -> None:
        """Keep the cache, which holds these tokens, if it can be cut back later."""
        if self.can_cut(cache) and cache.get_seq_length() == len(ids):
            self._kept, self._ids = cache, ids
