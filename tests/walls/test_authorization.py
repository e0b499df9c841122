"""The authorization matrix: every operation of the API with every credential there can be."""

import pytest
from django_tenants.utils import schema_context

from tenants.keys import mint_key, revoke_key
from tenants.models import Scope
from tests.walls.addresses import api_operations
from tests.walls.planting import Planted
from tests.walls.tables import fingerprint
from tests.walls.test_addresses import call

Pair = tuple[Planted, Planted]
Operation = tuple[str, str]

MATRIX: dict[Operation, Scope] = {
    ("GET", "api/v1/catalog/quality"): Scope.CATALOG_READ,
    ("GET", "api/v1/catalog/quality/items"): Scope.CATALOG_READ,
    ("GET", "api/v1/feeds/<int:feed_import>"): Scope.CATALOG_READ,
    ("GET", "api/v1/feeds/<int:feed_import>/errors"): Scope.CATALOG_READ,
    ("GET", "api/v1/items/<path:item>"): Scope.CATALOG_READ,
    ("GET", "api/v1/items/<path:item>/quality"): Scope.CATALOG_READ,
    ("GET", "api/v1/recommendations"): Scope.RECOMMENDATIONS_READ,
    ("GET", "api/v1/recommendations/<uuid:decision>/why"): Scope.RECOMMENDATIONS_READ,
    ("GET", "api/v1/search"): Scope.RECOMMENDATIONS_READ,
    ("GET", "api/v1/search/suggestions"): Scope.RECOMMENDATIONS_READ,
    ("GET", "api/v1/shoppers/<str:shopper>"): Scope.SHOPPERS_READ,
    ("GET", "api/v1/shoppers/<str:shopper>/consents"): Scope.SHOPPERS_READ,
    ("GET", "api/v1/shoppers/<str:shopper>/signals"): Scope.SHOPPERS_READ,
    ("GET", "api/v1/shoppers/<str:shopper>/export"): Scope.SHOPPERS_EXPORT,
    ("GET", "api/v1/privacy/key"): Scope.SHOPPERS_READ,
    ("GET", "api/v1/privacy/requests/<uuid:privacy_request>"): Scope.SHOPPERS_ERASE,
    ("DELETE", "api/v1/shoppers/<str:shopper>"): Scope.SHOPPERS_ERASE,
    ("DELETE", "api/v1/shoppers/<str:shopper>/mutes"): Scope.SHOPPERS_WRITE,
    ("PATCH", "api/v1/offers"): Scope.CATALOG_WRITE,
    ("POST", "api/v1/events"): Scope.EVENTS_WRITE,
    ("POST", "api/v1/feeds"): Scope.CATALOG_WRITE,
    ("POST", "api/v1/items"): Scope.CATALOG_WRITE,
    ("POST", "api/v1/reviews"): Scope.CATALOG_WRITE,
    ("POST", "api/v1/rules/simulate"): Scope.RULES_SIMULATE,
    ("POST", "api/v1/shoppers/<str:shopper>/mutes"): Scope.SHOPPERS_WRITE,
    ("PUT", "api/v1/shoppers/<str:shopper>"): Scope.SHOPPERS_WRITE,
    ("PUT", "api/v1/shoppers/<str:shopper>/consents"): Scope.SHOPPERS_WRITE,
}
"""The one scope that opens each operation."""

CREDENTIALS = ("none", "forged", "another tenant's", "revoked", "every other scope", "its scope")


def test_every_operation_of_the_api_has_a_row() -> None:
    assert MATRIX.keys() == api_operations(), "Say in MATRIX which scope opens the new operation."


def key_of(credential: str, operation: Operation, ours: Planted, theirs: Planted) -> str | None:
    """A key as the text that is sent."""
    scope = MATRIX[operation]
    match credential:
        case "none":
            return None
        case "forged":
            return ours.key[:-1] + ("A" if ours.key[-1] != "A" else "B")
        case "another tenant's":
            return theirs.key
        case "revoked":
            key, text = mint_key("revoked")
            revoke_key(key)
            return text
        case "every other scope":
            return mint_key("others", scopes=[each for each in Scope if each != scope])[1]
        case _:
            return mint_key("its own", scopes=[scope])[1]


REFUSED: dict[str, tuple[int, str]] = {
    "none": (401, '"not_authenticated"'),
    "forged": (401, '"invalid_key"'),
    "another tenant's": (401, '"invalid_key"'),
    "revoked": (401, '"invalid_key"'),
    "every other scope": (403, '"missing_scope"'),
}


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_what_each_credential_opens(planted: Pair, credential: str) -> None:
    ours, theirs = planted
    kept = {"tenants_apikey", "tenants_auditentry", "tenants_audithead"}
    before = [fingerprint(one.tenant.schema_name) for one in planted]
    for operation in sorted(MATRIX):
        with schema_context(ours.tenant.schema_name):
            key = key_of(credential, operation, ours, theirs)
        status, text = call(key, ours.host, operation, ours)
        if credential == "its scope":
            assert status in {200, 202}, (operation, text)
        else:
            code, error = REFUSED[credential]
            assert (status, error in text) == (code, True), (operation, text)
            assert ours.marker not in text, operation
    after = [fingerprint(one.tenant.schema_name) for one in planted]
    assert after[1] == before[1]
    if credential != "its scope":
        assert after[0].differs_in(before[0]) <= kept, "a refused request changes nothing"
