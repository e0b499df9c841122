"""What every request asks of Valkey before anything else, in one round trip.

Is what is settled still good, and how often did this key ask within the minute? Which schema and
which key that will be is guessed from what this process keeps; the answer to a wrong guess is not
used, and what was not asked here is asked where it is needed.
"""

import logging

from django.http import HttpRequest
from django_redis import get_redis_connection
from django_tenants.utils import get_public_schema_name
from redis.exceptions import RedisError

from tenants.keys import guess_key_holder
from tenants.settled import generation_key, kept_value, note_generations
from tenants.throttling import count_in, note_count, window_key

logger = logging.getLogger(__name__)


def look_ahead(request: HttpRequest, host: str) -> None:
    """Note the generations and the count that the request will need; call it in `one_look`."""
    public = get_public_schema_name()
    schemas = [public]
    tenant = kept_value(f"host:{host}", schema=public, tenant=None)
    window = None
    if tenant is not None:
        schemas.append(tenant.schema_name)
        holder = guess_key_holder(request, tenant)
        # Everybody has a publishable key: its requests count once their token was found to be good.
        if holder is not None and not holder.publishable:
            window = window_key(tenant.schema_name, holder.key_id)
    pipeline = get_redis_connection("default").pipeline(transaction=False)
    pipeline.mget([generation_key(schema) for schema in schemas])
    if window:
        count_in(pipeline, window)
    try:
        generations, *counts = pipeline.execute()
    except RedisError:
        logger.exception("Nothing could be asked of Valkey")
        note_generations(dict.fromkeys(schemas))
        if window:
            note_count(request, window, None)
        return
    # A generation that is not there yet is made where it is needed.
    note_generations(
        {schema: found for schema, found in zip(schemas, generations, strict=True) if found}
    )
    if window:
        note_count(request, window, counts[0])
