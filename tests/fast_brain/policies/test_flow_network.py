"""The network's flow: known rows, flow times of rows, and weights from before there were any."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bridge.errors import ContractError
from fast_brain.policies.flow_network import (
    ACTION_WIDTH,
    COGNITIVE_TOKENS,
    HORIZON,
    LATENT_WIDTH,
    LONGEST_TEXT_WORDS,
    PERCEPTUAL_TOKENS,
    PROPRIOCEPTION_WIDTH,
    FlowNetwork,
    PolicyInput,
    load_weights,
    save_weights,
)

CONDITION_WIDTH = 896


def _network(*, knows_row_times: bool = True) -> FlowNetwork:
    torch.manual_seed(0)
    network = FlowNetwork().eval()
    if knows_row_times:
        torch.nn.init.normal_(network.head.row_times.weight, std=0.1)
    return network


def _given(batch: int) -> PolicyInput:
    return PolicyInput(
        torch.randn(batch, 3, 96, 96),
        torch.randn(batch, 3, 96, 96),
        torch.randn(batch, PROPRIOCEPTION_WIDTH),
        torch.ones(batch, LONGEST_TEXT_WORDS, dtype=torch.long),
        torch.randn(batch, 1, PERCEPTUAL_TOKENS, LATENT_WIDTH),
        torch.randn(batch, 1, COGNITIVE_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, 1),
        torch.ones(batch, 1, dtype=torch.bool),
        torch.ones(batch, dtype=torch.bool),
    )


@torch.inference_mode()
def test_rows_at_one_time_are_as_the_whole_chunk_at_that_time() -> None:
    """Without a prefix the flow times of rows change nothing, whatever their weights."""
    network = _network()
    noisy, condition = torch.randn(3, HORIZON, ACTION_WIDTH), torch.randn(3, CONDITION_WIDTH)
    time = torch.tensor([0.0, 0.4, 0.9])

    whole = network.head(noisy, time, condition)
    by_row = network.head(noisy, time[:, None].expand(3, HORIZON), condition)

    torch.testing.assert_close(whole, by_row, rtol=0, atol=0)


@torch.inference_mode()
def test_time_of_a_known_row_reaches_the_others() -> None:
    """Once trained, the network tells a clean first row from a noisy one."""
    network = _network()
    noisy, condition = torch.randn(1, HORIZON, ACTION_WIDTH), torch.randn(1, CONDITION_WIDTH)
    time = torch.full((1, HORIZON), 0.4)
    known = time.clone()
    known[:, 0] = 1.0

    assert (
        network.head(noisy, time, condition) - network.head(noisy, known, condition)
    ).abs().max() > 1e-3


@torch.inference_mode()
def test_known_rows_stay_exactly_as_they_are() -> None:
    """Sampling with a prefix gives it back to the last bit, and the rest depends on it."""
    network, given = _network(), _given(1)
    noise = torch.randn(1, HORIZON, ACTION_WIDTH)
    prefix = torch.randn(1, 3, ACTION_WIDTH)

    chunk, _ = network.sample(given, 4, noise, prefix)
    other, _ = network.sample(given, 4, noise, prefix + 1)
    free, _ = network.sample(given, 4, noise)
    empty, _ = network.sample(given, 4, noise, prefix[:, :0])

    torch.testing.assert_close(chunk[:, :3], prefix, rtol=0, atol=0)
    assert (chunk[:, 3:] - other[:, 3:]).abs().max() > 1e-4
    torch.testing.assert_close(free, empty, rtol=0, atol=0)


def test_loss_without_known_rows_is_that_of_flow_matching() -> None:
    """Told that no row is known, the loss is the plain one."""
    network, given = _network(), _given(2)
    chunk = torch.randn(2, HORIZON, ACTION_WIDTH)
    losses = []
    for known in (None, torch.zeros(6, dtype=torch.long)):
        torch.manual_seed(1)
        losses.append(network.loss(given, chunk, 3, known))

    torch.testing.assert_close(losses[0], losses[1])


def test_loss_counts_unknown_rows_only() -> None:
    """The gradient of the velocity is zero in known rows: Σ loss · mask / Σ mask."""
    network, given = _network(), _given(2)
    chunk = torch.randn(2, HORIZON, ACTION_WIDTH)
    velocities: list[torch.Tensor] = []

    def keep(_module: torch.nn.Module, _inputs: object, velocity: torch.Tensor) -> None:
        velocity.retain_grad()
        velocities.append(velocity)

    network.head.register_forward_hook(keep)
    network.loss(given, chunk, 1, torch.tensor([0, 5])).backward()

    gradient = velocities[0].grad
    assert gradient is not None
    assert gradient[0].abs().amin(-1).amin() > 0
    assert not gradient[1, :5].any()
    assert gradient[1, 5:].abs().amin(-1).amin() > 0


def test_known_rows_are_shown_clean() -> None:
    """What the head is given in known rows is the action itself, at flow time 1."""
    network, given = _network(), _given(1)
    chunk = torch.randn(1, HORIZON, ACTION_WIDTH)
    shown: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        shown.append((inputs[0], inputs[1]))

    network.head.register_forward_pre_hook(keep)
    network.loss(given, chunk, 1, torch.tensor([4]))

    noisy, time = shown[0]
    torch.testing.assert_close(noisy[:, :4], chunk[:, :4])
    assert (time[0, :4] == 1).all()
    assert (time[0, 4:] < 1).all()


def test_older_weights_load_and_act_as_they_did(tmp_path: Path) -> None:
    """Weights from before row times fill everything else; a prefix then changes no modulation."""
    network = _network()
    older = {
        name: value for name, value in network.state_dict().items() if "head.row_time" not in name
    }
    save_file(older, tmp_path / "older.safetensors")
    fresh = FlowNetwork().eval()

    load_weights(fresh, tmp_path / "older.safetensors")

    assert not fresh.head.row_times.weight.any()
    torch.testing.assert_close(fresh.head.leave.weight, network.head.leave.weight)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """A file that lacks a layer is refused, and the layer is named."""
    network = _network()
    save_weights(network, tmp_path / "whole.safetensors")
    cut = {k: v for k, v in network.state_dict().items() if k != "age.bias"}
    save_file(cut, tmp_path / "cut.safetensors")

    with pytest.raises(ContractError, match=r"age\.bias"):
        load_weights(FlowNetwork(), tmp_path / "cut.safetensors")


def test_network_stays_small() -> None:
    """At most five million parameters."""
    assert sum(p.numel() for p in _network().parameters()) <= 5_000_000


def test_streams_that_remember_other_times_are_read_by_their_own() -> None:
    """Ages of the cognitive stream change what is read; left out, they are the perceptual's."""
    network = _network()
    given = _given(2)
    memory = replace(
        given,
        perceptual=torch.randn(2, 3, PERCEPTUAL_TOKENS, LATENT_WIDTH),
        cognitive=torch.randn(2, 3, COGNITIVE_TOKENS, LATENT_WIDTH),
        elapsed_s=torch.tensor([[4.0, 2.0, 0.5]]).repeat(2, 1),
        is_kept=torch.ones(2, 3, dtype=torch.bool),
    )
    alone, _ = network.condition(memory)
    same, _ = network.condition(replace(memory, cognitive_elapsed_s=memory.elapsed_s))
    other, _ = network.condition(replace(memory, cognitive_elapsed_s=memory.elapsed_s * 3))
    assert torch.equal(alone, same)
    assert not torch.allclose(network.told(alone), network.told(other))
