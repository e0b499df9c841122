import django.contrib.postgres.fields
from django.db import migrations, models

import recommendations.models


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0008_pair_counts")]

    operations = [
        migrations.CreateModel(
            name="CircumstanceItems",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dimension", models.CharField(max_length=20)),
                ("value", models.CharField(max_length=100)),
                (
                    "item_ids",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        models.F("dimension"), models.F("value"), name="circumstance_unique"
                    )
                ],
            },
        ),
    ]
