"""The shipped planner: a small vision-language model that thinks aloud, then hands over latents."""

from collections.abc import Iterator
from pathlib import Path

import torch

from bridge.clock import SystemClock
from bridge.errors import ContractError
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought
from bridge.protocols import Clock
from bridge.specs import LatentSpec, PlannerSpec
from slow_brain import checkpoint
from slow_brain.chain_of_thought import ParsedThought, ThoughtParser
from slow_brain.decoding import GreedyDecoder, HiddenStates
from slow_brain.prompt import planner_prompt

DEFAULT_WEIGHTS = Path(__file__).parent.parent / "weights" / "planner"
_CAMERA = "front"


class VisionLanguagePlanner:
    """Plans from one picture with an Idefics3 model in this process.

    The cognitive latent is the last layer at the act token, the perceptual latents are the last
    layer at the image tokens: hidden states of the same request that wrote the plan.

    Args:
        weights: Folder in Hugging Face layout; the shipped one if empty.
        camera: Which picture to look at.
        max_tokens: Longest answer; a longer one is refused as looping.
        skills: Subtasks that may be named; empty means any.
        subtask_timeout_s: How long a subtask may take before it has failed [s].
        threads: CPU threads for the model.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        camera: str = _CAMERA,
        max_tokens: int = 160,
        skills: tuple[str, ...] = (),
        subtask_timeout_s: float = 30.0,
        threads: int = 1,
        clock: Clock | None = None,
    ) -> None:
        torch.set_num_threads(threads)
        model, processor = checkpoint.load(Path(weights) if weights else DEFAULT_WEIGHTS)
        self._decoder = GreedyDecoder(model, processor)
        self._camera = camera
        self._max_tokens = max_tokens
        self._skills = skills
        self._subtask_timeout_s = subtask_timeout_s
        self._clock = clock or SystemClock()
        self._sequence = 0
        latent = LatentSpec(
            perceptual_tokens=processor.image_seq_len,
            cognitive_tokens=1,
            width=model.get_input_embeddings().embedding_dim,  # pyright: ignore[reportArgumentType]
        )
        self._spec = PlannerSpec(latent=latent, cameras=(camera,))

    @property
    def spec(self) -> PlannerSpec:
        """One camera in; image tokens and one act token out."""
        return self._spec

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Think about the newest picture; thoughts come as they are written.

        Raises:
            ContractError: The picture is missing or has the wrong shape, or the text is no plan.
        """
        image = self._picture(request)
        current = None if request.current is None else request.current.text
        finished = [subtask.text for subtask in request.finished]
        prompt = planner_prompt(request.goal.text, finished, current)
        parser = ThoughtParser(
            plan_id=request.plan_id, clock=self._clock, known_skills=self._skills
        )
        hidden: HiddenStates | None = None
        for piece in self._decoder.decode(prompt, image, self._max_tokens):
            if isinstance(piece, HiddenStates):
                hidden = piece
            else:
                yield from parser.feed(piece.text)
        yield from parser.close()
        parsed = parser.finish()
        yield self._plan(request, parsed)
        if hidden is not None:
            yield self._latent(request, parsed, hidden)

    def _picture(self, request: PlanRequest):  # noqa: ANN202 - read-only uint8 picture.
        image = request.observation.images.get(self._camera)
        size = checkpoint.IMAGE_SIZE_PX
        if image is None or image.shape != (size, size, 3):
            got = "nothing" if image is None else f"{image.dtype}{list(image.shape)}"
            raise ContractError(
                leaf=f"observation.images.{self._camera}",
                expected=f"uint8[{size}, {size}, 3]",
                got=got,
            )
        return image

    def _plan(self, request: PlanRequest, parsed: ParsedThought) -> Plan:
        subtasks = tuple(
            Subtask(id=f"{request.plan_id}.{number}", text=text, timeout_s=self._subtask_timeout_s)
            for number, text in enumerate(parsed.plan)
        )
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=subtasks,
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            current_subtask_done=parsed.is_current_done,
            goal_done=parsed.subtask is None,
            stamp_ns=self._clock.now_ns(),
        )

    def _latent(self, request: PlanRequest, parsed: ParsedThought, hidden: HiddenStates) -> Latent:
        self._sequence += 1
        return Latent(
            perceptual=hidden.perceptual,
            cognitive=hidden.cognitive,
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=self._clock.now_ns(),
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=parsed.subtask or "",
            episode_id=request.observation.episode_id,
        )

    def close(self) -> None:
        """Nothing to free: the model lives as long as its process."""
