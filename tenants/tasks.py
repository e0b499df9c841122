"""Celery tasks that cannot forget their tenant."""

import functools
import logging
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

from celery import Celery, current_app, shared_task
from django.db import transaction
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.audit_chain import seal
from tenants.connection import connection
from tenants.models import KeptAnswer, Tenant

logger = logging.getLogger(__name__)

P = ParamSpec("P")


class TenantTask(Generic[P]):
    """A task whose first argument is the schema: leaving it out is a type error and fails."""

    def __init__(self, function: Callable[P, None], celery_task: Any) -> None:
        self.function = function
        self.name: str = celery_task.name
        self._celery_task = celery_task
        functools.update_wrapper(self, function)

    def __call__(self, schema: str, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run it here and now, in `schema`."""
        self._celery_task(schema, *args, **kwargs)

    def delay_on_commit(self, schema: str, *args: P.args, **kwargs: P.kwargs) -> None:
        """Queue it once the current transaction is committed; never queued if it is not.

        A broker that is out is logged: what the task does is also done by its schedule.
        """

        def publish() -> None:
            try:
                self._celery_task.apply_async((schema, *args), kwargs)
            except self._celery_task.OperationalError:
                logger.exception("Could not queue %s: the broker is out", self.name)

        transaction.on_commit(publish)


def tenant_task(function: Callable[P, None]) -> TenantTask[P]:
    """A Celery task that runs in the schema named by its first argument, in its shop's time zone.

    Raises ValueError for `public` or a schema of no tenant, rather than running elsewhere.
    """

    @shared_task(name=f"{function.__module__}.{function.__name__}")
    @functools.wraps(function)
    def run(schema: str, *args: Any, **kwargs: Any) -> None:
        with schema_context(get_public_schema_name()):
            tenant = Tenant.objects.filter(schema_name=schema).first()
        if tenant is None:
            raise ValueError(f"{schema!r} is no tenant's schema.")
        with schema_context(schema), timezone.override(tenant.time_zone):
            function(*args, **kwargs)

    return TenantTask(function, run)


def current_schema() -> str:
    """The tenant's schema this code runs in. Raises RuntimeError in `public`."""
    schema: str = connection.schema_name
    if schema == get_public_schema_name():
        raise RuntimeError("This needs a tenant, but the current schema is public.")
    return schema


def find_current_tenant() -> Tenant | None:
    """The tenant whose schema this code runs in; None when it was closed meanwhile.

    Read in `public`, where no tenant's role reads anything.
    """
    schema = current_schema()
    with schema_context(get_public_schema_name()):
        tenant: Tenant | None = Tenant.objects.filter(schema_name=schema).first()
    return tenant


@tenant_task
def forget_kept_answers() -> None:
    """Hourly. Safe to run twice: the second run finds nothing."""
    forgotten, _ = KeptAnswer.objects.expired(timezone.now()).delete()
    logger.info("Forgot %d answers of idempotent requests", forgotten)


@tenant_task
def seal_audit_trail() -> None:
    """Sign where the tenant's audit trail stands, and log it, for the log is elsewhere."""
    schema = current_schema()
    with schema_context(get_public_schema_name()):
        tenant = Tenant.objects.get(schema_name=schema)
    made = seal(tenant)
    if made is not None:
        logger.info("The audit trail stands at %d:%s", made.number, made.hash)


@shared_task(name="tenants.tasks.start_for_every_tenant")
def start_for_every_tenant(task: str) -> None:
    """Queue `task` once for each tenant; what the beat schedule calls."""
    app: Celery = current_app
    with schema_context(get_public_schema_name()):
        schemas = list(Tenant.objects.values_list("schema_name", flat=True))
    for schema in schemas:
        app.send_task(task, args=(schema,))
