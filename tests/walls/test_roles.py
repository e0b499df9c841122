"""What each role reaches in the admin: every page by every role, and no personal data but for those
whose task it is."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.db.models import Model

from catalog.models import Item, Review
from profiles.models import EventKind, Session, Shopper
from recommendations.models import Placement
from recommendations.search_models import Search
from tenants.models import ApiKey, StaffUser, Tenant
from tenants.roles import TABLE, Role, permissions_of
from tests.conftest import TenantPair
from tests.make import make_event
from tests.staff import PASSWORD, Browser, page_of, sign_in, text_of, visitor
from tests.walls.addresses import Address, every_address
from tests.walls.planting import Planted
from tests.walls.test_addresses import browse

Pair = tuple[Planted, Planted]

ROLES = ("merchandiser", "analyst", "privacy_officer", "administrator")

MATRIX: dict[str, tuple[str, str, str, str]] = {
    # l: the list, c: the page of a row and its history, a: adding, d: deleting
    "catalog.item": ("lca", "lc", "", "lca"),
    "catalog.feedimport": ("lca", "lc", "", "lca"),
    "catalog.feedrowerror": ("lc", "lc", "", "lc"),
    "catalog.review": ("lcad", "lc", "", "lcad"),
    "catalog.itemquality": ("lc", "lc", "", "lc"),
    "catalog.qualityissue": ("lc", "lc", "", "lc"),
    "catalog.qualitypolicy": ("lcad", "lca", "", "lcad"),  # adding shows the one there is
    "catalog.searchsynonym": ("lcad", "lc", "", "lcad"),
    "profiles.shopper": ("", "", "lc", "lc"),
    "profiles.consent": ("", "", "lc", "lc"),
    "profiles.consentchange": ("", "", "lc", "lc"),
    "profiles.session": ("", "", "lc", "lc"),
    "profiles.event": ("", "", "lc", "lc"),
    "profiles.eventimport": ("", "lc", "lc", "lc"),
    "profiles.signalpolicy": ("lc", "lc", "lc", "lc"),
    "profiles.policyproposal": ("lca", "lc", "lca", "lca"),
    "profiles.sensitivetopic": ("lc", "lc", "lcad", "lcad"),
    "profiles.consenttext": ("lc", "lc", "lcad", "lcad"),
    "profiles.privacyrequest": ("", "", "lca", "lca"),
    "profiles.retentionrule": ("lc", "lc", "lcad", "lcad"),
    "profiles.retentionrun": ("lc", "lc", "lc", "lc"),
    "profiles.privacycontrol": ("lca", "lca", "lcad", "lcad"),  # adding shows the one there is
    "recommendations.decision": ("", "", "lc", "lc"),
    "recommendations.impression": ("", "", "lc", "lc"),
    "recommendations.placement": ("lcad", "lc", "", "lcad"),
    "recommendations.merchandisingrule": ("lcad", "lc", "", "lcad"),
    "recommendations.segment": ("lcad", "lc", "", "lcad"),
    "recommendations.rankerversion": ("lc", "lc", "", "lc"),
    "recommendations.itemneighbors": ("lc", "lc", "", "lc"),
    "recommendations.itemcomplements": ("lc", "lc", "", "lc"),
    "recommendations.itemfacts": ("lc", "lc", "", "lc"),
    "recommendations.search": ("lc", "lc", "", "lc"),
    "tenants.auditentry": ("", "", "lc", "lc"),
    "tenants.staffuser": ("", "", "", "lcad"),
    "tenants.apikey": ("", "", "", "lca"),
    "auth.group": ("", "", "", "lcad"),
}
"""By model: what each of ROLES may open. Anybody else may open nothing."""

OTHER_PAGES: dict[str, tuple[bool, bool, bool, bool]] = {
    "catalog/itemquality/export/": (True, True, False, True),
    "catalog/searchsynonym/import/": (True, False, False, True),
    "catalog/feedimport/<path:object_id>/errors/": (True, True, False, True),
    "catalog/feedimport/<path:object_id>/run-again/": (True, False, False, True),
    "profiles/policyproposal/<path:object_id>/approve/": (False, False, True, True),
    "profiles/policyproposal/<path:object_id>/refuse/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/progress/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/check-identity/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/approve/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/deny/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/extend/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/lift/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/export/": (False, False, True, True),
    "profiles/privacyrequest/<path:object_id>/certificate/": (False, False, True, True),
    "recommendations/merchandisingrule/try/": (True, True, False, True),
    "recommendations/merchandisingrule/simulate/": (True, True, False, True),
    "recommendations/merchandisingrule/<path:object_id>/try-this/": (True, True, False, True),
    "recommendations/merchandisingrule/<path:object_id>/publish/": (True, False, False, True),
    "recommendations/merchandisingrule/<path:object_id>/retire/": (True, False, False, True),
    "recommendations/rankerversion/<path:object_id>/promote/": (True, False, False, True),
    "recommendations/search/reports/": (True, True, False, True),
    "recommendations/search/open-reports/": (True, True, False, True),
    "tenants/auditentry/export/": (False, False, True, True),
    "tenants/staffuser/<id>/password/": (False, False, False, True),
}

EVERYBODYS = {
    "", "logout/", "password_change/", "password_change/done/", "jsi18n/", "search/",
    "autocomplete/", "login/", "second-factor/", "<path:object_id>/", "%(url)s",
}  # fmt: skip
"""Pages without a row of their own: `autocomplete/` asks for the permission to view the model."""

LETTERS = {"": "l", "add/": "a", "<path:object_id>/change/": "c", "<path:object_id>/history/": "c"}
LETTERS["<path:object_id>/delete/"] = "d"


def pages() -> list[tuple[Address, str]]:
    found = [(each, each.route) for each in every_address() if each.route.startswith("admin/")]
    return [(each, route.removeprefix("admin/")) for each, route in found]


def allowed(route: str) -> tuple[bool, ...] | None:
    """Who of ROLES may open a page; None where it is nobody's own, and a failure where nobody
    said."""
    if route in OTHER_PAGES:
        return OTHER_PAGES[route]
    app, model, page = (*route.split("/", 2), "", "")[:3]
    if f"{app}.{model}" in MATRIX and page in LETTERS:
        return tuple(LETTERS[page] in letters for letters in MATRIX[f"{app}.{model}"])
    if (
        route in EVERYBODYS
        or page in EVERYBODYS - {""}
        or route.startswith(("r/", "%(app_label)s"))
    ):
        return None
    pytest.fail(f"Say in MATRIX or OTHER_PAGES who may open {route}.")


def staff_of(tenant: Tenant, role: str) -> Browser:
    user = StaffUser.objects.create_user(f"a-{role or 'nobody'}", None, PASSWORD, is_staff=True)
    user.role = role
    user.save()
    client = visitor(tenant)
    client.force_login(user)
    return client


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    routes = [route for _, route in pages()]
    assert len(routes) > 120
    for route in routes:
        allowed(route)
    assert set(OTHER_PAGES) <= set(routes)
    known = {f"{app}.{model}" for app, model, *_ in (r.split("/") for r in routes if "/" in r[:-1])}
    assert set(MATRIX) <= known
    assert set(MATRIX) <= set(TABLE)


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_a_role_opens_its_pages_and_no_other(planted: Pair, role: str) -> None:
    ours, _ = planted
    client = staff_of(ours.tenant, role)
    opened = 0
    for address, route in pages():
        may = allowed(route)
        if may is None:
            continue
        expected = role != "" and may[ROLES.index(role)]
        status, text = browse(client, "GET", address, ours)
        refused = status == 403 or (status == 302 and "/admin/login/" in text)
        assert refused != expected, f"{role or 'nobody'} at {route}: {status}"
        if "view" not in route and not expected:
            status, text = browse(client, "POST", address, ours)
            assert status in {302, 403}, f"{role or 'nobody'} posting to {route}: {status}"
        opened += expected
    assert (opened > 10) == (role != "")


@pytest.mark.parametrize("role", ["merchandiser", "analyst"])
def test_merchandisers_and_analysts_meet_no_shopper_on_any_page(planted: Pair, role: str) -> None:
    ours, _ = planted
    Review.objects.update(shopper=ours.shopper)
    said = f"{ours.marker} ticket"
    make_event(ours.row(Shopper), None, EventKind.SUPPORT_TICKET, text=said)
    client = staff_of(ours.tenant, role)
    seen = 0
    for address, route in pages():
        for query in ("", f"q={ours.shopper}"):
            path = f"{address.about(ours)}?{query}" if query else None
            status, text = browse(client, "GET", address, ours, path=path)
            if status == 200 and not query:
                seen += 1
            if query:
                text = re.sub(rf"(q=|q%3D|value=\"){ours.shopper}", "", text)  # what was asked
            for secret in (
                ours.shopper, said, f"{ours.marker} trait",
                f"{ours.marker}-device", f"{ours.marker}-session",
            ):  # fmt: skip
                assert secret not in text, route
    assert seen > 30
    found = client.get("/admin/search/", {"s": ours.shopper})
    assert ours.shopper not in text_of(found).replace(f"“{ours.shopper}”", "")

    trial = {"placement": f"{ours.marker}-home", "shopper": ours.shopper, "run": "1"}
    page = text_of(client.get("/admin/recommendations/merchandisingrule/try/", trial))
    assert ours.shopper not in page
    officer = staff_of(ours.tenant, "privacy_officer")
    page = text_of(officer.get(page_of(ours.row(Shopper))))
    assert ours.shopper in page
    assert f"{ours.marker} trait" in page, "that it is shown to those whose task it is"


@pytest.mark.parametrize("role", ["merchandiser", "analyst", "privacy_officer", "administrator"])
def test_a_list_is_filtered_by_nothing_that_its_pages_do_not_show(planted: Pair, role: str) -> None:
    """Else a hidden id is told letter by letter, and which rows are one person's."""
    ours, _ = planted
    shopper = ours.row(Shopper)
    Review.objects.update(shopper=ours.shopper)
    Search.objects.update(shopper=shopper)
    client = staff_of(ours.tenant, role)
    sees_shoppers = client.get(page_of(shopper)).status_code == 200
    whose = [f"shopper__startswith={ours.shopper[:3]}", f"shopper={ours.shopper}"]
    pk = shopper.pk
    hidden: dict[type[Model], list[str]] = {
        Search: [f"shopper={pk}", f"shopper_id={pk}", f"shopper__id__exact={pk}",
                 "shopper__isnull=0"],
        Review: [] if sees_shoppers else whose,
        Item: [f"reviews__{each}" for each in whose],
        ApiKey: ["digest__startswith=0"],
        StaffUser: ["password__startswith=pbkdf2"],
    }  # fmt: skip
    for model, lookups in hidden.items():
        address = page_of(model, "changelist")
        expected = 400 if client.get(address).status_code == 200 else 403
        for lookup in lookups:
            assert client.get(f"{address}?{lookup}").status_code == expected, lookup
    if sees_shoppers:
        found = client.get(f"{page_of(Session, 'changelist')}?shopper__id__exact={pk}")
        assert f"{ours.marker}-session" in text_of(found), "what a page shows it is filtered by"
    else:
        item = ours.row(Item).pk
        found = client.get(f"{page_of(Review, 'changelist')}?item__id__exact={item}")
        assert found.status_code == 200


