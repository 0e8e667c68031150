"""The library that draws, asked for only when there is something to draw."""

from pathlib import Path
from typing import Any

from bridge.errors import ConfigError


def load_pyplot(path: Path) -> Any:  # noqa: ANN401  # The library's module.
    """Matplotlib's pyplot, without a screen.

    Args:
        path: What is to be drawn, for the error.

    Raises:
        ConfigError: There is no matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError(
            f"Cannot draw {path}: {error}. The figures are written; for the picture install "
            "matplotlib, which comes with tandem-agent[train], and go on with --resume."
        ) from error
    mpl.use("agg")
    from matplotlib import pyplot as plt

    return plt
