"""Gated fusion: a blend that stays between its inputs, and knows what it may not see."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.fusion.gated import GatedFusion, encode_seconds

WIDTH, TOKENS = 16, 3


def _inputs(seed: int, length: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(seed)
    return (
        torch.randn(2, TOKENS, WIDTH),
        torch.randn(2, length, TOKENS, WIDTH),
        torch.rand(2, length) * 10,
        torch.ones(2, length, dtype=torch.bool),
        torch.rand(2) * 5,
    )


@given(seed=st.integers(0, 1000), length=st.integers(1, 6))
def test_fused_token_lies_between_current_and_retrieved(seed: int, length: int) -> None:
    """Every fused number lies between the current latent's and the retrieved one's."""
    fusion = GatedFusion(WIDTH)
    torch.nn.init.normal_(fusion.gate.weight, std=0.3)
    current, bank, elapsed_s, is_kept, age_s = _inputs(seed, length)

    fused, gate = fusion(current, bank, elapsed_s, is_kept, age_s)
    retrieved = fusion._retrieve(current, bank, elapsed_s, is_kept)

    low, high = torch.minimum(current, retrieved), torch.maximum(current, retrieved)
    assert ((fused >= low - 1e-5) & (fused <= high + 1e-5)).all()
    assert ((gate >= 0) & (gate <= 1)).all()


def test_entries_that_are_not_kept_change_nothing() -> None:
    """What the mask leaves out has no influence, whatever stands there."""
    fusion = GatedFusion(WIDTH)
    current, bank, elapsed_s, is_kept, age_s = _inputs(0, 4)
    is_kept[:, :2] = False
    before, _ = fusion(current, bank, elapsed_s, is_kept, age_s)
    bank[:, :2] = 100.0

    after, _ = fusion(current, bank, elapsed_s, is_kept, age_s)

    assert torch.allclose(before, after)


def test_order_of_the_entries_does_not_matter() -> None:
    """Time stands in the encoding, not in the place: a shuffled bank fuses the same."""
    fusion = GatedFusion(WIDTH)
    current, bank, elapsed_s, is_kept, age_s = _inputs(1, 5)
    order = torch.tensor([3, 1, 4, 0, 2])

    straight, _ = fusion(current, bank, elapsed_s, is_kept, age_s)
    shuffled, _ = fusion(current, bank[:, order], elapsed_s[:, order], is_kept, age_s)

    assert torch.allclose(straight, shuffled, atol=1e-5)


def test_gate_sees_the_age_of_the_latent() -> None:
    """The gate differs between a fresh and a stale latent of the same content."""
    fusion = GatedFusion(WIDTH)
    torch.nn.init.normal_(fusion.gate.weight, std=0.3)
    current, bank, elapsed_s, is_kept, _ = _inputs(2, 3)

    _, fresh = fusion(current, bank, elapsed_s, is_kept, torch.zeros(2))
    _, stale = fusion(current, bank, elapsed_s, is_kept, torch.full((2,), 8.0))

    assert not torch.allclose(fresh, stale, atol=1e-3)


@given(st.floats(0, 600))
def test_encoded_seconds_are_bounded(seconds: float) -> None:
    """A time encoding stays within one, however long the episode."""
    code = encode_seconds(torch.tensor([seconds]), 32)

    assert code.shape == (1, 32)
    assert code.abs().max() <= 1.0 + 1e-6


def test_attention_is_what_was_read_by() -> None:
    """Each head's weights sum to one, blank entries have none, and they are those of reading."""
    torch.manual_seed(0)
    fusion = GatedFusion(8, heads=2)
    current, bank = torch.randn(1, 3, 8), torch.randn(1, 4, 3, 8)
    elapsed_s, is_kept = torch.rand(1, 4), torch.tensor([[True, False, True, True]])
    weights = fusion.attention(current, bank, elapsed_s, is_kept)
    assert weights.shape == (1, 2, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2))
    assert (weights[..., 1] == 0).all()
    # With values that are the same within an entry, what is read is their weighted mean.
    with torch.no_grad():
        fusion.value.weight.copy_(torch.eye(8))
        fusion.value.bias.zero_()
        marks = torch.tensor([1.0, 0.0, 2.0, 3.0])
        fusion.key.weight.zero_()
        fusion.query.weight.zero_()
    even = fusion.attention(current, bank, elapsed_s, is_kept)
    torch.testing.assert_close(even[0], torch.tensor([1 / 3, 0.0, 1 / 3, 1 / 3]).expand(2, 4))
    read = fusion._retrieve(current, marks[None, :, None, None].expand_as(bank), elapsed_s, is_kept)
    torch.testing.assert_close(read, torch.full_like(read, 2.0))


def test_the_time_of_the_episode_tells_nothing_until_it_is_trained() -> None:
    """Weights from before it act as they did; once trained, two equally old moments differ."""
    fusion = GatedFusion(WIDTH)
    current, bank, elapsed_s, is_kept, age_s = _inputs(3, 4)
    time_s = torch.rand(2, 4) * 20

    without, _ = fusion(current, bank, elapsed_s, is_kept, age_s)
    untrained, _ = fusion(current, bank, elapsed_s, is_kept, age_s, time_s=time_s)
    torch.nn.init.normal_(fusion.clock.weight)
    trained, _ = fusion(current, bank, elapsed_s, is_kept, age_s, time_s=time_s)

    assert torch.equal(without, untrained)
    assert not torch.allclose(without, trained, atol=1e-3)
