"""A planner over any OpenAI-compatible server: `examples.openai_planner:OpenAIPlanner`.

Start one with `vllm serve MODEL`, or use a hosted one. It sees one camera, is asked for JSON, and
what comes back is checked before it is a plan.
"""

import base64
import io
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
from PIL import Image

from bridge import ContractError, Plan, PlannerSpec, PlanRequest, Subtask, Thought, TransportError

_SCHEMA = {
    "type": "object",
    "properties": {
        "reasoning": {"type": "string"},
        "current_subtask_done": {"type": "boolean"},
        "goal_done": {"type": "boolean"},
        "subtasks": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    },
    "required": ["reasoning", "current_subtask_done", "goal_done", "subtasks"],
    "additionalProperties": False,
}
_SYSTEM = (
    "You plan for a robot arm. From the picture and the goal, list the steps that are left, each "
    "a short imperative, the one under way first. Say whether that one is done, and the goal."
)


class OpenAIPlanner:
    """Asks a vision-language model for the steps that are left.

    Args:
        model: As the server calls it.
        base_url: Where the server answers, up to and with `/v1`.
        camera: Which picture it sees.
        timeout_s: How long an answer may take [s].
        key_from: Environment variable that holds the key, if the server asks for one.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str = "http://127.0.0.1:8000/v1",
        camera: str = "front",
        timeout_s: float = 20.0,
        key_from: str = "OPENAI_API_KEY",
    ) -> None:
        self.spec = PlannerSpec(cameras=(camera,))
        self._model, self._camera = model, camera
        key = os.environ.get(key_from, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=base_url, timeout=timeout_s, headers=headers)

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Ask, check, and answer.

        Raises:
            TransportError: The server does not answer, or not with a completion.
            ContractError: It answers, but not with a plan.
        """
        answer = _checked(self._ask(request))
        seen_ns = request.observation.stamp_ns
        yield Thought(
            field="PLAN", text=answer["reasoning"], plan_id=request.plan_id, stamp_ns=seen_ns
        )
        steps = enumerate(answer["subtasks"])
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(Subtask(id=str(n), text=text) for n, text in steps),
            trigger=request.trigger,
            current_subtask_done=answer["current_subtask_done"] and request.current is not None,
            goal_done=answer["goal_done"],
            observation_stamp_ns=seen_ns,
            stamp_ns=seen_ns,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, request: PlanRequest) -> str:
        body = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": _SYSTEM},
                {"role": "user", "content": self._content(request)},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "plan", "schema": _SCHEMA, "strict": True},
            },
        }
        try:
            reply = self._client.post("chat/completions", json=body).raise_for_status().json()
            return str(reply["choices"][0]["message"]["content"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            said = f"{type(error).__name__}: {error}"
            raise TransportError(f"{self._client.base_url} gave no completion: {said}") from error

    def _content(self, request: PlanRequest) -> list[dict[str, Any]]:
        picture = io.BytesIO()
        Image.fromarray(request.observation.images[self._camera]).save(picture, "JPEG")
        url = f"data:image/jpeg;base64,{base64.b64encode(picture.getvalue()).decode()}"
        current = request.current.text if request.current else "nothing yet"
        done = "; ".join(subtask.text for subtask in request.finished) or "nothing"
        text = f"Goal: {request.goal.text}\nDone: {done}\nUnder way: {current}"
        image = {"type": "image_url", "image_url": {"url": url}}
        return [image, {"type": "text", "text": text}]


def _checked(text: str) -> dict[str, Any]:
    """The answer as data; not every server keeps to the schema.

    Raises:
        ContractError: It is not what was asked for.
    """
    try:
        answer = json.loads(text)
        is_plan = (
            isinstance(answer["reasoning"], str)
            and all(
                isinstance(answer[flag], bool) for flag in ("current_subtask_done", "goal_done")
            )
            and all(isinstance(step, str) and step.strip() for step in answer["subtasks"])
        )
    except (ValueError, KeyError, TypeError):
        is_plan = False
    if not is_plan:
        raise ContractError(
            leaf="the server's answer", expected="a plan as in the schema", got=text
        )
    return answer
