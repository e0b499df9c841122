"""`var/demo.json`: where the demo is, and what lets one in. Kept from one load to the next."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django_tenants.utils import schema_context

from catalog.models import Item
from demo.storefront.visitor import featured_shoppers
from demo.stores import Store
from profiles.consent import permitted_states
from profiles.models import Purpose
from tenants.keys import find_key_holder, mint_key, revoke_key
from tenants.models import ApiKey, StaffUser
from tenants.roles import Role

KEY_NAME = "Demo storefront server"
ADMIN_USER = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """One tenant of the demo, as `var/demo.json` has it. `staff` are the passwords of one person of
    each role, by name; the last three are external ids to try."""

    name: str
    host: str
    secret_key: str
    admin_url: str
    admin_user: str
    admin_password: str
    staff: dict[str, str]
    shopper_with_history: str
    new_shopper: str
    item: str


def demo_file() -> Path:
    path: Path = settings.VAR_DIR / "demo.json"
    return path


def known_access(store: Store) -> dict[str, Any]:
    """What the file says of the store; empty when there is no file, or none that can be read."""
    try:
        tenants = json.loads(demo_file().read_text(encoding="utf-8"))["tenants"]
        return next((dict(each) for each in tenants if each["host"] == store.host), {})
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def give_access(store: Store, *, port: int) -> Access:
    """A key that works and a password, kept from the file where it has them, else made anew.

    A password in the file is believed: whoever changed it in the admin meant it.
    """
    known = known_access(store)
    with schema_context(store.schema):
        key = str(known.get("secret_key", ""))
        if find_key_holder(key) is None:
            key = _new_key()
        password = str(known.get("admin_password", ""))
        if not password or not StaffUser.objects.filter(username=ADMIN_USER).exists():
            password = _new_password(store)
        staff = _staff(store, dict(known.get("staff") or {}))
        examples = {name: known.get(name) or find() for name, find in EXAMPLES.items()}
    return Access(
        name=store.name,
        host=store.host,
        secret_key=key,
        admin_url=f"http://{store.host}:{port}/admin/",
        admin_user=ADMIN_USER,
        admin_password=password,
        staff=staff,
        **examples,
    )


def write_file(access: list[Access], *, port: int) -> None:
    """Replace the file in one go; nobody but its owner may read it."""
    path = demo_file()
    content = {
        "base_url": f"http://localhost:{port}",
        "tenants": [asdict(each) for each in access],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=2, ensure_ascii=False)
        stream.write("\n")
    draft.replace(path)


def _shopper_with_history() -> str:
    featured = featured_shoppers()
    return str(featured[0].external_id) if featured else ""


def _new_shopper() -> str:
    """Somebody who grants personalization and has never been here."""
    states = permitted_states(Purpose.PERSONALIZATION).filter(history=[])
    state = states.select_related("shopper").order_by("shopper").first()
    return str(state.shopper.external_id) if state else "new-shopper"


def _item() -> str:
    items = Item.objects.filter(available=True, archived_at=None).exclude(offer__stock=0)
    item = items.order_by(F("facts__popularity").desc(nulls_last=True), "id").first()
    return item.external_id if item else ""


EXAMPLES: Mapping[str, Callable[[], str]] = {
    "shopper_with_history": _shopper_with_history,
    "new_shopper": _new_shopper,
    "item": _item,
}


def _new_key() -> str:
    """A new key. Those before it are revoked: their text is lost, so nobody would miss them."""
    for lost in ApiKey.objects.filter(name=KEY_NAME):
        revoke_key(lost)
    _, text = mint_key(KEY_NAME)
    return text


def _staff(store: Store, known: Mapping[str, str]) -> dict[str, str]:
    """One person of each role but the administrator's, by the role's name, with a password."""
    passwords = {}
    for role in (Role.MERCHANDISER, Role.ANALYST, Role.PRIVACY_OFFICER):
        name = role.value.replace("_", "-")
        passwords[name] = known.get(name) or secrets.token_urlsafe(12)
        user, new = StaffUser.objects.get_or_create(
            username=name,
            defaults={"email": f"{name}@{store.host}", "is_staff": True, "role": role},
        )
        if new or name not in known:
            user.set_password(passwords[name])
            user.save(update_fields=["password"])
    return passwords


def _new_password(store: Store) -> str:
    password = secrets.token_urlsafe(12)
    user, _ = StaffUser.objects.get_or_create(
        username=ADMIN_USER,
        defaults={"email": f"admin@{store.host}", "is_staff": True, "is_superuser": True},
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    return password
