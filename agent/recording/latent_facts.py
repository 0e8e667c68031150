"""A latent with all its numbers as facts of an event, and back; for `recording.latents: full`."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from bridge.arrays import FloatArray
from bridge.messages import Latent

# The kind of these events: the mailbox that was looked into.
LATENT = "latent"
_STREAMS = ("perceptual", "cognitive")


def facts_of_latent(latent: Latent) -> dict[str, Any]:
    """What is written of a latent: both streams as base64 of float32, little-endian, row by row."""
    streams = {name: _written(getattr(latent, name)) for name in _STREAMS}
    return streams | {
        "observation_stamp_ns": latent.observation_stamp_ns,
        "latent_sequence": latent.sequence,
        "plan_id": latent.plan_id,
        "subtask_id": latent.subtask_id,
        "subtask_text": latent.subtask_text,
        "episode_id": latent.episode_id,
    }


def latent_from(stamp_ns: int, facts: Mapping[str, Any]) -> Latent:
    """The latent that was written; `stamp_ns` [ns] is when it was ready."""
    return Latent(
        perceptual=_read(facts["perceptual"]),
        cognitive=_read(facts["cognitive"]),
        observation_stamp_ns=facts["observation_stamp_ns"],
        ready_stamp_ns=stamp_ns,
        sequence=facts["latent_sequence"],
        plan_id=facts["plan_id"],
        subtask_id=facts["subtask_id"],
        subtask_text=facts["subtask_text"],
        episode_id=facts["episode_id"],
    )


def _written(tokens: FloatArray) -> dict[str, Any]:
    data = tokens.astype("<f4").tobytes()
    return {"shape": list(tokens.shape), "data": base64.b64encode(data).decode()}


def _read(written: Mapping[str, Any]) -> FloatArray:
    tokens: FloatArray = np.frombuffer(base64.b64decode(written["data"]), "<f4")
    return tokens.reshape(written["shape"])
