"""Loads a model and its processor from a folder; nothing is fetched from anywhere."""

import json
from pathlib import Path
from typing import Any

from bridge.errors import ConfigError, MissingWeightsError

SHIPPED_WEIGHTS = Path(__file__).parent.parent / "weights" / "planner"


def weights_folder(weights: str) -> Path:
    """The folder of weights: a path, a shipped one by name, or the shipped planner's if empty."""
    if not weights:
        return SHIPPED_WEIGHTS
    shipped = SHIPPED_WEIGHTS.parent / weights
    return shipped if "/" not in weights and shipped.is_dir() else Path(weights)


def load_model(folder: Path, dtype: str) -> Any:  # noqa: ANN401  # transformers has no common type for these models.
    """Return the model, ready to be asked.

    Raises:
        MissingWeightsError: The folder has no weights.
        ConfigError: It is not a model that reads pictures and writes text.
    """
    from transformers import AutoModelForImageTextToText

    check_folder(folder)
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, dtype=dtype
        )
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(
            f"{folder} holds a {_model_type(folder)!r} model that transformers cannot load as one "
            f"that reads pictures and writes text (AutoModelForImageTextToText): {error}"
        ) from error
    if not (hasattr(model, "model") and hasattr(model, "lm_head")):
        raise ConfigError(
            f"{type(model).__name__} in {folder} cannot be decoded token by token: it has no "
            "`model` under a `lm_head`. Choose another model, or serve this one and take the "
            "openai engine."
        )
    return model.eval()


def load_processor(folder: Path) -> Any:  # noqa: ANN401  # As above.
    """Return the processor: a tokenizer and what prepares pictures.

    Raises:
        MissingWeightsError: The folder has no weights.
        ConfigError: There is no processor for pictures, or the model has no chat template.
    """
    from transformers import AutoProcessor

    check_folder(folder)
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (ValueError, KeyError, OSError, ImportError) as error:
        raise _no_image_processor(folder, error) from error
    if getattr(processor, "image_processor", None) is None:
        raise _no_image_processor(folder, f"only a {type(processor).__name__} was found")
    if processor.chat_template is None:
        raise ConfigError(
            f"The model in {folder} has no chat template, so nobody knows how to ask it: put the "
            "chat_template.jinja it was trained with into that folder."
        )
    return processor


def load_config(folder: Path) -> Any:  # noqa: ANN401  # As above.
    """Return the model's settings, without its weights.

    Raises:
        MissingWeightsError: The folder has no weights.
        ConfigError: It is no model that transformers knows, or none that reads pictures.
    """
    from transformers import AutoConfig

    check_folder(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(
            f"{folder} holds a model that transformers does not know: {error}"
        ) from error
    if not hasattr(config, "vision_config"):
        raise ConfigError(f"{folder} holds a {config.model_type!r} model, which does not see.")
    return config


def check_folder(folder: Path) -> None:
    """Refuse a folder without weights.

    Raises:
        MissingWeightsError: Says how to make or get some.
    """
    if any(folder.glob("*.safetensors")):
        return
    how = "agent train planner"
    if folder != SHIPPED_WEIGHTS:
        how += ", or copy a model in Hugging Face layout there"
    raise MissingWeightsError(path=str(folder), how_to_make=how)


def _no_image_processor(folder: Path, why: object) -> ConfigError:
    return ConfigError(
        f"The model in {folder} comes without an image processor that can be loaded here, so it "
        f"cannot see: {why}. Put its preprocessor_config.json or processor_config.json there, and "
        "install what it needs."
    )


def _model_type(folder: Path) -> str:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError):
        return "nameless"
    return str(found)
