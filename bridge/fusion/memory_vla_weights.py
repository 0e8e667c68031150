"""Published MemoryVLA weights by their own names, whatever stands around them in the checkpoint.

The same tensor is called, for the perceptual stream's first layer:

    openvla     per_mem_bank.retrieval_blocks.0.k_proj.weight      and ffn.2 for the second linear
    dexbotic    retrieval_blocks.per.0.k_proj.weight               and ffn.3: dropout lies between

with any prefix before it. Ours are openvla's names.
"""

import re
from collections.abc import Mapping

import torch

from bridge.errors import ContractError
from bridge.fusion.memory_vla import MemoryVla
from bridge.memories.memory_vla import Variant

_STREAMS = ("per", "cog")
_DEXBOTIC = re.compile(
    r"(?:^|.*\.)(?P<part>retrieval_blocks|gate_fusion_blocks|timestep_embedders)"
    r"\.(?P<stream>per|cog)\.(?P<rest>.+)$"
)
_OPENVLA = re.compile(
    r"(?:^|.*\.)(?P<name>(?:per|cog)_mem_bank\.(?:retrieval_blocks|"
    r"gate_fusion_blocks|timestep_encoder)\..+)$"
)
_TIME = {"timestep_embedders": "timestep_encoder", "timestep_encoder": "timestep_embedders"}
_DEXBOTIC_FFN, _OPENVLA_FFN = ".ffn.3.", ".ffn.2."
# What we add to the published networks; it begins at zero.
_OURS = "gate_fusion_blocks.age.weight"


def load_published(network: MemoryVla, tensors: Mapping[str, object]) -> None:
    """Fill a network with published weights of either variant; nested mappings are looked into.

    Raises:
        ContractError: A tensor is missing or of another shape; the network is then unchanged.
    """
    found = _named_as_ours(_flat(tensors))
    wanted = network.state_dict()
    missing = sorted(name for name in wanted if name not in found and not name.endswith(_OURS))
    if missing:
        raise ContractError(
            leaf="MemoryVLA weights",
            expected=f"{len(wanted)} tensors",
            got=f"{len(missing)} missing, such as {missing[:3]}, of {len(tensors)} names",
        )
    for name, tensor in wanted.items():
        if name in found and found[name].shape != tensor.shape:
            raise ContractError(leaf=name, expected=list(tensor.shape), got=list(found[name].shape))
    network.load_state_dict(
        {name: found.get(name, tensor) for name, tensor in wanted.items()}, strict=True
    )


def named_as_published(network: MemoryVla, variant: Variant) -> dict[str, torch.Tensor]:
    """The network's tensors under a variant's names, without what we add."""
    ours = {name: t for name, t in network.state_dict().items() if not name.endswith(_OURS)}
    if variant == "openvla":
        return ours
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in ours.items():
        bank, part, rest = name.split(".", 2)
        stream = bank.split("_", 1)[0]
        renamed[f"{_TIME.get(part, part)}.{stream}.{rest}".replace(_OPENVLA_FFN, _DEXBOTIC_FFN)] = (
            tensor
        )
    return renamed


def _named_as_ours(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if match := _OPENVLA.match(name):
            found[match["name"]] = tensor
        elif match := _DEXBOTIC.match(name):
            part = _TIME.get(match["part"], match["part"])
            ours = f"{match['stream']}_mem_bank.{part}.{match['rest']}"
            found[ours.replace(_DEXBOTIC_FFN, _OPENVLA_FFN)] = tensor
    return found


def _flat(tensors: Mapping[str, object], prefix: str = "") -> dict[str, torch.Tensor]:
    flat: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if isinstance(value, torch.Tensor):
            flat[prefix + name] = value
        elif isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
    return flat
