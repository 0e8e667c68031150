"""The connection to an OpenAI-compatible server: its answers, and its troubles in one sentence."""

import importlib
import os
from collections.abc import Generator
from typing import Any

from bridge.errors import ConfigError, ContractError, TransportError, UnknownNameError
from slow_brain.engines.openai_settings import ServerSettings

_HOW_TO_INSTALL = "pip install 'tandem-agent[openai]'"
_START_TIMEOUT_S = 10.0
_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE = 400, 413, 422
_NOT_ALLOWED = (401, 403)
_MAY_PASS = (408, 409, 425, 429)
_SERVER_ERRORS = 500


class ServerError(TransportError):
    """Raised when the server does not answer as it should; `may_pass` if a later try may help."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        self.may_pass = may_pass
        super().__init__(message)


class SchemaRefusedError(ServerError):
    """Raised when the server cannot hold its model to a JSON schema."""


class OpenAIServer:
    """One server and one of its models, which is asked for when this is made.

    Raises:
        ConfigError: The client library is missing, no server answers, or it has no such model.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._openai = _client_library()
        self._client = self._openai.OpenAI(
            base_url=settings.base_url, api_key=_api_key(settings.api_key_variable), max_retries=0
        )
        self.model = self._find_model()

    def _find_model(self) -> str:
        """The model that was asked for, or the only one."""
        url, wanted = self._settings.base_url, self._settings.model
        try:
            found = [each.id for each in self._client.models.list(timeout=_START_TIMEOUT_S)]
        except self._openai.NotFoundError:
            # Not every server lists its models; then whoever set it up has to know.
            found = [wanted] if wanted else []
        except (self._openai.APIError, ValueError, TypeError) as error:
            raise ConfigError(
                f"No OpenAI-compatible server answers at {url}: {_cause(error)}. Start one, such "
                "as `vllm serve MODEL`, or set engine_options.base_url."
            ) from error
        if wanted and wanted not in found:
            raise UnknownNameError(kind=f"model of {url}", name=wanted, known=found)
        if not wanted and len(found) != 1:
            known = ", ".join(found) or "none"
            raise ConfigError(
                f"The server at {url} lists {len(found)} models ({known}): set "
                "engine_options.model to the one to ask."
            )
        return wanted or found[0]

    def stream(self, body: dict[str, Any], left_s: float) -> Generator[Any]:
        """Yield the chunks of one chat completion; closing it closes the connection.

        Args:
            body: Of the request.
            left_s: Time until the deadline [s]; silence is bounded by the settings besides.

        Raises:
            ContractError: The prompt is too long for the model.
            SchemaRefusedError: The server cannot be given a schema.
            ServerError: No answer, a late one, an error, or rubbish.
        """
        timeout_s = min(left_s, self._settings.silence_s)
        try:
            with self._client.chat.completions.create(
                model=self.model,
                stream=True,
                stream_options={"include_usage": True},
                timeout=timeout_s,
                **body,
            ) as chunks:
                yield from chunks
        except self._openai.APIStatusError as error:
            raise self._refusal(error, has_schema="response_format" in body) from error
        except self._openai.APITimeoutError as error:
            raise self._trouble(f"was silent for {timeout_s:.3g} s") from error
        except self._openai.APIError as error:
            raise self._trouble(f"broke off: {_cause(error)}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            # The client library trusts the server's JSON; what is none comes out as any of these.
            raise self._trouble(
                f"answered what no OpenAI-compatible server would: {error}"
            ) from error

    def post(self, path: str, body: dict[str, Any], left_s: float) -> Any:  # noqa: ANN401  # JSON.
        """Return the JSON answer of an endpoint that the client library does not know.

        Raises:
            ServerError: No answer, a late one, an error, or rubbish.
        """
        timeout_s = min(left_s, self._settings.silence_s)
        try:
            return self._client.post(
                path,
                body={"model": self.model, **body},
                cast_to=object,
                options={"timeout": timeout_s},
            )
        except self._openai.APIError as error:
            raise self._trouble(f"has no answer at {path}: {_cause(error)}") from error
        except ValueError as error:
            raise self._trouble(f"answered no JSON at {path}: {error}") from error

    def _trouble(self, what: str, *, may_pass: bool = True) -> ServerError:
        return ServerError(f"The server at {self._settings.base_url} {what}.", may_pass=may_pass)

    def _refusal(self, error: Any, *, has_schema: bool) -> Exception:  # noqa: ANN401  # Of a library that may be missing.
        """What an HTTP status means for us."""
        code, body = error.status_code, error.body
        said = str(body.get("message", body) if isinstance(body, dict) else error.message)
        is_request = code in (_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE)
        if is_request and "context length" in said.lower():
            return ContractError(leaf="prompt", expected="what the model can read", got=said)
        if is_request and has_schema and _is_about_schema(said):
            return SchemaRefusedError(f"The server cannot be given a schema: {said}", may_pass=True)
        if code in _NOT_ALLOWED:
            return self._trouble(
                f"refuses the key ({code}): set engine_options.api_key_variable to the environment "
                "variable that holds the right one",
                may_pass=False,
            )
        may_pass = code in _MAY_PASS or code >= _SERVER_ERRORS
        return self._trouble(f"answered {code}: {said}", may_pass=may_pass)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _client_library() -> Any:  # noqa: ANN401  # It may be missing.
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise ConfigError(
            f"The openai engine needs its client library: {_HOW_TO_INSTALL}."
        ) from error


def _api_key(variable: str) -> str:
    if not variable:
        return "none"
    key = os.environ.get(variable)
    if key is None:
        raise ConfigError(
            f"engine_options.api_key_variable is {variable!r}, but there is no such environment "
            "variable: set it to the key."
        )
    return key


def _is_about_schema(said: str) -> bool:
    words = said.lower()
    return any(name in words for name in ("response_format", "json_schema", "schema", "grammar"))


def _cause(error: Exception) -> str:
    """The innermost reason: `Connection error.` says less than why there was none."""
    innermost: BaseException = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    return str(innermost) or type(innermost).__name__
