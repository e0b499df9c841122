"""The API does what its OpenAPI schema says, whatever is sent to it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django_tenants.utils import schema_context
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from catalog.models import FeedImport
from profiles.identity import get_shopper
from profiles.models import Event, EventKind
from tests.conftest import ApiClient
from tests.make import make_event, make_item
from tests.shop import Shop, planted_shop
from tests.walls.addresses import api_operations
from tests.walls.test_addresses import contained

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 60
FEED = 987_654


@pytest.fixture
def shop(tenant: object) -> Shop:
    """Something to find: a trained shop, a shopper with a history, a feed."""
    FeedImport.objects.create(pk=FEED, format="csv", file_name="feed.csv")
    return planted_shop()


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The WSGI application keeps the connection, and with it the transaction of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def schema(api: ApiClient, shop: Shop, one_connection: None) -> Any:
    with schema_context("public"):
        return schemathesis.openapi.from_wsgi(
            "/api/schema/", get_wsgi_application(), headers={"Host": api.host}
        )


def operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()


def send(api: ApiClient, case: Any) -> Any:
    """The response, after every check of it against the schema."""
    headers = {"Host": api.host, "Authorization": f"Bearer {api.key}"}
    with contained(), schema_context("ours"):
        response = case.call(base_url=f"http://{api.host}", headers=headers)
    case.validate_response(response, checks=CHECKS)
    return response


def test_the_schema_holds_every_operation_and_no_other(schema: Any) -> None:
    described = {(op.method.upper(), op.path) for op in operations(schema)}
    converters = {"int:", "str:", "uuid:", "path:"}
    registered = set()
    for method, route in api_operations():
        path = f"/{route}".replace("<", "{").replace(">", "}")
        for converter in converters:
            path = path.replace(converter, "")
        registered.add((method, path))
    assert described == registered


# Schemathesis does not close responses, which closes the temporary files of uploads.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_input_gets_an_answer_that_the_schema_does_not_know(
    api: ApiClient, schema: Any, shop: Shop, mode: GenerationMode
) -> None:
    statuses: dict[str, set[int]] = {}
    some_names = st.sets(st.sampled_from(["shopper", "feed_import", "placement", "item"]))
    known = {"shopper": "planted-1", "feed_import": FEED, "placement": "home", "item": "C0"}

    def check(operation: Any) -> None:
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
        @given(case=operation.as_strategy(generation_mode=mode), real=some_names)
        def run(case: Any, real: set[str]) -> None:
            # Random ids find nothing: some of them are exchanged for real ones.
            for part in (case.path_parameters, case.query):
                for name in real & set(part or {}):
                    part[name] = known[name]
            statuses.setdefault(operation.label, set()).add(send(api, case).status_code)

        run()

    for operation in operations(schema):
        check(operation)
    assert len(statuses) == len(api_operations())
    told = {status for found in statuses.values() for status in found}
    assert told >= ({200, 400} if mode == GenerationMode.POSITIVE else {400})
    if mode == GenerationMode.POSITIVE:
        assert 200 in statuses["GET /api/v1/recommendations"]
        assert 200 in statuses["POST /api/v1/events"]


def test_the_examples_of_the_schema_work_as_they_stand(api: ApiClient, schema: Any) -> None:
    for name in ("SKU-1", "SKU-2"):
        make_item(name)
    answered = 0
    for operation in operations(schema):
        for body in examples_of(operation):
            response = send(api, operation.Case(body=body, media_type="application/json"))
            assert response.status_code == 200
            assert response.json()["refused"] == 0, response.json()
            answered += 1
    assert answered >= 1
    assert Event.stored.filter(item__external_id__startswith="SKU-").count() == 2


def examples_of(operation: Any) -> Iterator[Any]:
    content = (operation.definition.raw.get("requestBody") or {}).get("content", {})
    for described in content.values():
        for example in described.get("examples", {}).values():
            yield example["value"]


def test_real_answers_conform_to_the_schema(api: ApiClient, schema: Any, shop: Shop) -> None:
    """Answers with everything in them, which random input seldom gets."""
    shopper = get_shopper("planted-1")
    make_event(shopper, shop.camping[0], EventKind.VIEW)
    by_label = {operation.label: operation for operation in operations(schema)}

    slate = send(
        api,
        by_label["GET /api/v1/recommendations"].Case(
            query={"placement": "home", "shopper": "planted-1", "limit": 12}
        ),
    ).json()
    assert slate["personalized"] is True
    assert all(item["reason"] and item["offer"] for item in slate["items"])
    why = send(
        api,
        by_label["GET /api/v1/recommendations/{decision}/why"].Case(
            path_parameters={"decision": slate["decision"]}
        ),
    )
    assert len(why.json()["items"]) == len(slate["items"])
    for label, path in (
        ("GET /api/v1/shoppers/{shopper}", {"shopper": "planted-1"}),
        ("GET /api/v1/feeds/{feed_import}", {"feed_import": FEED}),
        ("GET /api/v1/feeds/{feed_import}/errors", {"feed_import": FEED}),
    ):
        assert send(api, by_label[label].Case(path_parameters=path)).status_code == 200
