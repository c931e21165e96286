"""How the compatible interface describes itself: OpenAPI made from the service table."""

from typing import Any

from tusou.errors import Problem
from tusou.services import Service

_IMAGE = {
    "image": {
        "type": "string",
        "description": "Picture file in base64, without a data: header; PNG, JPEG or BMP, at most "
        "4 MiB as sent. Comes before url.",
    },
    "url": {
        "type": "string",
        "maxLength": 1024,
        "description": "http or https address of the picture. Comes before cont_sign.",
    },
}
_BRIEF = {
    "type": "string",
    "description": "1–256 bytes of UTF-8, returned verbatim by searches.",
    "example": '{"id": "1", "name": "cat"}',
}


def request_schema(service: Service, operation: str) -> dict[str, Any]:
    """What one call of one service takes, as a JSON schema of an object."""
    fields, required, _, _ = _OPERATIONS[operation](service)
    return _object(fields, required)


def describe(service: Service, operation: str) -> dict[str, Any]:
    """Arguments of `add_api_route` for one call of one service."""
    _, _, answer, summary = _OPERATIONS[operation](service)
    return _route(
        tag=f"{service.name} · {service.chinese}",
        summary=summary,
        description=f"{service.chinese}: finds {service.finds}.",
        request=request_schema(service, operation),
        answer=_object({"log_id": {"type": "integer"}, **answer}, ["log_id", *answer]),
        query=_TOKEN_QUERY,
        operation_id=f"{service.name}_{operation}",
    )


def describe_feedback() -> dict[str, Any]:
    """Arguments of `add_api_route` for the feedback call."""
    return _route(
        tag="feedback",
        summary="Say whether results were right",
        description="Kept with picture and score: the material to set thresholds with.",
        request=_object(
            {
                "feedback": {
                    "type": "string",
                    "description": "JSON object or list of objects, with any of log_id (of the "
                    "search), service, cont_sign, score, correct, image (base64), and whatever "
                    "else is worth keeping.",
                    "example": '[{"log_id": 1, "cont_sign": "1,2", "correct": true}]',
                }
            },
            ["feedback"],
        ),
        answer=_object({"log_id": {"type": "integer"}}, ["log_id"]),
        query=_TOKEN_QUERY,
        operation_id="feedback",
    )


def describe_token(method: str) -> dict[str, Any]:
    """Arguments of `add_api_route` for the token call."""
    fields: dict[str, Any] = {
        "grant_type": {"type": "string", "enum": ["client_credentials", "refresh_token"]},
        "client_id": {"type": "string", "description": "API Key"},
        "client_secret": {"type": "string", "description": "Secret Key"},
        "refresh_token": {"type": "string", "description": "With grant_type refresh_token only"},
    }
    names = ["access_token", "refresh_token", "scope", "session_key", "session_secret"]
    required = [*fields][:3]
    query = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in fields.items()
    ]
    return _route(
        tag="token",
        summary="Get an access token, good for 30 days",
        description="Parameters by query or, with POST, by form.",
        request=_object(fields, required) if method == "POST" else None,
        answer=_object(
            {"expires_in": {"type": "integer"}} | {name: {"type": "string"} for name in names},
            ["expires_in", *names],
        ),
        query=query if method == "GET" else [],
        operation_id=f"token_{method.lower()}",
    )


def _class_fields(service: Service) -> dict[str, Any]:
    if len(service.class_fields) == 1:
        return {
            "tags": {
                "type": "string",
                "description": "One or two whole numbers from 1 to 65535, comma separated.",
                "example": "100,11",
            }
        }
    schema = {"type": "integer", "minimum": 1, "maximum": 65535, "description": "A class of yours."}
    return dict.fromkeys(service.class_fields, schema)


def _add(service: Service) -> tuple[dict[str, Any], list[str], dict[str, Any], str]:
    fields = {**_IMAGE, "brief": _BRIEF, **_class_fields(service)}
    return fields, ["brief"], {"cont_sign": {"type": "string"}}, "Add a picture"


def _search(service: Service) -> tuple[dict[str, Any], list[str], dict[str, Any], str]:
    most = service.most_results
    fields = {
        **_IMAGE,
        **_class_fields(service),
        "tag_logic": {"type": "string", "enum": ["0", "1"], "description": "0: and, 1: or"},
        "pn": {
            "type": "integer",
            "minimum": 0,
            "maximum": most - 1,
            "default": 0,
            "description": "First result.",
        },
        "rn": {
            "type": "integer",
            "minimum": 1,
            "maximum": most,
            "default": service.default_results,
            "description": f"How many; pn + rn is cut at {most}.",
        },
    }
    hit = _object(
        {
            "cont_sign": {"type": "string"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "brief": {"type": "string"},
        },
        ["cont_sign", "score", "brief"],
    )
    answer = {
        "result_num": {"type": "integer"},
        "result": {"type": "array", "items": hit},
        "has_more": {"type": "boolean"},
    }
    return fields, [], answer, "Search by picture"


def _sign(most: int) -> dict[str, Any]:
    words = f"up to {most} of them, semicolons between" if most > 1 else "exactly one"
    return {"cont_sign": {"type": "string", "description": f"Signs of stored pictures, {words}."}}


def _delete(service: Service) -> tuple[dict[str, Any], list[str], dict[str, Any], str]:
    return {**_IMAGE, **_sign(100)}, [], {}, "Delete pictures"


def _update(service: Service) -> tuple[dict[str, Any], list[str], dict[str, Any], str]:
    fields = {**_IMAGE, **_sign(1), "brief": _BRIEF, **_class_fields(service)}
    return fields, [], {}, "Change a picture's brief and classes"


_OPERATIONS = {"add": _add, "search": _search, "delete": _delete, "update": _update}

_TOKEN_QUERY = [
    {
        "name": "access_token",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": "Not needed by a request signed with bce-auth-v1 in its authorization "
        "header.",
    }
]

_ERROR = {
    "type": "object",
    "required": ["log_id", "error_code", "error_msg"],
    "properties": {
        "log_id": {"type": "integer"},
        "error_code": {"type": "integer", "enum": sorted({row.code for row in Problem})},
        "error_msg": {"type": "string"},
    },
}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return schema | {"required": required} if required else schema


def _route(
    *,
    tag: str,
    summary: str,
    description: str,
    request: dict[str, Any] | None,
    answer: dict[str, Any],
    query: list[dict[str, Any]],
    operation_id: str,
) -> dict[str, Any]:
    extra: dict[str, Any] = {"parameters": query}
    if request is not None:
        kinds = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")
        extra["requestBody"] = {"content": {kind: {"schema": request} for kind in kinds}}
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "operation_id": operation_id,
        "response_model": None,
        "openapi_extra": extra,
        "responses": {
            200: {
                "description": "The answer, or an error: both with status 200",
                "content": {"application/json": {"schema": {"anyOf": [answer, _ERROR]}}},
            }
        },
    }
