"""What: items of any kind, their offers, reviews and embeddings, and the feeds they came from."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest
from django.utils import timezone
from pgvector.django import HalfVectorField, HnswIndex

import catalog.search_models  # noqa: F401  # where Django looks for models
from catalog.quality.checks import STALE_STOCK
from catalog.quality.policy import points_of, quality_policy
from tenants.settled import unsettle

EMBEDDING_DIMENSIONS = 512


class ItemKind(models.TextChoices):
    PRODUCT = "product"
    LESSON = "lesson"
    ARTICLE = "article"
    TRIP = "trip"
    ACTION = "action"
    PLAN = "plan"


class ItemQuerySet(models.QuerySet["Item"]):
    def recommendable(self) -> Self:
        """Listed, and in stock where stock is counted at all."""
        return self.filter(available=True, archived_at=None).exclude(offer__stock=0)

    def needs_embedding(self, model_version: str) -> Self:
        """Never embedded by this model, or touched since; the text's hash tells if it changed."""
        return self.filter(
            ~Q(embedding__model_version=model_version)
            | Q(embedding=None)
            | Q(embedding__updated_at__lt=F("updated_at"))
        )

    def with_quality(self, now: datetime) -> Self:
        """Annotates `quality_now`: the score from 0 to 100 with the age of the stock taken in.

        NULL where the item was not checked yet. Adds two joins by primary key.
        """
        off = points_of(quality_policy())[STALE_STOCK]
        stale = Case(When(self.stale_stock(now), then=off), default=0)
        checked = Greatest(F("quality__score") - stale, Value(0))
        # Postgres' greatest() ignores NULL, and would make 0 of what nobody checked.
        score = Case(When(quality__isnull=False, then=checked), output_field=models.IntegerField())
        return self.annotate(quality_now=score)

    @staticmethod
    def stale_stock(now: datetime) -> Q:
        """Of items whose stock is counted, and was confirmed too long ago for the tenant."""
        oldest = now - timedelta(minutes=quality_policy().stock_minutes)
        return Q(offer__stock__isnull=False, offer__refreshed_at__lt=oldest)

    def fit_for_language_model(self, now: datetime) -> Self:
        """Good enough to be described by a language model: what it would say of the others is
        made of gaps. An item that was not checked yet is not fit."""
        return self.with_quality(now).filter(quality_now__gte=quality_policy().language_model_score)


class Item(models.Model):
    """Something that can be recommended."""

    external_id = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20, choices=ItemKind, default=ItemKind.PRODUCT)
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    brand = models.CharField(max_length=200, blank=True)
    category_path = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, help_text="From wide to narrow."
    )
    attributes = models.JSONField(default=dict, blank=True)
    images = ArrayField(models.CharField(max_length=2000), default=list, blank=True)
    address = models.CharField(max_length=2000, blank=True, help_text="The item's page.")
    language = models.CharField(max_length=10, blank=True)
    group_id = models.CharField(
        max_length=200, blank=True, help_text="Variants of one thing share it."
    )
    available = models.BooleanField(default=True)
    archived_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when a full feed no longer lists the item."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Item"]] = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            GinIndex(fields=["title"], opclasses=["gin_trgm_ops"], name="item_title_trigrams"),
            GinIndex(fields=["category_path"], name="item_category_path"),
            models.Index(fields=["brand"], name="item_brand"),
            models.Index(fields=["group_id"], name="item_group", condition=~models.Q(group_id="")),
            # What changed lately, for the search index; updates stay as cheap as without it.
            BrinIndex(fields=["updated_at"], pages_per_range=16, name="item_updated"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    @property
    def category(self) -> str:
        """The narrowest category, or an empty string."""
        return self.category_path[-1] if self.category_path else ""


class Offer(models.Model):
    """Price, currency, stock and cost of an item at a moment."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True)
    price = models.DecimalField(max_digits=16, decimal_places=4)
    sale_price = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3)
    cost = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    stock = models.IntegerField(
        null=True, blank=True, help_text="Empty where stock is not counted, as for a course."
    )
    refreshed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            BrinIndex(fields=["refreshed_at"], pages_per_range=16, name="offer_refreshed"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(price__gte=0), name="offer_price_not_negative"),
            models.CheckConstraint(
                condition=Q(sale_price=None) | Q(sale_price__gte=0, sale_price__lte=F("price")),
                name="offer_sale_price_between_zero_and_price",
            ),
            models.CheckConstraint(
                condition=Q(cost=None) | Q(cost__gte=0), name="offer_cost_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(stock=None) | Q(stock__gte=0), name="offer_stock_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.current_price} {self.currency}"

    @property
    def current_price(self) -> Decimal:
        return self.price if self.sale_price is None else self.sale_price


class ItemEmbedding(models.Model):
    """An item's text as a unit vector, and what it was computed from."""

    item = models.OneToOneField(
        Item, on_delete=models.CASCADE, primary_key=True, related_name="embedding"
    )
    model_version = models.CharField(max_length=100)
    content_hash = models.CharField(max_length=64)
    vector = HalfVectorField(dimensions=EMBEDDING_DIMENSIONS)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            HnswIndex(
                name="item_embedding_hnsw",
                fields=["vector"],
                opclasses=["halfvec_ip_ops"],
                m=16,
                ef_construction=64,
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} ({self.model_version})"


class Review(models.Model):
    """What somebody thinks of an item. `author` is a name to show, or a pseudonym.

    `shopper` is kept only where the shop sends it, so that an erasure finds the reviews of a
    shopper: see `catalog.reviews.forget_authors`.
    """

    external_id = models.CharField(max_length=200, unique=True)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="reviews")
    rating = models.PositiveSmallIntegerField(
        choices=[(stars, "★" * stars) for stars in range(1, 6)], help_text="From 1 to 5."
    )
    title = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    author = models.CharField(max_length=200, blank=True, help_text="As it is shown.")
    shopper = models.CharField(
        max_length=200, blank=True, help_text="The shop's own id of who wrote it."
    )
    language = models.CharField(max_length=10, blank=True)
    verified = models.BooleanField(default=False, help_text="Who wrote it bought the item.")
    written_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["shopper"], name="review_shopper", condition=~Q(shopper=""))
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(rating__gte=1, rating__lte=5), name="review_rating_from_1_to_5"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rating} of 5: {self.title or self.text[:60]}"


