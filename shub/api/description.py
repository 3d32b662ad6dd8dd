"""How the API is described (OpenAPI): what every operation's description is made of.

docs/reference/openapi.yaml is generated from the views; the tests hold each answer against it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers

Method = TypeVar("Method", bound=Callable[..., Any])
Answer = type[serializers.Serializer[Any]] | OpenApiResponse | None

# What a request may be refused with, wherever it goes.
ALWAYS = (400, 401, 429, 503)

WORDS = {
    400: "The request itself is wrong; the words say what was expected.",
    401: "Nobody says who they are where that is needed, or the token is not a good one.",
    403: "The caller may not do this.",
    404: "It does not exist, or the caller may not see it.",
    409: "It does not fit the state that things are in now.",
    411: "The length of the body is not said.",
    416: "The range begins behind the end.",
    429: "Too many of this kind came; Retry-After says for how many seconds to wait.",
    503: "It cannot be done at this moment; later it can.",
    507: "There is no room for these bytes.",
}

ARCH = OpenApiParameter(
    "arch",
    str,
    description="Go's name of an architecture, or a machine's; without one amd64, else the newest.",
)

# The names of schemas that say all that there is in an answer.
CLOSED = ("Answer", "Object", "Refusal")


class RefusalObject(serializers.Serializer[Any]):
    """Why, for the person at the client's terminal."""

    code = serializers.IntegerField(help_text="The status, once more.")
    message = serializers.CharField()


class Refusal(serializers.Serializer[Any]):
    """The form of every error."""

    error = RefusalObject()


@cache  # or the generator takes two of one name for two things
def enveloped(data: type[serializers.Serializer[Any]]) -> Any:
    """The success that carries this object."""
    return answering(data.__name__.removesuffix("Object"), data())


def answering(name: str, data: serializers.Field[Any, Any, Any, Any]) -> Any:
    """The success that carries this, called `nameAnswer` in the description."""
    return inline_serializer(name=f"{name}Answer", fields={"data": data})


def described(
    summary: str,
    *,
    answers: Mapping[int, Answer],
    refusals: Sequence[int] = (),
    request: type[serializers.Serializer[Any]] | Mapping[str, Any] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    media_type: str = "",
    never: Sequence[int] = (),
) -> Callable[[Method], Method]:
    """Describe an operation: its answers, what it may be refused with, and what it reads.

    `never` are refusals that this operation alone does not know.
    """
    responses: dict[Any, Any] = {
        (status, media_type) if media_type and status < 300 else status: answer
        for status, answer in answers.items()
    }
    for status in sorted({*ALWAYS, *refusals} - {*never}):
        responses[status] = OpenApiResponse(Refusal, description=WORDS[status])
    decorate: Callable[[Method], Method] = extend_schema(
        summary=summary, responses=responses, request=request, parameters=list(parameters)
    )
    return decorate


class Schema(AutoSchema):
    """The description of one operation."""

    def get_tags(self) -> list[str]:
        """By the door: the addresses of one protocol stand together."""
        doors = {"/pks": "keystore", "/api": "shub", "/container": "shub"}
        return [doors.get(f"/{self.path.split('/')[1]}", "library")]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A token of the registry's own."""

    target_class = "shub.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "Made at /auth/tokens."}


# ── hooks of the generator ──
def without_last_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[Any]:
    """Each address is there with and without a slash at its end; the one without is described."""
    return [(path.rstrip("/") or "/", *rest) for path, *rest in endpoints]


def closed(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What is answered has no fields beside those that are described."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith(CLOSED) and schema.get("type") == "object":
            schema["additionalProperties"] = False
    return result
