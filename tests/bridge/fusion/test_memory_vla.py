"""MemoryVLA's bank and reading: the published maths, the published names, and the gate's bounds."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bridge.errors import ConfigError, ContractError, MissingWeightsError, TransportError
from bridge.fusion.memory_reader import MemoryReader, load_reader
from bridge.fusion.memory_vla import MemoryVla, StreamReading, published
from bridge.fusion.memory_vla_weights import load_published, named_as_published
from bridge.memories.memory_vla import Consolidation, MemoryVlaMemory, Variant
from bridge.memories.stores import SharedMemoryReader
from bridge.specs import LatentSpec
from bridge.testing import example_latent
from tests.bridge.fusion.memory_vla_reference import ReferenceStream

SPEC = LatentSpec(perceptual_tokens=5, cognitive_tokens=1, width=16)
SECOND_NS = 1_000_000_000
CAPACITY = 6
CALLS = 30
VARIANTS: tuple[Variant, ...] = ("openvla", "dexbotic")


def _network(variant: Variant, **changes: Any) -> MemoryVla:
    torch.manual_seed(3)
    config = published(variant, SPEC.width, **changes)
    network = MemoryVla(config, config)
    for name, tensor in network.named_parameters():
        if "gate_fusion_blocks.proj" in name:
            torch.nn.init.normal_(tensor, std=0.3)
    return network.eval()


def _reference(
    network: MemoryVla, stream: str, variant: Variant, consolidation: Consolidation
) -> ReferenceStream:
    bank = network.per_mem_bank if stream == "per" else network.cog_mem_bank
    is_dexbotic = variant == "dexbotic"
    return ReferenceStream(
        weights={name: t.double().numpy() for name, t in bank.state_dict().items()},
        heads=4 if is_dexbotic else 1,
        layers=bank.config.layers,
        waves=256 if is_dexbotic else SPEC.width // 4,
        attends_to_itself=is_dexbotic,
        store_fused=is_dexbotic,
        mean_time=is_dexbotic,
        capacity=CAPACITY,
        consolidation=consolidation,
    )


@pytest.mark.parametrize("consolidation", ["tome", "fifo"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_bank_and_reading_equal_the_published_formulas(
    variant: Variant, consolidation: Consolidation
) -> None:
    """Over a whole episode each fused latent and each entry is that of the formulas, to 1e-5."""
    network = _network(variant)
    reader = MemoryReader(network)
    memory = MemoryVlaMemory(
        latent=SPEC,
        variant=variant,
        capacity=CAPACITY,
        consolidation=consolidation,
        fuser=reader,
    )
    references = [_reference(network, name, variant, consolidation) for name in ("per", "cog")]
    for call in range(CALLS):
        latent = example_latent(SPEC, stamp_ns=call * SECOND_NS // 4, sequence=call)
        memory.write(latent)
        fused = reader.read(memory.streams(), age_s=0.0)
        for ours, tokens, reference in zip(
            (fused.perceptual, fused.cognitive),
            (latent.perceptual, latent.cognitive),
            references,
            strict=True,
        ):
            theirs = reference.call(tokens.astype(np.float64), call / 4)
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    # The entries before the newest are the bank before the last call's write.
    memory.write(example_latent(SPEC, stamp_ns=CALLS * SECOND_NS, sequence=CALLS))
    for entries, reference in zip(memory.streams(), references, strict=True):
        np.testing.assert_allclose(entries.time_s[:-1], [t for t, _ in reference.bank], atol=1e-9)
        np.testing.assert_allclose(
            entries.copy()[:-1], [tokens for _, tokens in reference.bank], atol=1e-5
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_reads_as_the_memory_does(variant: Variant) -> None:
    """What training computes for rows of different lengths is what the reader computes for each."""
    network = _network(variant)
    kept = torch.zeros(4, 3, dtype=torch.bool)
    entries, times = torch.randn(4, 3, 5, 16), torch.rand(4, 3).cumsum(1)
    current, now_s, age_s = torch.randn(4, 5, 16), torch.full((4,), 9.0), torch.zeros(4)
    for length in range(4):
        kept[length, 3 - length :] = True
    batch = network.per_mem_bank(current, entries, times, kept, now_s=now_s, age_s=age_s)
    for length in range(4):
        memory = MemoryVlaMemory(latent=SPEC, store_fused=False)
        memory.reset(episode_id="", start_ns=0)
        for place in range(3 - length, 3):
            _write(memory, entries[length, place], float(times[length, place]))
        _write(memory, current[length], 9.0)
        fused = MemoryReader(network).read(memory.streams(), 0.0)
        np.testing.assert_allclose(fused.perceptual, batch.tokens[length].detach(), atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_names_come_and_go(variant: Variant) -> None:
    """Weights under a variant's own names, nested and prefixed as in a checkpoint, fit exactly."""
    first, second = _network(variant, sees_age=True), _network(variant, sees_age=True, heads=2)
    for tensor in second.parameters():
        torch.nn.init.normal_(tensor)
    nested = {"model": {f"vlm.{n}": t for n, t in named_as_published(first, variant).items()}}
    nested["model"]["vlm.llm.something_else"] = torch.zeros(3)
    load_published(second, nested)
    for name, tensor in named_as_published(first, variant).items():
        assert torch.equal(named_as_published(second, variant)[name], tensor)