class ItemRating(models.Model):
    """What all reviews of an item, or of all variants of its group, come to."""

    item = models.OneToOneField(
        Item, on_delete=models.CASCADE, primary_key=True, related_name="rating"
    )
    count = models.PositiveIntegerField()
    average = models.DecimalField(max_digits=3, decimal_places=2)
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.average} of 5 ({self.count})"


class ItemLink(models.Model):
    """The merchant's own word that one item goes with another."""

    class Kind(models.TextChoices):
        RELATED = "related", "Related: an alternative"
        CROSS_SELL = "cross_sell", "Cross-sell: goes with it"
        UP_SELL = "up_sell", "Up-sell: the better one"

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="links")
    linked = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    position = models.PositiveIntegerField(default=0, help_text="In the merchant's order.")

    class Meta:
        ordering = ["item", "kind", "position"]
        constraints = [
            models.UniqueConstraint(fields=["item", "kind", "linked"], name="one_link_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.item_id} → {self.linked_id} ({self.kind})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class FeedContent(models.TextChoices):
    """What the rows of a feed are."""

    ITEMS = "items", "Items and offers"
    REVIEWS = "reviews", "Reviews"
    LINKS = "links", "Links between items"


class FeedFormat(models.TextChoices):
    """The stored name of a format; its reader is in `catalog.feeds`."""

    CSV = "csv", "CSV with a column map"
    JSONL = "jsonl", "JSON Lines"
    JSON = "json", "JSON array"
    YAML = "yaml", "YAML list"
    GOOGLE_XML = "google_xml", "Google Merchant XML"
    GOOGLE_TSV = "google_tsv", "Google Merchant TSV"
    SHOPIFY_CSV = "shopify_csv", "Shopify product CSV"


class FeedImport(models.Model):
    """One run of a feed: what it changed, and what was wrong with it."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    content = models.CharField(
        max_length=10, choices=FeedContent, default=FeedContent.ITEMS, help_text="What a row is."
    )
    format = models.CharField(max_length=20, choices=FeedFormat)
    file_name = models.CharField(max_length=255)
    file = models.FileField(upload_to="feeds/", blank=True)
    columns = models.JSONField(
        default=dict,
        blank=True,
        help_text="CSV only: feed column to field, such as 'Name': 'title'.",
    )
    options = models.JSONField(default=dict, blank=True)
    full = models.BooleanField(
        default=False, help_text="The feed lists the whole catalog: archive what it does not list."
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    rows = models.PositiveIntegerField(default=0, editable=False)
    created = models.PositiveIntegerField(default=0, editable=False)
    updated = models.PositiveIntegerField(default=0, editable=False)
    unchanged = models.PositiveIntegerField(default=0, editable=False)
    archived = models.PositiveIntegerField(default=0, editable=False)
    failed = models.PositiveIntegerField(default=0, editable=False)
    failure = models.TextField(
        blank=True, editable=False, help_text="Why the file as a whole was refused."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.get_format_display()})"

    def start(self, now: datetime) -> None:
        self.status = self.Status.RUNNING
        self.started_at = now
        self.save(update_fields=["status", "started_at"])


class FeedRowError(models.Model):
    """One row of a feed that was not imported, and why."""

    feed_import = models.ForeignKey(FeedImport, on_delete=models.CASCADE, related_name="row_errors")
    row = models.PositiveIntegerField()
    external_id = models.CharField(max_length=200, blank=True)
    field = models.CharField(max_length=100, blank=True)
    code = models.CharField(max_length=50)
    message = models.TextField()
    raw = models.TextField(blank=True)

    class Meta:
        ordering = ["feed_import", "row", "id"]

    def __str__(self) -> str:
        return f"Row {self.row}: {self.message}"
