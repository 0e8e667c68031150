"""The planner for every vision-language model: it thinks aloud, then hands over latents.

Which model, and where it runs, is the engine's business; what it is asked, the prompt's; how its
words become a plan, the reply form's. Each of them is chosen by name.
"""

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

from bridge.arrays import ImageArray
from bridge.clock import SystemClock
from bridge.errors import ConfigError, ContractError, PlanRefusedError
from bridge.messages import Latent, Plan, PlanRequest, Reply, Subtask, Thinking, Thought
from bridge.plugins import make_plugin
from bridge.protocols import Clock
from bridge.specs import PlannerSpec
from slow_brain.engines.engine import (
    Engine,
    EngineInfo,
    EngineRequest,
    Finish,
    HiddenStates,
    TextPiece,
    Turn,
)
from slow_brain.prompt import SHIPPED_PROMPT
from slow_brain.prompts.prompt_file import PromptValues, load_prompt
from slow_brain.prompts.repair import REPAIR_TEMPERATURE, repair_turns
from slow_brain.prompts.reply import (
    Decision,
    MendingForm,
    NotAPlanError,
    ReplyForm,
    ReplyRules,
)
from slow_brain.reply_stream import ReplyStream


class VisionLanguagePlanner:
    """Plans from pictures and a goal; by default with the shipped model in this process.

    Args:
        engine: What runs the model: "transformers", "vllm", "openai", or `module:Class`.
        engine_options: Its settings.
        weights: Folder of the model, for engines in this process; the shipped one if empty.
        prompt: A shipped prompt by its name, or the path of your own.
        cameras: Which pictures to look at, in this order.
        max_tokens: Longest answer; a longer one is refused as looping.
        skills: Subtasks that may be named; empty means those that the robot declares, or any.
        repairs: How often a reply that is no plan, or is refused, is asked for once more.
        subtask_timeout_s: How long a subtask may take before it has failed [s].
    """

    def __init__(
        self,
        *,
        engine: str = "transformers",
        engine_options: Mapping[str, Any] | None = None,
        weights: str = "",
        prompt: str = SHIPPED_PROMPT,
        cameras: tuple[str, ...] = ("front",),
        max_tokens: int = 160,
        skills: tuple[str, ...] = (),
        repairs: int = 1,
        subtask_timeout_s: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        if not cameras or max_tokens < 1 or repairs < 0:
            raise ConfigError(
                "The planner needs at least one camera, max_tokens of at least 1 and repairs of at "
                f"least 0; it got {list(cameras)}, {max_tokens} and {repairs}."
            )
        self._prompt = load_prompt(prompt)
        self._form: ReplyForm = make_plugin("reply", self._prompt.settings.reply)
        self._cameras = tuple(cameras)
        self._max_tokens = max_tokens
        self._skills = tuple(skills)
        self._repairs = repairs
        self._subtask_timeout_s = subtask_timeout_s
        self._clock = clock or SystemClock()
        self._sequence = 0
        options = {**({"weights": weights} if weights else {}), **(engine_options or {})}
        self._engine: Engine = make_plugin("engine", engine, options)
        info = self._engine.info
        _check_answer_fits(max_tokens, info)
        self._spec = PlannerSpec(
            latent=info.latent, cameras=self._cameras, picture_px=info.picture_px
        )

    @property
    def spec(self) -> PlannerSpec:
        """The cameras it looks at, and the latents that its engine hands over."""
        return self._spec

    def plan(self, request: PlanRequest) -> Generator[Thinking]:
        """Think about the newest pictures; thoughts come as they are written, None between tokens.

        A reply that is no plan, or whose plan is refused, is asked for once more, as the prompt
        says, with what was wrong as a thought `REPAIR`.

        Raises:
            ContractError: A picture is missing or has the wrong shape, the prompt is too long, or
                the text is no plan after all repairs.
            TransportError: The engine's server does not answer.
        """
        turns, temperature = self._turns(request), 0.0
        for repairs_left in range(self._repairs, -1, -1):
            try:
                yield from self._ask(request, turns, temperature)
            except NotAPlanError as refusal:
                if not repairs_left:
                    raise
                yield self._thought(request, "REPAIR", refusal.reason)
                if self._prompt.settings.repair == "again":
                    temperature = REPAIR_TEMPERATURE
                else:
                    turns = repair_turns(turns, refusal)
            else:
                return

    def _turns(self, request: PlanRequest) -> tuple[Turn, ...]:
        values = PromptValues(
            goal=request.goal.text,
            remarks=request.remarks,
            finished=[subtask.text for subtask in request.finished],
            finished_count=request.finished_count,
            current=None if request.current is None else request.current.text,
            skills=self._skills or request.skills,
            pictures=tuple(self._picture(request, camera) for camera in self._cameras),
        )
        return self._prompt.turns(values, self._engine.count_tokens)

    def _picture(self, request: PlanRequest, camera: str) -> ImageArray:
        image, size = request.observation.images.get(camera), self._engine.info.picture_px
        is_right = image is not None and image.ndim == 3 and image.shape[-1] == 3  # noqa: PLR2004  # Height, width and three colours.
        if image is None or not is_right or (size and image.shape[:2] != (size, size)):
            got = "nothing" if image is None else f"{image.dtype}{list(image.shape)}"
            raise ContractError(
                leaf=f"observation.images.{camera}",
                expected=f"uint8[{size or 'height'}, {size or 'width'}, 3]",
                got=got,
            )
        return image

    def _ask(
        self, request: PlanRequest, turns: tuple[Turn, ...], temperature: float
    ) -> Generator[Thinking]:
        skills = self._skills or request.skills
        rules = ReplyRules(
            plan_id=request.plan_id,
            clock=self._clock,
            skills=skills,
            asked="".join(turn.text for turn in turns),
        )
        stream = ReplyStream(self._form.reader(rules), rules)
        asked = EngineRequest(
            turns=turns,
            max_tokens=self._max_tokens,
            schema=self._form.schema(skills),
            request_id=request.plan_id,
            temperature=temperature,
            mend=self._form.mend if isinstance(self._form, MendingForm) else None,
        )
        try:
            hidden = yield from self._read(request, asked, stream)
            decision = stream.finish()
        except NotAPlanError as refusal:
            yield Reply(text=refusal.text, plan_id=request.plan_id)
            raise
        yield Reply(text=stream.text, plan_id=request.plan_id)
        try:
            yield self._plan(request, decision)
        except PlanRefusedError as refusal:
            raise NotAPlanError(
                expected=refusal.expected, got=refusal.got, text=stream.text
            ) from refusal
        if hidden is not None:
            yield self._latent(request, decision.plan[0] if decision.plan else "", hidden)

    def _read(
        self, request: PlanRequest, asked: EngineRequest, stream: ReplyStream
    ) -> Generator[Thinking, None, HiddenStates | None]:
        """Hand on thoughts and early latents; return the hidden states of the answer, if any."""
        hidden: HiddenStates | None = None
        with contextlib.closing(self._engine.generate(asked)) as pieces:
            for piece in pieces:
                match piece:
                    case TextPiece():
                        # Here a thought may be ended that nobody wants any more.
                        yield None
                        yield from stream.feed(piece)
                    case HiddenStates() if stream.is_empty:
                        # Of the prompt alone: the policy need not wait for the text.
                        yield self._latent(request, "", piece)
                    case HiddenStates():
                        hidden = piece
                    case Finish():
                        yield from stream.close(piece)
        return hidden

    def _thought(self, request: PlanRequest, field: str, text: str) -> Thought:
        now_ns = self._clock.now_ns()
        return Thought(field=field, text=text, plan_id=request.plan_id, stamp_ns=now_ns)

    def _plan(self, request: PlanRequest, decision: Decision) -> Plan:
        subtasks = tuple(
            Subtask(id=f"{request.plan_id}.{number}", text=text, timeout_s=self._subtask_timeout_s)
            for number, text in enumerate(decision.plan)
        )
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=subtasks,
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            current_subtask_done=decision.is_current_done,
            goal_done=not decision.plan,
            stamp_ns=self._clock.now_ns(),
        )

    def _latent(self, request: PlanRequest, subtask: str, hidden: HiddenStates) -> Latent:
        self._sequence += 1
        return Latent(
            perceptual=hidden.perceptual,
            cognitive=hidden.cognitive,
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=self._clock.now_ns(),
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=subtask,
            episode_id=request.observation.episode_id,
        )

    def close(self) -> None:
        """Let go of the model or the connection."""
        self._engine.close()


def _check_answer_fits(max_tokens: int, info: EngineInfo) -> None:
    """Refuse an answer so long that no prompt would fit before it."""
    if not info.context_tokens or max_tokens < info.context_tokens:
        return
    raise ConfigError(
        f"planner_options.max_tokens is {max_tokens}, but the model reads {info.context_tokens} "
        "tokens, prompt and answer together: there is no room for a prompt. Lower max_tokens."
    )
