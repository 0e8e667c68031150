"""What vLLM is started with, and the environment that it reads when it is imported."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WORKER_TAP = "slow_brain.engines.vllm_tap.TandemWorkerTap"
_MEBIBYTE = 1 << 20


def prepare_environment(threads: int) -> None:
    """Set what vLLM reads from the environment alone, where the operator has not.

    It must not call home, must not listen beyond this machine, and on a CPU must neither take every
    core nor compile for minutes. Its newer model runner has another inside, which the tap does not
    know.
    """
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(threads),
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_USE_V2_MODEL_RUNNER": "0",
    }.items():
        os.environ.setdefault(name, value)


def engine_arguments(
    folder: Path,
    *,
    dtype: str,
    context_tokens: int,
    cache_mb: int,
    most_requests: int,
    most_pictures: int,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments of `AsyncEngineArgs`.

    Args:
        folder: Of the model.
        more: Taken as they are; they win.
    """
    return {
        "model": str(folder),
        "dtype": dtype,
        "max_model_len": context_tokens,
        "max_num_seqs": most_requests,
        "kv_cache_memory_bytes": cache_mb * _MEBIBYTE,
        # The default on a CPU is longer than our prompts, which then never share a block.
        "block_size": 32,
        "enable_prefix_caching": True,
        "mm_processor_cache_gb": 0.05,
        "limit_mm_per_prompt": {"image": most_pictures},
        "scheduling_policy": "priority",
        # The tap sees Python calls: no graph replays, and tokens in the batch when they are read.
        "enforce_eager": True,
        "async_scheduling": False,
        "worker_extension_cls": _WORKER_TAP,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        **more,
    }
