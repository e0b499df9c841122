"""What the tenant expects of its items, as every request and every check reads it."""

from catalog.quality.checks import CHECKS
from catalog.quality.models import QualityPolicy
from tenants.settled import settled


def quality_policy() -> QualityPolicy:
    """The tenant's policy, or the defaults. Settled: costs no statement as long as it holds."""
    policy = settled("quality policy", lambda: QualityPolicy.objects.first() or QualityPolicy())
    return policy or QualityPolicy()


def points_of(policy: QualityPolicy) -> dict[str, int]:
    """What each flaw takes off a score, by its code; a check that is turned off takes 0."""
    return {code: int(policy.points.get(code, check.points)) for code, check in CHECKS.items()}
