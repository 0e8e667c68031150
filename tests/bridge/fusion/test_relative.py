"""Mem-0's reading: places count and times do not, and nothing remembered adds nothing."""

import pytest
import torch

from bridge.errors import ConfigError
from bridge.fusion.relative import RelativeReading, encode_places

WIDTH, TOKENS = 16, 3


def _reading() -> RelativeReading:
    torch.manual_seed(0)
    return RelativeReading(WIDTH)


def test_with_nothing_remembered_the_latent_stays() -> None:
    """No entries, and entries that are not kept, leave the latent as it is."""
    current, entries = torch.randn(2, TOKENS, WIDTH), torch.randn(2, 4, TOKENS, WIDTH)
    none = torch.zeros(2, 4, dtype=torch.bool)
    assert torch.equal(_reading()(current, entries[:, :0], none[:, :0]), current)
    assert torch.equal(_reading()(current, entries, none), current)


def test_it_equals_the_formula() -> None:
    """One row, one head, written as plainly as it can be."""
    torch.manual_seed(1)
    reading = RelativeReading(WIDTH, heads=1)
    current, entries = torch.randn(TOKENS, WIDTH), torch.randn(2, TOKENS, WIDTH)
    known = torch.nn.functional.layer_norm(entries, (WIDTH,))
    places = torch.tensor([2.0, 1.0])
    keys = reading.key(known + encode_places(places, WIDTH)[:, None]).reshape(-1, WIDTH)
    values = reading.value(known).reshape(-1, WIDTH)
    query = reading.query(torch.nn.functional.layer_norm(current, (WIDTH,)))
    share = torch.softmax(query @ keys.T / WIDTH**0.5, dim=-1)
    wanted = current + reading.out(share @ values)
    kept = torch.ones(1, 2, dtype=torch.bool)
    torch.testing.assert_close(reading(current[None], entries[None], kept)[0], wanted)


def test_the_order_of_the_entries_matters() -> None:
    """Places stand in the encoding: entries that change places are read otherwise."""
    reading, kept = _reading(), torch.ones(1, 3, dtype=torch.bool)
    current, entries = torch.randn(1, TOKENS, WIDTH), torch.randn(1, 3, TOKENS, WIDTH)
    straight = reading(current, entries, kept)
    turned = reading(current, entries.flip(1), kept)
    assert not torch.allclose(straight, turned, atol=1e-4)


def test_what_is_not_kept_takes_no_place() -> None:
    """A row with gaps reads like one without them."""
    reading = _reading()
    current, entries = torch.randn(1, TOKENS, WIDTH), torch.randn(1, 4, TOKENS, WIDTH)
    kept = torch.tensor([[True, False, True, False]])
    with_gaps = reading(current, entries, kept)
    without = reading(current, entries[:, kept[0]], kept[:, kept[0]])
    torch.testing.assert_close(with_gaps, without)


def test_heads_that_do_not_fit_are_refused() -> None:
    """The message says both numbers."""
    with pytest.raises(ConfigError, match="16 cannot be split among 5"):
        RelativeReading(WIDTH, heads=5)