def test_a_role_gives_what_the_table_says_and_an_ended_staff_user_nothing(
    tenant: Tenant,
) -> None:
    user = StaffUser.objects.create_user("mia", role=Role.MERCHANDISER)
    assert user.has_perm("recommendations.add_placement")
    assert not user.has_perm("profiles.view_shopper")
    assert user.get_all_permissions() == permissions_of("merchandiser")
    ended = StaffUser.objects.create_user("max", role=Role.MERCHANDISER, is_active=False)
    assert ended.get_all_permissions() == set()
    assert permissions_of("emperor") == frozenset()


def test_only_an_administrator_makes_an_administrator(tenant: Tenant, tenants: TenantPair) -> None:
    boss = staff_of(tenant, "administrator")
    added = boss.post(
        page_of(StaffUser, "add"),
        {"username": "mia", "usable_password": "true", "password1": "a long pass phrase 7",
         "password2": "a long pass phrase 7", "role": "merchandiser"},
    )  # fmt: skip
    assert added.status_code == 302
    mia = StaffUser.objects.get(username="mia")
    assert (mia.role, mia.is_staff, mia.is_superuser) == ("merchandiser", True, False)

    helper = sign_in(
        tenant, "helper", permissions=("tenants.view_staffuser", "tenants.change_staffuser")
    )
    fields = {"username": "mia", "role": "administrator", "is_superuser": "on", "is_active": "on",
              "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}  # fmt: skip
    helper.post(page_of(mia), fields)
    mia.refresh_from_db()
    assert (mia.role, mia.is_superuser) == ("merchandiser", False)
    chief = StaffUser.objects.get(username="a-administrator")
    assert helper.post(page_of(chief), {**fields, "username": "taken"}).status_code == 403
    assert helper.get(f"/admin/tenants/staffuser/{chief.pk}/password/").status_code == 403

    boss.post(page_of(mia), fields)
    mia.refresh_from_db()
    assert (mia.role, mia.is_superuser) == ("administrator", False)


def test_nobody_but_an_administrator_raises_themselves_by_a_group(tenant: Tenant) -> None:
    sets = ("auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group")
    helper = sign_in(tenant, "helper", permissions=sets)
    group = Group.objects.create(name="helpers")
    group.user_set.add(StaffUser.objects.get(username="helper"))
    raised = {
        "name": "helpers",
        "permissions": [Permission.objects.get(codename="view_shopper").pk],
    }
    for address in (page_of(group), page_of(Group, "add"), page_of(group, "delete")):
        assert helper.post(address, raised).status_code == 403
    assert helper.get(page_of(group)).status_code == 200
    boss = staff_of(tenant, "administrator")
    assert boss.post(page_of(group), raised).status_code == 302
    assert group.permissions.count() == 1


def test_what_an_analyst_sees_of_a_rule_is_read_only(tenant: Tenant) -> None:
    placement = Placement.objects.create(code="home", question="home")
    analyst = staff_of(tenant, "analyst")
    assert analyst.get(page_of(placement)).status_code == 200
    assert analyst.post(page_of(placement), {"code": "taken"}).status_code == 403
