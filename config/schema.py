"""What the OpenAPI schema says of how callers prove who they are, and send writes again."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from tenants.idempotency import HEADER, MOST_LETTERS, PATTERN, REPLAYED


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A secret key: attune_sk_…"}


WRITES = {"post", "put", "patch", "delete"}

NAME = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_LETTERS, "pattern": PATTERN},
    "description": "A name for this request. Sent again within 24 hours with the same body, it has"
    " no further effect and is given the same answer.",
}
AGAIN = {
    "description": "True on an answer that was given before.",
    "schema": {"type": "string", "enum": ["true"]},
}
REFUSALS = {
    "409": "The first request of this name is not answered yet, or what the operation itself says.",
    "422": "The name was given to another request before.",
}


def describe_idempotency(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Add the header and its refusals to every operation whose view honors it."""
    honoring = {
        (path, method.lower())
        for path, _, method, callback in generator.endpoints
        if getattr(getattr(callback.cls, method.lower(), None), "is_idempotent", False)
    }
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOutput"}}}
    for path, operations in result["paths"].items():
        for method in WRITES & operations.keys():
            if (path, method) not in honoring:
                continue
            operation = operations[method]
            operation.setdefault("parameters", []).append(NAME)
            for status, why in REFUSALS.items():
                operation["responses"][status] = {"description": why, "content": error}
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    response["headers"] = {REPLAYED: AGAIN}
    return result
