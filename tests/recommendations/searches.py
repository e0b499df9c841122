"""Reading what GET search answered."""

from typing import Any


def found(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["item"] for item in response.json()["items"]]


def states(response: Any) -> dict[str, str]:
    return {each["id"]: each["state"] for each in response.json()["understood"]}
