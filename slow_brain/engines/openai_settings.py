"""How a server is reached and asked, checked before anything moves."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SchemaUse = Literal["auto", "json_schema", "json_object", "never"]
PictureFormat = Literal["jpeg", "png"]


class ServerSettings(BaseModel):
    """Settings of one server; `OpenAIEngine` says what each of them means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(pattern=r"^https?://[^\s/]+")
    model: str = ""
    api_key_variable: str = ""
    deadline_s: float = Field(default=30.0, gt=0)
    silence_s: float = Field(default=10.0, gt=0)
    retries: int = Field(default=2, ge=0, le=10)
    backoff_s: float = Field(default=0.25, ge=0)
    schema_use: SchemaUse = Field(default="auto", alias="schema")
    picture_format: PictureFormat = "jpeg"
