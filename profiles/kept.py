"""The kinds of data with an age of this app and below, for `profiles.retention`."""

from datetime import datetime

from catalog.models import FeedImport, FeedRowError
from profiles.old_events import EVENTS
from profiles.retention import Kept, Removed, register_kept


def register_kinds() -> None:
    """That of the catalog too, which knows nothing of retention. Called once, by the app."""
    register_kept(EVENTS, UPLOADS)


def _remove_old_uploads(before: datetime, _now: datetime) -> Removed:
    """Delete the files of imports that are long over, and their refused rows. That there was an
    import stays, with its counts."""
    over = FeedImport.objects.filter(finished_at__lt=before)
    FeedRowError.objects.filter(feed_import__in=over).delete()
    removed = 0
    for feed_import in over.exclude(file="").iterator(chunk_size=500):
        feed_import.file.delete(save=True)
        removed += 1
    return Removed(removed)


UPLOADS = Kept(
    "uploads", "Uploaded feeds, as files, and their refused rows", 90, _remove_old_uploads
)
