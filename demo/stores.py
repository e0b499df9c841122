"""The two stores of the demo: where they live, how they look, and how each of them speaks."""

from dataclasses import dataclass

from tenants.tasks import current_schema

SHOP_SCHEMA = "shop"
ACADEMY_SCHEMA = "academy"

SEED = 1
"""Of everything that is made up for the stores."""


@dataclass(frozen=True, slots=True)
class Words:
    """How a store calls what every storefront has."""

    cart: str
    empty_cart: str
    add: dict[str, str]
    """What the button on an item of a kind says."""
    check_out: str
    ordered: str
    order: str
    again: str
    beside_item: str
    beside_cart: str
    keep_looking: str


@dataclass(frozen=True, slots=True)
class Store:
    """One storefront. `theme` names its colors and type in the style sheet, and its mark."""

    schema: str
    name: str
    host: str
    theme: str
    tagline: str
    welcome: str
    words: Words

    @property
    def mark(self) -> str:
        """The static file of the store's mark."""
        return f"demo/mark-{self.theme}.svg"


SHOP = Store(
    schema=SHOP_SCHEMA,
    name="Larkfield",
    host="shop.localhost",
    theme="pine",
    tagline="Good things for home, garden and outdoors.",
    welcome="A general store with an opinion: things that last, at prices that make sense.",
    words=Words(
        cart="Cart",
        empty_cart="Nothing in here yet. The suggestions below are a good place to start.",
        add={"product": "Add to cart"},
        check_out="Place order",
        ordered="Thank you for your order",
        order="Order",
        again="Buy again",
        beside_item="Goes with it, or with you",
        beside_cart="Before you order",
        keep_looking="Keep shopping",
    ),
)

ACADEMY = Store(
    schema=ACADEMY_SCHEMA,
    name="Quillmoor Academy",
    host="academy.localhost",
    theme="ink",
    tagline="Learn something that stays with you.",
    welcome="Courses, single lessons and articles by people who do it for a living.",
    words=Words(
        cart="Course cart",
        empty_cart="Nothing in here yet. The suggestions below are a good place to start.",
        add={"plan": "Enroll", "lesson": "Take this lesson", "article": "Get this article"},
        check_out="Complete enrollment",
        ordered="You are enrolled",
        order="Enrollment",
        again="On your shelf",
        beside_item="Goes with it, or with you",
        beside_cart="Before you enroll",
        keep_looking="Keep looking around",
    ),
)

STORES = (SHOP, ACADEMY)
_BY_SCHEMA = {store.schema: store for store in STORES}


def store_of(schema: str) -> Store:
    """The storefront of a tenant's schema; that of the shop for a tenant the demo did not open."""
    return _BY_SCHEMA.get(schema, SHOP)


def store_here() -> Store:
    """The storefront of the tenant that this request is for."""
    return store_of(current_schema())
