"""The authorization matrix: every operation of the API with every credential there can be."""

from datetime import timedelta
from enum import Enum, auto

import pytest
from django_tenants.utils import schema_context

from tenants.browser_keys import sign_token, token_secret
from tenants.keys import mint_key, revoke_key
from tenants.models import BROWSER_SCOPES, Scope
from tests.walls.addresses import api_operations
from tests.walls.planting import Planted
from tests.walls.tables import fingerprint
from tests.walls.test_addresses import call

Pair = tuple[Planted, Planted]
Operation = tuple[str, str]
Sent = tuple[str | None, dict[str, str]]
"""A key and the headers beside it."""


class Pages(Enum):
    """What a publishable key may do of an operation."""

    NONE = auto()
    OWN = auto()
    """For the shopper of its token."""
    ANY = auto()
    """It is about no shopper."""


MATRIX: dict[Operation, tuple[Scope, Pages]] = {
    ("GET", "api/v1/catalog/quality"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/catalog/quality/items"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/feeds/<int:feed_import>"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/feeds/<int:feed_import>/errors"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/items/<path:item>"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/items/<path:item>/quality"): (Scope.CATALOG_READ, Pages.NONE),
    ("GET", "api/v1/recommendations"): (Scope.RECOMMENDATIONS_READ, Pages.OWN),
    ("GET", "api/v1/recommendations/<uuid:decision>/why"): (Scope.RECOMMENDATIONS_READ, Pages.NONE),
    ("GET", "api/v1/search"): (Scope.RECOMMENDATIONS_READ, Pages.OWN),
    ("GET", "api/v1/search/suggestions"): (Scope.RECOMMENDATIONS_READ, Pages.ANY),
    ("GET", "api/v1/shoppers/<str:shopper>"): (Scope.SHOPPERS_READ, Pages.NONE),
    ("GET", "api/v1/shoppers/<str:shopper>/consents"): (Scope.SHOPPERS_READ, Pages.OWN),
    ("GET", "api/v1/shoppers/<str:shopper>/signals"): (Scope.SHOPPERS_READ, Pages.OWN),
    ("GET", "api/v1/shoppers/<str:shopper>/export"): (Scope.SHOPPERS_EXPORT, Pages.NONE),
    ("GET", "api/v1/privacy/key"): (Scope.SHOPPERS_READ, Pages.NONE),
    ("GET", "api/v1/privacy/requests/<uuid:privacy_request>"): (Scope.SHOPPERS_ERASE, Pages.NONE),
    ("DELETE", "api/v1/shoppers/<str:shopper>"): (Scope.SHOPPERS_ERASE, Pages.NONE),
    ("DELETE", "api/v1/shoppers/<str:shopper>/mutes"): (Scope.SHOPPERS_WRITE, Pages.OWN),
    ("PATCH", "api/v1/offers"): (Scope.CATALOG_WRITE, Pages.NONE),
    ("POST", "api/v1/events"): (Scope.EVENTS_WRITE, Pages.OWN),
    ("POST", "api/v1/feeds"): (Scope.CATALOG_WRITE, Pages.NONE),
    ("POST", "api/v1/items"): (Scope.CATALOG_WRITE, Pages.NONE),
    ("POST", "api/v1/reviews"): (Scope.CATALOG_WRITE, Pages.NONE),
    ("POST", "api/v1/rules/simulate"): (Scope.RULES_SIMULATE, Pages.NONE),
    ("POST", "api/v1/shoppers/<str:shopper>/mutes"): (Scope.SHOPPERS_WRITE, Pages.OWN),
    ("PUT", "api/v1/shoppers/<str:shopper>"): (Scope.SHOPPERS_WRITE, Pages.NONE),
    ("PUT", "api/v1/shoppers/<str:shopper>/consents"): (Scope.SHOPPERS_WRITE, Pages.OWN),
}
"""The one scope that opens each operation, and whether pages may use it."""

SHOP = "https://shop.example"

REFUSED: dict[str, tuple[int, str]] = {
    "no key": (401, "not_authenticated"),
    "a forged key": (401, "invalid_key"),
    "another tenant's key": (401, "invalid_key"),
    "a revoked key": (401, "invalid_key"),
    "a lesser key, of every other scope": (403, "missing_scope"),
    "a page without a token": (401, "token_missing"),
    "a page with an expired token": (401, "invalid_token"),
    "a page with a forged token": (401, "invalid_token"),
    "a page with a token of another key": (401, "invalid_token"),
    "a page with a token of another tenant's": (401, "invalid_token"),
    "a page of another origin": (403, "origin_refused"),
    "a page with another tenant's key": (401, "invalid_key"),
    "a page with a revoked key": (401, "invalid_key"),
}
"""What is refused whatever the operation."""

CREDENTIALS = (*REFUSED, "its scope", "a page of its shopper", "a page of another shopper")


def test_every_operation_of_the_api_has_a_row() -> None:
    assert MATRIX.keys() == api_operations(), "Say in MATRIX who may use the new operation."


def sent_with(credential: str, operation: Operation, ours: Planted, theirs: Planted) -> Sent:
    """A key as the text that is sent, and the headers of a page. Runs in our schema."""
    if "page" in credential:
        return sent_by_a_page(credential, ours, theirs)
    scope, _ = MATRIX[operation]
    text: str | None = None
    match credential:
        case "a forged key":
            text = ours.key[:-1] + ("A" if ours.key[-1] != "A" else "B")
        case "another tenant's key":
            text = theirs.key
        case "a revoked key":
            key, text = mint_key("revoked")
            revoke_key(key)
        case "a lesser key, of every other scope":
            _, text = mint_key("others", scopes=[each for each in Scope if each != scope])
        case "its scope":
            _, text = mint_key("its own", scopes=[scope])
    return text, {}


def sent_by_a_page(credential: str, ours: Planted, theirs: Planted) -> Sent:
    key, text = mint_key("pages", scopes=BROWSER_SCOPES, origins=[SHOP])
    secret, shopper, life = token_secret(key), ours.shopper, timedelta(minutes=5)
    headers = {"Origin": SHOP}
    match credential:
        case "a page without a token":
            return text, headers
        case "a page with an expired token":
            life = timedelta(minutes=-1)
        case "a page with a forged token":
            secret = secret[::-1]
        case "a page with a token of another key":
            secret = token_secret(mint_key("more", scopes=BROWSER_SCOPES, origins=[SHOP])[0])
        case "a page with a token of another tenant's":
            with schema_context(theirs.tenant.schema_name):
                secret = token_secret(key)  # of the same key, were it theirs
        case "a page of another origin":
            headers = {"Origin": "https://evil.example"}
        case "a page with another tenant's key":
            with schema_context(theirs.tenant.schema_name):
                key, text = mint_key("pages", scopes=BROWSER_SCOPES, origins=[SHOP])
                secret = token_secret(key)
        case "a page with a revoked key":
            revoke_key(key)
        case "a page of another shopper":
            shopper = "somebody-else"
    token = sign_token(secret, 1, known=shopper, anonymous=f"{ours.marker}-device", life=life)
    return text, {**headers, "X-Shopper-Token": token}


def expected(credential: str, operation: Operation) -> tuple[int, str] | None:
    """The refusal; None where the operation is open."""
    if credential in REFUSED:
        return REFUSED[credential]
    scope, pages = MATRIX[operation]
    if "page" not in credential:
        return None
    if pages == Pages.NONE:
        return 403, "browser_key"
    assert scope in BROWSER_SCOPES, operation
    if credential == "a page of another shopper" and pages == Pages.OWN:
        return 403, "other_shopper"
    return None


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_what_each_credential_opens(planted: Pair, credential: str) -> None:
    ours, theirs = planted
    kept = {"tenants_apikey", "tenants_auditentry", "tenants_audithead"}
    opened = 0
    before = [fingerprint(one.tenant.schema_name) for one in planted]
    for operation in sorted(MATRIX):
        with schema_context(ours.tenant.schema_name):
            key, headers = sent_with(credential, operation, ours, theirs)
        status, text = call(key, ours.host, operation, ours, more=headers)
        refusal = expected(credential, operation)
        if refusal is None:
            assert status in {200, 202}, (operation, text)
            opened += 1
            continue
        assert (status, f'"{refusal[1]}"' in text) == (refusal[0], True), (operation, text)
        assert ours.marker not in text, operation
    after = [fingerprint(one.tenant.schema_name) for one in planted]
    assert after[1].differs_in(before[1]) <= kept
    if opened == 0:
        assert after[0].differs_in(before[0]) <= kept, "a refused request changes nothing"
    assert opened == {
        "its scope": len(MATRIX),
        "a page of its shopper": sum(pages != Pages.NONE for _, pages in MATRIX.values()),
        "a page of another shopper": sum(pages == Pages.ANY for _, pages in MATRIX.values()),
    }.get(credential, 0)
