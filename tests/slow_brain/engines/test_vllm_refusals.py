"""What the vLLM engine refuses before vLLM itself is needed, so that these run everywhere."""

import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from bridge.errors import ConfigError, MissingWeightsError
from slow_brain.engines import vllm_engine
from slow_brain.engines.model_files import SHIPPED_WEIGHTS
from slow_brain.engines.vllm_engine import VllmEngine


@pytest.fixture(autouse=True)
def _without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of vLLM is loaded, and the environment of the tests stays as it is."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr(vllm_engine, "prepare_environment", lambda threads: None)


def test_without_vllm_it_says_what_to_install() -> None:
    """A missing extra is named, before anything is loaded."""
    with pytest.raises(ConfigError, match=r"tandem-agent\[vllm\].*docs/engines.md"):
        VllmEngine()


@pytest.mark.parametrize(
    ("tap", "words"),
    [
        ({"layer": 4}, "no hidden layer 4: it has 0 to 3"),
        ({"cognitive": "<thought>"}, "no token '<thought>'"),
        ({"cogntive": "x"}, "engine_options.tap.cogntive"),
    ],
)
def test_a_tap_that_the_model_cannot_give_is_refused(tap: dict[str, Any], words: str) -> None:
    """A layer or token that does not exist is one sentence, as with transformers."""
    with pytest.raises(ConfigError, match=words):
        VllmEngine(tap=tap)


def copy_of_the_shipped(folder: Path, *, without: tuple[str, ...]) -> None:
    """The shipped planner, all but some of its files."""
    for path in SHIPPED_WEIGHTS.iterdir():
        if path.name not in without:
            (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("processor_config.json",), "without an image processor"),
        (("chat_template.jinja",), "no chat template"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused(
    tmp_path: Path, without: tuple[str, ...], words: str
) -> None:
    """Nobody guesses how a model sees or wants to be asked."""
    copy_of_the_shipped(tmp_path, without=without)
    with pytest.raises(ConfigError, match=words):
        VllmEngine(weights=str(tmp_path))


def test_a_model_that_does_not_see_is_refused(tmp_path: Path) -> None:
    """A model of another class is named."""
    copy_of_the_shipped(tmp_path, without=("config.json", "model.safetensors"))
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="a 'llama' model, which does not see"):
        VllmEngine(weights=str(tmp_path))


def test_an_empty_folder_says_how_to_get_weights(tmp_path: Path) -> None:
    """Missing weights name the folder and the command."""
    with pytest.raises(MissingWeightsError, match="agent train planner"):
        VllmEngine(weights=str(tmp_path))
