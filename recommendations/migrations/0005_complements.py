import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import recommendations.models


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0004_trend_now")]

    operations = [
        migrations.CreateModel(
            name="ItemComplements",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "neighbor_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), size=None
                    ),
                ),
                (
                    "weights",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=recommendations.models.RealField(), size=None
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="catalog.item",
                    ),
                ),
                (
                    "ranker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="recommendations.rankerversion",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "item complements",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("ranker"),
                        models.F("item"),
                        name="item_complements_unique_per_ranker",
                    )
                ],
            },
        ),
    ]
