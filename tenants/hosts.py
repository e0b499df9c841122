"""Which tenant a host belongs to: cached, and forgotten when a tenant or domain changes."""

from datetime import timedelta

from django.core.cache import cache
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.models import Domain, Tenant

CACHED_FOR = timedelta(hours=1)


def _cache_key(host: str) -> str:
    return f"host:{host}"


def find_tenant(host: str) -> Tenant | None:
    """The tenant behind `host`. One cache read, or one query at a miss.

    Unknown hosts are not cached: a scan of random names would fill the cache.
    """
    with schema_context(get_public_schema_name()):
        tenant: Tenant | None = cache.get(_cache_key(host))
        if tenant is None:
            domain = Domain.objects.select_related("tenant").filter(domain=host).first()
            if domain is None:
                return None
            tenant = domain.tenant
            cache.set(_cache_key(host), tenant, CACHED_FOR.total_seconds())
    return tenant


def forget_hosts(tenant: Tenant) -> None:
    """Drop what is cached for the tenant's hosts; call it after changing a tenant or a domain."""
    with schema_context(get_public_schema_name()):
        hosts = Domain.objects.filter(tenant=tenant).values_list("domain", flat=True)
        cache.delete_many([_cache_key(host) for host in hosts])


def add_host(tenant: Tenant, host: str, *, primary: bool = False) -> Domain:
    """Let `host` lead to `tenant`. Raises IntegrityError when it leads somewhere already."""
    with schema_context(get_public_schema_name()):
        domain: Domain = Domain.objects.create(tenant=tenant, domain=host, is_primary=primary)
        cache.delete(_cache_key(host))
    return domain


def remove_host(host: str) -> None:
    """Let `host` lead nowhere, from the next request on."""
    with schema_context(get_public_schema_name()):
        Domain.objects.filter(domain=host).delete()
        cache.delete(_cache_key(host))
