"""The filters of a search as conditions of SQL, on `catalog_item i` and `catalog_offer o`."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from catalog.search.facts import PATH_SEPARATOR
from catalog.search.values import ATTRIBUTE, IN_STOCK, SOLD_OUT, Filter

FROM_ITEMS: Final = "catalog_item i LEFT JOIN catalog_offer o ON o.item_id = i.id"
PRICE: Final = "COALESCE(o.sale_price, o.price)"
IS_IN_STOCK: Final = "(i.available AND COALESCE(o.stock, 1) > 0)"

# Each value of an attribute, as text: of a list each element.
ATTRIBUTE_TEXTS: Final = """jsonb_array_elements_text(
    CASE jsonb_typeof(i.attributes -> %s::text) WHEN 'array' THEN i.attributes -> %s::text
    WHEN 'object' THEN '[]' WHEN 'null' THEN '[]'
    ELSE jsonb_build_array(i.attributes -> %s::text) END)"""
IS_NUMBER: Final = r"'^\s*[+-]?\d{1,15}(\.\d{1,10})?\s*$'"

Condition = tuple[str, list[Any]]


def where(filters: Iterable[Filter], *, but: str = "") -> Condition:
    """All of them, without those on the field `but`, and that the item is listed; in stock, unless
    one of them says otherwise."""
    filters = list(filters)
    conditions: list[Condition] = [("i.archived_at IS NULL", [])]
    if not any(each.field == "availability" for each in filters):
        conditions.append((IS_IN_STOCK, []))
    conditions.extend(_condition(each) for each in filters if each.field != but)
    sql = " AND ".join(f"({text})" for text, _ in conditions)
    return sql, [value for _, values in conditions for value in values]


def _condition(each: Filter) -> Condition:
    parts = list(_parts(each))
    sql = " AND ".join(text for text, _ in parts) or "true"
    values = [value for _, given in parts for value in given]
    # What is unknown does not hold, and so its negation does.
    return (f"({sql}) IS NOT TRUE" if each.negated else sql), values


def _parts(each: Filter) -> Iterator[Condition]:
    if each.values:
        yield _any_of(each.field, [value.strip().lower() for value in each.values])
    bounds = [("<=", each.at_most), (">=", each.at_least)]
    for operator, bound in bounds:
        if bound is not None:
            yield _bounded(each.field, operator, bound)


def _any_of(field: str, values: list[str]) -> Condition:
    match field:
        case "availability":
            states = {IN_STOCK: IS_IN_STOCK, SOLD_OUT: f"NOT {IS_IN_STOCK}"}
            return " OR ".join(states[value] for value in values if value in states) or "false", []
        case "category":
            return (
                "EXISTS (SELECT 1 FROM generate_subscripts(i.category_path, 1) n"
                " WHERE lower(i.category_path[n]) = ANY(%s)"
                f" OR lower(array_to_string(i.category_path[:n], '{PATH_SEPARATOR}')) = ANY(%s))",
                [values, values],
            )
        case "brand" | "kind":
            return f"lower(i.{field}) = ANY(%s)", [values]
        case "price":
            return f"{PRICE} = ANY(%s::numeric[])", [values]
        case _:
            name = field.removeprefix(ATTRIBUTE)
            return (
                f"EXISTS (SELECT 1 FROM {ATTRIBUTE_TEXTS} t WHERE lower(btrim(t)) = ANY(%s))",
                [name, name, name, values],
            )


def _bounded(field: str, operator: str, bound: Any) -> Condition:
    if field == "price":
        return f"{PRICE} {operator} %s", [bound]
    name = field.removeprefix(ATTRIBUTE)
    return (
        f"EXISTS (SELECT 1 FROM {ATTRIBUTE_TEXTS} t"
        f" WHERE CASE WHEN t ~ {IS_NUMBER} THEN t::numeric {operator} %s END)",
        [name, name, name, bound],
    )
