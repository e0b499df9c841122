"""Background work on the catalog."""

import logging

from catalog.embedding import EmbedderUnavailable, embed_items, embedder
from catalog.importing import run_import
from catalog.models import FeedImport, Item
from catalog.quality.refresh import check_catalog, check_changed
from catalog.quality.vocabulary import check_vocabulary
from catalog.search.indexing import update_index
from catalog.search.storage import IndexBusy
from catalog.vectors import write_vectors
from tenants.tasks import current_schema, tenant_task

logger = logging.getLogger(__name__)

EMBED_BATCH = 256
MANY = 100
"""Changes of as many items as this may have changed the words of the whole catalog."""


@tenant_task
def run_feed_import(feed_import_id: int) -> None:
    """Import an uploaded feed. Safe to run twice: the second run finds nothing to change."""
    feed_import = FeedImport.objects.get(pk=feed_import_id)
    if feed_import.status == FeedImport.Status.DONE:
        return
    feed_import.row_errors.all().delete()
    feed_import.rows = feed_import.failed = 0
    with feed_import.file.open("rb") as stream:
        run_import(feed_import, stream)
    update_search_index.delay_on_commit(current_schema())
    embed_changed_items.delay_on_commit(current_schema())
    check_changed_items.delay_on_commit(current_schema())


@tenant_task
def embed_changed_items() -> None:
    """Embed the items whose text changed since. Safe to run twice, or beside itself."""
    embedded = 0
    last = 0
    while batch := list(
        Item.objects.filter(pk__gt=last, archived_at=None)
        .needs_embedding(embedder().version)
        .select_related("embedding")
        .order_by("pk")[:EMBED_BATCH]
    ):
        last = batch[-1].pk
        try:
            embedded += embed_items(batch)
        except EmbedderUnavailable:
            logger.exception("Items wait for their embedding: the model does not answer")
            return
    if embedded:
        logger.info("Embedded %d items", embedded)


@tenant_task
def write_vector_file() -> None:
    """Every minute: the vectors of items in a file for web processes, where any changed and it is
    worth it. Safe to run twice, or beside itself: only one of them writes."""
    try:
        write_vectors()
    except IndexBusy:
        logger.info("The file of vectors is being written already")
    except EmbedderUnavailable:
        logger.exception("Vectors are read from the tables: the model does not answer")


@tenant_task
def check_changed_items() -> None:
    """Judge the items that changed since they were judged. Safe to run twice, or beside itself."""
    if check_changed() >= MANY:
        check_vocabulary()


@tenant_task
def check_whole_catalog() -> None:
    """Judge every item anew: usual prices moved, and time has passed. Safe to run twice."""
    check_catalog()
    check_vocabulary()


@tenant_task
def update_search_index() -> None:
    """Write what changed into the search index; all of it where there is none. Safe to run twice,
    or beside itself: only one of them writes, and the schedule comes again."""
    try:
        update_index()
    except IndexBusy:
        logger.info("The search index is being written already")


@tenant_task
def reconcile_search_index() -> None:
    """Compare the search index with every row, nightly: what was deleted leaves it, and whatever
    an update missed is mended. Safe to run twice."""
    try:
        update_index(reconcile=True)
    except IndexBusy:
        logger.info("The search index is being written already")
