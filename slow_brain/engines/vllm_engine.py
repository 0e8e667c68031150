"""Runs the planner's model with vLLM: batching, prefix cache, held to a schema, quick to abort.

vLLM has a process of its own for the model; this engine talks to it from the planner's. The hidden
states are those of the request that wrote the text, noted inside vLLM's worker (`vllm_tap`).
"""

import contextlib
import importlib
import uuid
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from bridge.arrays import FloatArray
from bridge.errors import ConfigError, ContractError, TandemError, TransportError
from bridge.specs import LatentSpec
from slow_brain.decoding import SHIPPED_TAP, pooled
from slow_brain.engines.chat_inputs import (
    chat_text,
    check_token,
    image_token_id,
    picture_px,
    picture_tokens,
)
from slow_brain.engines.engine import (
    ANSWER_END,
    LAST_LAYER,
    PROMPT_END,
    EngineInfo,
    EngineOutput,
    EngineRequest,
    Finish,
    HiddenStates,
    LatentTap,
    TextPiece,
)
from slow_brain.engines.loop_thread import LoopThread
from slow_brain.engines.model_files import load_config, load_processor, weights_folder
from slow_brain.engines.settings import checked
from slow_brain.engines.vllm_settings import engine_arguments, prepare_environment

_NO_TOKEN = -1


