"""Libraries that would write between our lines, told not to; for here and the workers."""

import os

_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "RAY_USAGE_STATS_ENABLED": "0",
    # What a bench process draws with, where nobody has chosen.
    "MUJOCO_GL": "egl",
}


def be_quiet() -> None:
    """Call this first: they look when they are imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