def test_the_published_names_are_as_published() -> None:
    """A few names spelled out, so that ours cannot drift together with the code that reads them."""
    openvla = set(named_as_published(_network("openvla"), "openvla"))
    dexbotic = set(named_as_published(_network("dexbotic"), "dexbotic"))
    assert {
        "cog_mem_bank.retrieval_blocks.1.ffn.2.weight",
        "per_mem_bank.gate_fusion_blocks.proj.bias",
        "per_mem_bank.timestep_encoder.mlp.0.weight",
        "per_mem_bank.retrieval_blocks.0.attn_norm.weight",
    } <= openvla
    assert {
        "retrieval_blocks.cog.1.ffn.3.weight",
        "gate_fusion_blocks.per.proj.bias",
        "timestep_embedders.per.mlp.0.weight",
    } <= dexbotic


def test_weights_that_do_not_fit_are_refused_with_the_numbers() -> None:
    """A missing tensor and another width are told, and the network stays as it was."""
    network = _network("openvla")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    wider = named_as_published(MemoryVla(*[published("openvla", 32)] * 2), "openvla")
    with pytest.raises(ContractError, match=r"expected \[.*16.*\], got \[.*32"):
        load_published(network, wider)
    partial = named_as_published(network, "openvla")
    partial.pop("per_mem_bank.retrieval_blocks.0.q_proj.weight")
    with pytest.raises(ContractError, match="1 missing"):
        load_published(network, partial)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_missing_file_of_weights_says_how_to_make_it() -> None:
    """A path without a file is the operator's to change."""
    with pytest.raises(MissingWeightsError, match="named_as_published"):
        load_reader("nowhere.safetensors", SPEC, "openvla")


def test_a_memory_that_stores_fused_latents_reads_its_weights(tmp_path: Path) -> None:
    """Given a file of dexbotic's names, what it stores is what the network makes of it."""
    network, path = _network("dexbotic"), tmp_path / "memory.safetensors"
    save_file(named_as_published(network, "dexbotic"), path)
    memory = MemoryVlaMemory(latent=SPEC, variant="dexbotic", weights=str(path))
    memory.write(example_latent(SPEC, stamp_ns=0, sequence=0))
    fused = MemoryReader(network).read(memory.streams(), 0.0)
    memory.write(example_latent(SPEC, stamp_ns=SECOND_NS, sequence=1))
    np.testing.assert_allclose(memory.read(0).perceptual[0], fused.perceptual, atol=1e-6)


@pytest.fixture
def shared() -> Iterator[MemoryVlaMemory]:
    """A memory that others read in place."""
    run_id = f"test{uuid.uuid4().hex[:12]}"
    memory = MemoryVlaMemory(latent=SPEC, capacity=3, shared_name="memory", run_id=run_id)
    yield memory
    memory.close()


