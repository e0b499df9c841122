from django.db import migrations, models

# Buying again was a home placement that repeats purchases; a shop that made one of its own keeps
# it. The two new placements come to every shop that has any: others get all of them when asked.
ASK_ANEW = """
    UPDATE recommendations_placement SET question = 'buy_again'
    WHERE code = 'buy-again' AND question = 'home' AND repeats_purchases
"""
ADD_NEW = """
    INSERT INTO recommendations_placement (code, question, diversity, repeats_purchases, active)
    SELECT code, code, diversity, true, true
    FROM (VALUES ('search', 0.0), ('email', 0.3)) AS added (code, diversity)
    WHERE EXISTS (SELECT FROM recommendations_placement)
    ON CONFLICT (code) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("recommendations", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="placement",
            name="question",
            field=models.CharField(
                choices=[
                    ("home", "What may this shopper like today?"),
                    ("item", "What is like this item, or goes with it?"),
                    ("cart", "What goes with what is in the cart?"),
                    ("buy_again", "What of what this shopper bought is due again?"),
                    ("search", "Which of the items found does this shopper prefer?"),
                    ("email", "What may bring this shopper back?"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(ASK_ANEW, migrations.RunSQL.noop),
        migrations.RunSQL(ADD_NEW, migrations.RunSQL.noop),
    ]
