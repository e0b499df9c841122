"""Rules and segments in a few words, for lists: which items, when, for whom."""

from decimal import Decimal

from recommendations.models import MerchandisingRule, Segment

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def target_in_words(rule: MerchandisingRule) -> str:
    """Such as “Shoes, brand Acme, color red or blue, on sale”."""
    parts = [rule.category, f"brand {rule.brand}" if rule.brand else ""]
    if rule.attribute:
        values = " or ".join(rule.attribute_values)
        numbers = _range(rule.attribute_from, rule.attribute_to)
        parts.append(" ".join(part for part in (rule.attribute, values, numbers) if part))
    if rule.price_from is not None or rule.price_to is not None:
        parts.append(f"price {_range(rule.price_from, rule.price_to)}")
    if rule.margin_from is not None:
        parts.append(f"margin from {rule.margin_from:g}%")
    if rule.margin_below is not None:
        parts.append(f"margin below {rule.margin_below:g}%")
    parts.append("on sale" if rule.on_sale else "")
    parts.append(f"new for {rule.new_for_days} days" if rule.new_for_days else "")
    return ", ".join(part for part in parts if part)


def for_whom_in_words(rule: MerchandisingRule) -> str:
    """Such as “search for “tent”, Returning, Sat Sun, until 3 May 2026”; empty for always."""
    parts = [f"search for “{rule.query}”" if rule.query else ""]
    parts.append(rule.segment.name if rule.segment else "")
    parts += [rule.device, " ".join(rule.countries)]
    parts.append(" ".join(WEEKDAYS[day] for day in sorted(rule.weekdays)))
    if rule.from_hour or rule.to_hour:
        start = f"{rule.from_hour:%H:%M}" if rule.from_hour else "0:00"
        parts.append(f"{start}-{rule.to_hour:%H:%M}" if rule.to_hour else f"from {start}")
    if rule.starts_at:
        parts.append(f"from {rule.starts_at.day} {rule.starts_at:%b %Y}")
    if rule.ends_at:
        parts.append(f"until {rule.ends_at.day} {rule.ends_at:%b %Y}")
    return ", ".join(part for part in parts if part)


def segment_in_words(segment: Segment) -> str:
    """Such as “returning, in DE or AT, bought in Shoes within 90 days”."""
    parts = [segment.visits, f"in {' or '.join(segment.countries)}" if segment.countries else ""]
    for name, values in (
        (segment.preference, segment.preference_values),
        (segment.trait, segment.trait_values),
    ):
        if name:
            parts.append(f"{name} is {' or '.join(values)}" if values else f"{name} is known")
    if segment.affinity_category:
        share = f"{100 * segment.affinity_share:g}%"
        parts.append(f"{share} of the history in {segment.affinity_category}")
    if segment.bought_category:
        days = segment.bought_within_days
        within = f" within {days} days" if days else ""
        parts.append(f"bought in {segment.bought_category}{within}")
    return ", ".join(part for part in parts if part)


def _range(low: float | Decimal | None, high: float | Decimal | None) -> str:
    if low is None and high is None:
        return ""
    if low is None:
        return f"up to {_plain(high)}"
    return f"from {_plain(low)}" if high is None else f"{_plain(low)}-{_plain(high)}"


def _plain(number: float | Decimal | None) -> str:
    """A number without zeros that say nothing."""
    return f"{float(number or 0):g}"