def test_another_processes_memory_is_read_in_place(shared: MemoryVlaMemory) -> None:
    """Through shared memory the same is read as beside the writer, write after write."""
    network = _network("openvla", sees_age=True)
    assert shared.address is not None
    remote = SharedMemoryReader(shared.address, SPEC)
    here, there = MemoryReader(network), MemoryReader(network)
    for call in range(9):
        shared.write(example_latent(SPEC, stamp_ns=call * SECOND_NS, sequence=call))
        mine = here.read(shared.streams(), 0.5)
        theirs = there.read_shared(remote, call * SECOND_NS + SECOND_NS // 2)
        np.testing.assert_array_equal(mine.perceptual, theirs.perceptual)
        assert mine.gate_mean == theirs.gate_mean
    remote.close()


def test_a_reading_that_was_overtaken_is_thrown_away(
    shared: MemoryVlaMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was projected of rows that changed meanwhile is forgotten, and the read is repeated."""
    shared.write(example_latent(SPEC))
    assert shared.address is not None
    remote, reader = SharedMemoryReader(shared.address, SPEC), MemoryReader(_network("openvla"))
    answers = iter([False, True])
    monkeypatch.setattr(remote, "is_intact", lambda contents: next(answers))
    forgotten: list[int] = []
    monkeypatch.setattr(reader, "forget", lambda: forgotten.append(1))
    reader.read_shared(remote, 0)
    assert forgotten == [1]
    monkeypatch.setattr(remote, "is_intact", lambda contents: False)
    with pytest.raises(TransportError, match="each of 4 reads"):
        reader.read_shared(remote, 0)
    remote.close()


def test_reading_draws_nothing_at_random() -> None:
    """At run time two reads of the same memory are the same; one code base leaves dropout on."""
    network = _network("dexbotic")
    assert network.per_mem_bank.config.dropout == 0.1
    memory = _filled(9)
    first, second = (MemoryReader(network).read(memory.streams(), 0.5) for _ in range(2))
    np.testing.assert_array_equal(first.perceptual, second.perceptual)


def test_training_does_draw_at_random() -> None:
    """Dropout is there while training."""
    reading = _network("dexbotic").per_mem_bank.train()
    inputs = (torch.randn(1, 5, 16), torch.randn(1, 2, 5, 16), torch.rand(1, 2))
    kept, zero = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1)
    first, second = (reading(*inputs, kept, now_s=zero, age_s=zero) for _ in range(2))
    assert not torch.equal(first.tokens, second.tokens)


@given(seed=st.integers(0, 500), age_s=st.floats(0, 100), variant=st.sampled_from(VARIANTS))
def test_a_fused_token_lies_between_the_latent_and_what_was_retrieved(
    seed: int, age_s: float, variant: Variant
) -> None:
    """Whatever weights, content and age, no element leaves the hull of the gate's two inputs."""
    torch.manual_seed(seed)
    reading = StreamReading(published(variant, 16, sees_age=True))
    for tensor in reading.parameters():
        torch.nn.init.normal_(tensor, std=0.5)
    current, retrieved = torch.randn(2, 5, 16) * 3, torch.randn(2, 5, 16) * 3
    fused = reading.blend(current, retrieved, torch.full((2,), age_s))
    low, high = torch.minimum(current, retrieved), torch.maximum(current, retrieved)
    assert ((fused.tokens >= low - 1e-6) & (fused.tokens <= high + 1e-6)).all()
    assert ((fused.gate >= 0) & (fused.gate <= 1)).all()


def test_the_gate_sees_the_age_once_it_is_trained() -> None:
    """Untrained, age changes nothing, so published weights act as published; trained, it does."""
    network = _network("openvla", sees_age=True)
    reader, memory = MemoryReader(network), _filled(9)
    fresh, old = reader.read(memory.streams(), 0.0), reader.read(memory.streams(), 9.0)
    np.testing.assert_array_equal(fresh.perceptual, old.perceptual)
    age = network.per_mem_bank.gate_fusion_blocks.age
    assert age is not None
    torch.nn.init.normal_(age.weight, std=0.3)
    fresh, old = reader.read(memory.streams(), 0.0), reader.read(memory.streams(), 9.0)
    assert fresh.perceptual_gate_mean != old.perceptual_gate_mean
    assert fresh.cognitive_gate_mean == old.cognitive_gate_mean
    assert 0 < old.gate_mean < 1


def test_fusion_by_adding_is_a_gate_of_one_half() -> None:
    """The published alternative to the gate is the mean of both."""
    reading = _network("openvla", fusion="add").per_mem_bank
    current, retrieved = torch.randn(2, 1, 5, 16)
    fused = reading.blend(current, retrieved, torch.zeros(1))
    torch.testing.assert_close(fused.tokens, (current + retrieved) / 2)


def test_only_entries_that_changed_are_projected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full memory projects at most two entries a write, and none for a second read."""
    network = _network("openvla")
    counts: list[int] = []
    project = StreamReading.project

    def counting(
        self: StreamReading, entries: torch.Tensor, time_s: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        counts.append(entries.shape[0])
        return project(self, entries, time_s)

    monkeypatch.setattr(StreamReading, "project", counting)
    reader, memory = MemoryReader(network), _filled(40)
    reader.read(memory.streams(), 0.0)
    for call in range(40, 60):
        counts.clear()
        memory.write(example_latent(SPEC, stamp_ns=call * SECOND_NS, sequence=call))
        reader.read(memory.streams(), 0.0)
        assert sum(counts) <= 2 * 2  # Two streams.
        counts.clear()
        reader.read(memory.streams(), 3.0)
        assert counts == []


@settings(max_examples=12)
@given(lengths=st.lists(st.integers(1, 12), min_size=2, max_size=4))
def test_what_was_kept_never_changes_what_is_read(lengths: list[int]) -> None:
    """A reader that followed several episodes, growing and shrinking, reads like a new one."""
    network = _network("openvla")
    reader, memory = MemoryReader(network), MemoryVlaMemory(latent=SPEC, capacity=4)
    for episode, length in enumerate(lengths):
        memory.reset(episode_id=str(episode), start_ns=0)
        for call in range(length):
            memory.write(
                example_latent(
                    SPEC,
                    stamp_ns=call * SECOND_NS,
                    sequence=call,
                    seed=100 * episode + call,
                    episode_id=str(episode),
                )
            )
            if call % 3 == 0:
                reader.read(memory.streams(), 0.0)
        kept, fresh = (r.read(memory.streams(), 1.0) for r in (reader, MemoryReader(network)))
        np.testing.assert_allclose(kept.perceptual, fresh.perceptual, atol=1e-6)
        np.testing.assert_allclose(kept.cognitive, fresh.cognitive, atol=1e-6)


def test_forgetting_takes_new_weights_into_account() -> None:
    """After the weights changed, `forget` makes the reader read with them."""
    network = _network("openvla")
    reader, memory = MemoryReader(network), _filled(5)
    before = reader.read(memory.streams(), 0.0)
    torch.nn.init.normal_(network.per_mem_bank.layers[0].v_proj.weight)
    reader.forget()
    after = reader.read(memory.streams(), 0.0)
    assert not np.array_equal(before.perceptual, after.perceptual)


def test_reading_nothing_or_another_width_is_refused() -> None:
    """An empty memory and latents of another width are told with the numbers."""
    reader = MemoryReader(_network("openvla"))
    with pytest.raises(ContractError, match="got 0 of width 16"):
        reader.read(MemoryVlaMemory(latent=SPEC).streams(), 0.0)
    other = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=8)
    memory = MemoryVlaMemory(latent=other)
    memory.write(example_latent(other))
    with pytest.raises(ContractError, match="got 1 of width 8"):
        reader.read(memory.streams(), 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "memvla"},
        {"consolidation": "merge"},
        {"merged_time": "later"},
        {"variant": "dexbotic"},
        {"capacity": 0},
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    """An unknown rule, no room, and fused latents without a network are the operator's mistakes."""
    with pytest.raises(ConfigError):
        MemoryVlaMemory(latent=SPEC, **options)


@pytest.mark.parametrize(
    "changes", [{"heads": 3}, {"layers": 0}, {"dropout": 1.0}, {"unit_s": 0.0}], ids=str
)
def test_networks_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    """Heads that do not divide the width, no layers, and units of no length are told."""
    with pytest.raises(ConfigError):
        published("openvla", 16, **changes)


def test_the_unit_of_time_is_a_setting() -> None:
    """Published weights count frames: at 5 frames a second a second is five units."""
    seconds, frames = _network("openvla"), _network("openvla", unit_s=0.2)
    time_s = torch.tensor([1.0, 2.0])
    entries = torch.randn(2, 5, 16)
    in_frames = frames.per_mem_bank.project(entries, time_s)
    in_seconds = seconds.per_mem_bank.project(entries, time_s * 5)
    torch.testing.assert_close(in_frames[1], in_seconds[1])


def _write(memory: MemoryVlaMemory, perceptual: torch.Tensor, time_s: float) -> None:
    latent = example_latent(SPEC, stamp_ns=round(time_s * SECOND_NS))
    latent = type(latent)(
        perceptual=perceptual.numpy(),
        cognitive=latent.cognitive,
        observation_stamp_ns=latent.observation_stamp_ns,
        ready_stamp_ns=latent.ready_stamp_ns,
        sequence=0,
    )
    memory.write(latent)


def _filled(count: int) -> MemoryVlaMemory:
    memory = MemoryVlaMemory(latent=SPEC, capacity=CAPACITY)
    memory.reset(episode_id="", start_ns=0)
    for call in range(count):
        memory.write(example_latent(SPEC, stamp_ns=call * SECOND_NS, sequence=call))
    return memory


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_reader_says_what_it_attended_to(variant: Variant) -> None:
    """Weights are in the order of the entries, sum to one, and are those of the network."""
    network, memory = _network(variant), _filled(5)
    reader = MemoryReader(network)
    assert reader.memory_use() is None
    streams = memory.streams()
    reader.read(streams, 0.5)
    use = reader.memory_use()
    assert use is not None
    for stream, entries in (("perceptual", streams.perceptual), ("cognitive", streams.cognitive)):
        weights = use.attention[stream]
        assert len(weights) == len(entries.ids)
        assert sum(weights) == pytest.approx(1.0)
        assert weights[-1] == 0.0
        assert 0 < use.gate_means[stream] < 1
    entries, bank = streams.cognitive, network.cog_mem_bank
    rows = torch.from_numpy(entries.rows[entries.row_of].copy())
    times = torch.tensor(entries.time_s, dtype=torch.float32)
    with torch.inference_mode():
        keys = [
            (k.flatten(0, 1)[None], v.flatten(0, 1)[None])
            for k, v in bank.project(rows[:-1], times[:-1])
        ]
        wanted = bank.attention(rows[-1:], keys)[0]
    torch.testing.assert_close(torch.tensor(use.attention["cognitive"][:-1]), wanted)