class VllmEngine:
    """One model in vLLM's `AsyncLLM`.

    Args:
        weights: Folder of the model in Hugging Face layout, or the name of a shipped one; the
            shipped planner if empty.
        tap: Settings of `LatentTap`; those of the shipped planner if left out.
        threads: CPU threads for the model.
        dtype: Of the weights and the arithmetic.
        context_tokens: How long prompt and answer may be together; 0 takes the model's limit.
        cache_mb: Memory for keys and values [MiB].
        most_requests: How many requests are answered at a time.
        most_pictures: How many pictures one request may have.
        start_limit_s: Longest time to load [s].
        silence_s: Longest time without a word [s].
        engine_args: More of vLLM's own `AsyncEngineArgs`.

    Raises:
        ConfigError: vLLM is missing, or it cannot run this model.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        tap: Mapping[str, Any] | None = None,
        threads: int = 1,
        dtype: str = "float32",
        context_tokens: int = 0,
        cache_mb: int = 64,
        most_requests: int = 4,
        most_pictures: int = 4,
        start_limit_s: float = 300.0,
        silence_s: float = 30.0,
        engine_args: Mapping[str, Any] | None = None,
    ) -> None:
        prepare_environment(threads)
        folder = weights_folder(weights)
        self._tap = SHIPPED_TAP if tap is None else checked(LatentTap, tap, "engine_options.tap")
        self._processor, config = load_processor(folder), load_config(folder)
        check_token(self._processor, self._tap)
        text_config = config.get_text_config(decoder=True)
        _check_layer(self._tap.layer, text_config.num_hidden_layers)
        self._image_token = image_token_id(config)
        self._cognitive = _token(self._processor, self._tap)
        self._silence_s, self._start_limit_s = silence_s, start_limit_s
        self._context = context_tokens or text_config.max_position_embeddings
        self._vllm = _library()
        self._info = EngineInfo(
            name="vllm",
            latent=LatentSpec(
                perceptual_tokens=self._tap.perceptual_tokens
                or picture_tokens(self._processor, config),
                cognitive_tokens=1,
                width=text_config.hidden_size,
            ),
            picture_px=picture_px(self._processor),
            context_tokens=self._context,
            details={"model": config.architectures[0], "weights": str(folder)},
        )
        self._arguments = engine_arguments(
            folder,
            dtype=dtype,
            context_tokens=self._context,
            cache_mb=cache_mb,
            most_requests=most_requests,
            most_pictures=most_pictures,
            more=engine_args or {},
        )
        self._loop = LoopThread("vllm")
        try:
            self._llm = self._start()
        except TandemError:
            self._loop.close()
            raise

    @property
    def info(self) -> EngineInfo:
        """What the loaded model is and gives."""
        return self._info

    def _start(self) -> Any:  # noqa: ANN401  # Of a library that may be missing.
        async def start() -> Any:  # noqa: ANN401  # As above.
            args_module = importlib.import_module("vllm.engine.arg_utils")
            engine_module = importlib.import_module("vllm.v1.engine.async_llm")
            llm = engine_module.AsyncLLM.from_engine_args(
                args_module.AsyncEngineArgs(**self._arguments)
            )
            noted = (self._tap.layer, self._image_token, self._cognitive)
            await llm.collective_rpc("tandem_tap", args=noted)
            return llm

        try:
            return self._loop.run(start(), self._start_limit_s, "Starting vLLM")
        except TandemError:
            raise
        except Exception as error:
            # vLLM raises many kinds; which model and why is all that helps.
            model = self._info.details["model"]
            raise ConfigError(f"vLLM cannot run this {model}: {error}") from error

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Stream the answer; closing it aborts the request.

        If vLLM's process has died since, it is started anew first, which takes a while.

        Raises:
            ConfigError: vLLM does not start again.
            ContractError: The prompt is longer than the model can read.
            TransportError: vLLM's process dies, or is silent.
        """
        if self._llm.errored:
            self._llm.shutdown()
            self._llm = self._start()
        request_id = uuid.uuid4().hex
        prompt = self._prompt(request)
        more = 0 if self._cognitive == _NO_TOKEN else 1
        settings = self._sampling(request, max_tokens=request.max_tokens + more)
        stream = self._llm.generate(prompt, settings, request_id, priority=request.priority)
        answer = _Answer(self._cognitive, request.max_tokens)
        is_early = self._tap.cognitive == PROMPT_END
        with contextlib.closing(self._outputs(stream)) as outputs:
            for output in outputs:
                is_first = not answer.tokens
                text = answer.take(output)
                if is_early and is_first:
                    yield self._hidden_states(request, request_id, answer.prompt_ids, keep=True)
                if text:
                    yield TextPiece(text)
                if answer.is_over:
                    break
            if not is_early and answer.has_cognitive:
                yield self._hidden_states(request, request_id, answer.prompt_ids, keep=False)
        yield answer.finish()

    def _outputs(self, stream: AsyncGenerator[Any]) -> Generator[Any]:
        refused = importlib.import_module("vllm.exceptions").VLLMClientError
        errors = importlib.import_module("vllm.v1.engine.exceptions")
        try:
            yield from self._loop.iterate(stream, self._silence_s, "vLLM's next word")
        except (ValueError, refused) as error:
            # What vLLM says of a prompt that it cannot take.
            raise ContractError(
                leaf="prompt", expected=f"at most {self._context} tokens with the answer", got=error
            ) from error
        except (errors.EngineDeadError, errors.EngineGenerateError) as error:
            raise TransportError(
                f"vLLM's process has failed ({error}); it is started anew for the next plan."
            ) from error

    def _prompt(self, request: EngineRequest) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt": chat_text(self._processor, request.turns)}
        if request.pictures:
            pictures = [Image.fromarray(picture) for picture in request.pictures]
            prompt["multi_modal_data"] = {"image": pictures}
        return prompt

    def _sampling(
        self, request: EngineRequest, *, max_tokens: int, skip_cache: bool = False
    ) -> Any:  # noqa: ANN401  # Of a library that may be missing.
        module = importlib.import_module("vllm.sampling_params")
        held = None
        if request.schema is not None:
            held = module.StructuredOutputsParams(json=dict(request.schema))
        return module.SamplingParams(
            temperature=request.temperature,
            max_tokens=max_tokens,
            output_kind=module.RequestOutputKind.DELTA,
            structured_outputs=held,
            skip_reading_prefix_cache=skip_cache or None,
        )

    def _hidden_states(
        self, request: EngineRequest, request_id: str, prompt_ids: Sequence[int], *, keep: bool
    ) -> HiddenStates:
        which = self._tap.cognitive if self._tap.cognitive in (ANSWER_END, PROMPT_END) else "token"
        images, cognitive = self._fetch(request_id, which, keep=keep)
        if prompt_ids.count(self._image_token) > len(images):
            # The very same picture was read before, so the prefix cache had its tokens.
            images = self._read_pictures(request)
        tokens = pooled(torch.from_numpy(images), self._tap.perceptual_tokens)
        return HiddenStates(tokens.numpy(), cognitive)

    def _read_pictures(self, request: EngineRequest) -> FloatArray:
        """Read the prompt once more without the cache, for the states of its pictures."""
        request_id = uuid.uuid4().hex
        settings = self._sampling(request, max_tokens=1, skip_cache=True)
        stream = self._llm.generate(self._prompt(request), settings, request_id)
        for _ in self._outputs(stream):
            pass
        return self._fetch(request_id, ANSWER_END, keep=False)[0]

    def _fetch(self, request_id: str, which: str, *, keep: bool) -> tuple[FloatArray, FloatArray]:
        call = self._llm.collective_rpc(
            "tandem_take", args=(request_id, which), kwargs={"keep": keep}
        )
        ((images, cognitive, width),) = self._loop.run(call, self._silence_s, "Fetching latents")
        # Copied, because what lies in received bytes cannot be written to, which torch wants.
        found = [np.frombuffer(each, np.float32).copy() for each in (images, cognitive)]
        if not width or not cognitive:
            raise ContractError(leaf="vllm", expected="hidden states of the request", got="none")
        return found[0].reshape(-1, width), found[1].reshape(-1, width)

    def count_tokens(self, text: str) -> int:
        """Exactly, by the model's own tokenizer."""
        return len(self._processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def close(self) -> None:
        """End vLLM's process."""
        self._llm.shutdown()
        self._loop.close()


class _Answer:
    """One answer as vLLM hands it out.

    The declared token's state is there only after one more token: that one is not part of it.
    """

    def __init__(self, cognitive: int, max_tokens: int) -> None:
        self._cognitive, self._max_tokens = cognitive, max_tokens
        self._has_token = self._has_end = False
        self._reused: int | None = None
        self.prompt_ids: list[int] = []
        self.tokens = 0
        self.is_over = False

    @property
    def has_cognitive(self) -> bool:
        """Whether there is a state of the declared token."""
        return self.is_over and (self._has_token or self._cognitive == _NO_TOKEN) and self._is_whole

    @property
    def _is_whole(self) -> bool:
        return (self._has_end or self._has_token) and self.tokens <= self._max_tokens

    def take(self, output: Any) -> str:  # noqa: ANN401  # Of a library that may be missing.
        """Return the text of vLLM's next output that belongs to the answer."""
        new = output.outputs[0]
        self.prompt_ids = list(output.prompt_token_ids or self.prompt_ids)
        self._reused = output.num_cached_tokens
        text = "" if self._has_token else new.text
        for token in new.token_ids:
            if self._has_token:
                self.is_over = True
                return text
            self.tokens += 1
            self._has_token = token == self._cognitive
        if new.finish_reason is not None:
            self.is_over, self._has_end = True, new.finish_reason == "stop"
            # The token that ended it is no part of the answer.
            self.tokens -= self._has_end
        return text if self.tokens <= self._max_tokens else ""

    def finish(self) -> Finish:
        """How it ended."""
        tokens = min(self.tokens, self._max_tokens)
        return Finish(self._is_whole, tokens, len(self.prompt_ids), self._reused)


def _token(processor: Any, tap: LatentTap) -> int:  # noqa: ANN401  # transformers has no common type.
    if tap.cognitive in (ANSWER_END, PROMPT_END):
        return _NO_TOKEN
    return processor.tokenizer.convert_tokens_to_ids(tap.cognitive)


def _check_layer(layer: int, count: int) -> None:
    if layer >= count:
        raise ConfigError(
            f"The model has no hidden layer {layer}: it has 0 to {count - 1}, and {LAST_LAYER} for "
            "the last one after the final norm. Set `tap.layer` to one of these."
        )


def _library() -> Any:  # noqa: ANN401  # It may be missing.
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise ConfigError(
            f"The vllm engine needs vLLM ({error}): pip install 'tandem-agent[vllm]' for a GPU; "
            "for a CPU see docs/engines.md."
        ) from error
