"""The Celery application and what runs when."""

import os

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_init
from django.conf import settings

from tenants.database.pooler import Pooler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("attune")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


NICENESS = 10
"""How far workers stand back (nice(1)) where they share processors with the web server."""


@setup_logging.connect
def keep_our_log(**_: object) -> None:
    """Celery would put handlers of its own in the place of those of the settings, which name the
    tenant of each line and leave personal data out. That this is connected keeps it from it."""


@worker_init.connect
def give_way(**_: object) -> None:
    """Before the first task process is forked: shoppers wait for answers, nobody for training."""
    os.nice(max(NICENESS - os.nice(0), 0))


@worker_init.connect
def require_sessions(**_: object) -> None:
    """Imports and training keep temporary tables and locks from one transaction to the next."""
    if settings.DATABASE_POOLER == Pooler.TRANSACTION:
        raise SystemExit(
            "DATABASE_POOLER is 'transaction', but a worker needs connections of its own: let its"
            " DATABASE_URL lead to Postgres itself, or to a pool of sessions."
        )


def every_tenant(task: str) -> dict[str, object]:
    """A schedule entry's target: start `task` once for each tenant."""
    return {"task": "tenants.tasks.start_for_every_tenant", "args": [task]}


app.conf.beat_schedule = {
    "write-buffered-decisions": {
        **every_tenant("recommendations.tasks.write_buffered_decisions"),
        "schedule": 2.0,
    },
    "write-buffered-searches": {
        **every_tenant("recommendations.tasks.write_buffered_searches"),
        "schedule": 2.0,
    },
    "refresh-search-words": {
        **every_tenant("recommendations.tasks.refresh_search_words"),
        "schedule": 60.0,
    },
    "refresh-search-statistics": {
        **every_tenant("recommendations.tasks.refresh_search_statistics"),
        "schedule": crontab(minute="25"),
    },
    "embed-changed-items": {
        **every_tenant("catalog.tasks.embed_changed_items"),
        "schedule": 30.0,
    },
    "write-vector-file": {
        **every_tenant("catalog.tasks.write_vector_file"),
        "schedule": 60.0,
    },
    "check-changed-items": {
        **every_tenant("catalog.tasks.check_changed_items"),
        "schedule": crontab(minute="*/5"),
    },
    "check-whole-catalog": {
        **every_tenant("catalog.tasks.check_whole_catalog"),
        "schedule": crontab(hour="2", minute="40"),
    },
    "update-search-index": {
        **every_tenant("catalog.tasks.update_search_index"),
        "schedule": 10.0,
    },
    "reconcile-search-index": {
        **every_tenant("catalog.tasks.reconcile_search_index"),
        "schedule": crontab(hour="4", minute="50"),
    },
    "refresh-popularity": {
        **every_tenant("recommendations.tasks.refresh_popularity"),
        "schedule": crontab(minute="*/10"),
    },
    "refresh-trending": {
        **every_tenant("recommendations.tasks.refresh_trending"),
        "schedule": crontab(minute="*/3"),
    },
    "measure-staleness": {
        **every_tenant("recommendations.tasks.measure_staleness"),
        "schedule": 60.0,
    },
    "update-neighbors": {
        **every_tenant("recommendations.tasks.update_neighbors"),
        "schedule": crontab(minute="*/5"),
    },
    "train-ranker": {
        **every_tenant("recommendations.tasks.train_ranker"),
        # A turn for each tenant between one and five; until six those are taken that were missed.
        "schedule": crontab(hour="1-6", minute="*/10"),
    },
    "seal-audit-trail": {
        **every_tenant("tenants.tasks.seal_audit_trail"),
        "schedule": crontab(minute="*/5"),
    },
    "apply-retention": {
        **every_tenant("profiles.tasks.apply_retention"),
        # Before the trainings of the night, which then learn from what is left.
        "schedule": crontab(hour="0", minute="30"),
    },
    "run-privacy-requests": {
        **every_tenant("profiles.tasks.run_privacy_requests"),
        "schedule": 60.0,
    },
    "forget-kept-answers": {
        **every_tenant("tenants.tasks.forget_kept_answers"),
        "schedule": crontab(minute="35"),
    },
    "forget-old-idempotency-keys": {
        **every_tenant("profiles.tasks.forget_old_idempotency_keys"),
        "schedule": crontab(hour="4", minute="40"),
    },
}
