"""Which flaws each item has: the statements that judge many items at once.

`catalog.quality.refresh` runs them, in this order, within one transaction. Two temporary tables
carry them: `quality_judged` (items to judge, and as witnesses those that share a key with one)
and `quality_languages` (languages that were found just now).
"""

from typing import Final

SEPARATOR: Final = "\x1f"
"""Joins the levels of a category path; ASCII's own unit separator, which no name has."""

GTIN_NAMES: Final = (
    *("gtin", "GTIN", "gtin8", "gtin12", "gtin13", "gtin14", "ean", "EAN", "Ean", "ean13"),
    *("EAN13", "upc", "UPC", "barcode", "Barcode", "isbn", "ISBN", "isbn13", "jan"),
)
"""What shops call the attribute that holds a GTIN."""

SPACELESS: Final = ["zh", "ja", "th", "lo", "km", "my"]
"""Languages without spaces between words; a word of theirs is taken for two characters."""

MIN_PRICES: Final = 8
"""Of a category with fewer priced items nobody can say what is usual."""

MIN_SPREAD: Final = 0.2
"""A category where most cost the same has no spread; then 22 % apart counts as one deviation."""

TEMPORARY: Final = """
    CREATE TEMPORARY TABLE quality_judged
        (item_id bigint PRIMARY KEY, keys varchar[] NOT NULL, witness boolean NOT NULL)
        ON COMMIT DROP;
    CREATE TEMPORARY TABLE quality_languages
        (item_id bigint PRIMARY KEY, language varchar NOT NULL) ON COMMIT DROP;
"""

# -- Which items ----------------------------------------------------------------------------------

# Titles match whatever the case, accents, punctuation and order of their words. SKUs match
# whatever the case and the kind of separator; that one is missing may be meant (1-11 and 11-1).
KEYS: Final = r"""
    array_remove(ARRAY[
        (SELECT 't:' || md5(string_agg(DISTINCT word, ' ' ORDER BY word))
         FROM regexp_split_to_table(
             unaccent(lower(i.title)), '[\s!-/:-@\[-`{-~\u2000-\u206f\u3000-\u303f]+'
         ) word WHERE word <> ''),
        's:' || regexp_replace(lower(btrim(i.external_id)), '[\s._/-]+', '-', 'g'),
        CASE WHEN i.attributes ?| %(gtin_names)s THEN
            (SELECT 'g:' || ltrim(min(i.attributes ->> name), '0') FROM unnest(%(gtin_names)s) name
             WHERE i.attributes ->> name ~ '^[0-9]{8,14}$')
        END
    ], NULL)
"""

JUDGE_ALL: Final = f"""
    INSERT INTO quality_judged
    SELECT i.id, {KEYS}, false FROM catalog_item i WHERE i.archived_at IS NULL
"""  # noqa: S608  # made of the constant above

# Prices and stock are compared, not their times: a feed refreshes the time of every offer.
# A minute of grace covers what was written before a check, and committed after it.
CHANGED: Final = """
    SELECT i.id FROM catalog_item i
    LEFT JOIN catalog_itemquality q ON q.item_id = i.id
    LEFT JOIN catalog_offer o ON o.item_id = i.id
    LEFT JOIN catalog_itemrating r ON r.item_id = i.id
    WHERE i.archived_at IS NULL AND (
        q.item_id IS NULL
        OR i.updated_at > q.checked_at - interval '1 minute'
        OR r.updated_at > q.checked_at - interval '1 minute'
        OR coalesce(o.sale_price, o.price) IS DISTINCT FROM q.price
        OR (o.stock IS NOT DISTINCT FROM 0) <> (q.sold_out_since IS NOT NULL)
    )
"""

JUDGE_SOME: Final = f"""
    INSERT INTO quality_judged
    SELECT i.id, {KEYS}, false FROM catalog_item i
    WHERE i.archived_at IS NULL AND i.id = ANY(%(items)s)
"""  # noqa: S608  # made of the constant above

# Whoever shared a key, or shares one now, may have gained or lost a flaw; and whoever shares one
# with these is needed to count. So this runs twice, the second time for witnesses.
_ADD_SHARING = f"""
    WITH touched AS (
        SELECT unnest(keys) AS key FROM quality_judged
        UNION
        SELECT unnest(q.keys) FROM catalog_itemquality q
        WHERE q.item_id = ANY(%(items)s)
    ), sharing AS ({{sharing}})
    INSERT INTO quality_judged
    SELECT i.id, {KEYS}, %(witness)s FROM sharing s JOIN catalog_item i ON i.id = s.item_id
    WHERE i.archived_at IS NULL
    ON CONFLICT (item_id) DO NOTHING
"""  # noqa: S608  # made of the constant above
_BY_INDEX: Final = """
    SELECT DISTINCT q.item_id FROM touched t
    JOIN catalog_itemquality q ON q.keys @> ARRAY[t.key]
"""
_BY_HASH: Final = """
    SELECT DISTINCT q.item_id FROM catalog_itemquality q, unnest(q.keys) AS own
    WHERE own IN (SELECT key FROM touched)
"""

FEW: Final = 30
"""Of so few items each key is looked up; for more, reading all keys once is cheaper."""


def add_sharing(items: int) -> str:
    """The statement that adds the items which share a key with one of so many."""
    by = _BY_INDEX if items <= FEW else _BY_HASH
    return _ADD_SHARING.replace("{sharing}", by)


FORGET_ARCHIVED: Final = """
    DELETE FROM catalog_itemquality q USING catalog_item i
    WHERE i.id = q.item_id AND i.archived_at IS NOT NULL RETURNING q.item_id, q.keys
"""

# -- What is usual --------------------------------------------------------------------------------

PRICE_RANGES: Final = """
    WITH prices AS (
        SELECT array_to_string(i.category_path, %(separator)s) AS category, o.currency,
               ln(coalesce(o.sale_price, o.price)::float8) AS price
        FROM catalog_item i JOIN catalog_offer o ON o.item_id = i.id
        WHERE i.archived_at IS NULL AND i.category_path <> '{}'
          AND coalesce(o.sale_price, o.price) > 0
    ), medians AS (
        SELECT category, currency, count(*) AS items,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS median
        FROM prices GROUP BY category, currency HAVING count(*) >= %(min_prices)s
    )
    INSERT INTO catalog_pricerange (category, currency, items, median, spread)
    SELECT category, currency, m.items, m.median,
           1.4826 * percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(p.price - m.median))
    FROM medians m JOIN prices p USING (category, currency)
    GROUP BY category, currency, m.items, m.median
"""

# -- The verdict ----------------------------------------------------------------------------------

# A title that several variants of one group share is no double.
SHARED: Final = """
    CREATE TEMPORARY TABLE quality_shared ON COMMIT DROP AS
    SELECT key, (array_agg(i.external_id ORDER BY i.id))[1:6] AS items,
           count(DISTINCT coalesce(nullif(i.group_id, ''), '/' || i.id)) AS things
    FROM quality_judged j JOIN catalog_item i ON i.id = j.item_id, unnest(j.keys) AS key
    GROUP BY key HAVING count(*) > 1
"""

JUDGE: Final = r"""
    WITH facts AS (
        SELECT i.id AS item_id, i.external_id, i.kind, i.title, i.brand, i.category_path,
               i.images, j.keys, coalesce(o.sale_price, o.price) AS price,
               pr.median, pr.spread, coalesce(r.count, 0) AS reviews,
               coalesce(l.language, q.text_language, '') AS text_language,
               split_part(lower(coalesce(nullif(i.language, ''), %(language)s)), '-', 1)
                   AS language,
               CASE WHEN o.stock = 0 THEN coalesce(q.sold_out_since, %(now)s) END AS sold_out_since,
               cardinality(array_remove(string_to_array(
                   translate(i.description, E'\n\r\t', '   '), ' '), '')) AS spaced,
               char_length(i.description) AS characters,
               (SELECT min(image) FROM unnest(i.images) image WHERE image !~
                   '^(https?://[^\s/?#]+([/?#]\S*)?|/[^\s/]\S*)$') AS broken_image
        FROM quality_judged j
        JOIN catalog_item i ON i.id = j.item_id
        LEFT JOIN catalog_offer o ON o.item_id = i.id
        LEFT JOIN catalog_itemrating r ON r.item_id = i.id
        LEFT JOIN catalog_itemquality q ON q.item_id = i.id
        LEFT JOIN quality_languages l ON l.item_id = i.id
        LEFT JOIN catalog_pricerange pr ON pr.currency = o.currency
            AND pr.category = array_to_string(i.category_path, %(separator)s)
        WHERE NOT j.witness
    ), measured AS (
        SELECT f.*,
               CASE WHEN f.text_language = ANY(%(spaceless)s) THEN f.characters / 2
                    ELSE f.spaced END AS words,
               coalesce(%(alike)s::jsonb ->> f.language, f.language) AS expected,
               abs(ln(nullif(f.price, 0)::float8) - f.median)
                   / greatest(f.spread, %(min_spread)s) AS deviations
        FROM facts f
    ), doubles AS (
        SELECT m.item_id, left(s.key, 1) AS of_what,
               array_to_json(array_remove(s.items, m.external_id))::jsonb AS others
        FROM measured m, unnest(m.keys) AS own JOIN quality_shared s ON s.key = own
        WHERE left(s.key, 1) <> 't' OR s.things > 1
    ), judged AS (
        SELECT m.*, t.others AS same_title, s.others AS same_sku, g.others AS same_gtin,
               array_remove(ARRAY[
                   CASE WHEN m.kind = 'product' AND coalesce(m.price, 0) = 0
                        THEN 'missing_price' END,
                   CASE WHEN cardinality(m.images) = 0 THEN 'missing_image' END,
                   CASE WHEN m.text_language NOT IN ('', m.expected) THEN 'untranslated_text' END,
                   CASE WHEN m.category_path = '{}' THEN 'missing_category' END,
                   CASE WHEN m.words < %(minimum_description_words)s
                        THEN 'short_description' END,
                   CASE WHEN m.broken_image IS NOT NULL THEN 'broken_image' END,
                   CASE WHEN m.deviations > %(price_deviations)s THEN 'price_outlier' END,
                   CASE WHEN g.item_id IS NOT NULL THEN 'duplicate_gtin' END,
                   CASE WHEN s.item_id IS NOT NULL THEN 'duplicate_sku' END,
                   CASE WHEN t.item_id IS NOT NULL THEN 'duplicate_title' END,
                   CASE WHEN cardinality(m.images) BETWEEN 1 AND %(minimum_images)s - 1
                        THEN 'few_images' END,
                   CASE WHEN m.kind = 'product' AND m.brand = '' THEN 'missing_brand' END,
                   CASE WHEN char_length(m.title) < %(minimum_title_characters)s
                        THEN 'short_title' END,
                   CASE WHEN m.title = upper(m.title)
                         AND m.title ~ '[^\W\d]{4,}.*\s.*[^\W\d]{4,}'
                         AND m.title <> lower(m.title) THEN 'shouting_title' END,
                   CASE WHEN m.reviews < %(minimum_reviews)s THEN 'no_reviews' END,
                   CASE WHEN m.sold_out_since < %(now)s - %(sold_out_days)s * interval '1 day'
                        THEN 'long_sold_out' END
               ], NULL) AS flaws
        FROM measured m
        LEFT JOIN doubles t ON t.item_id = m.item_id AND t.of_what = 't'
        LEFT JOIN doubles s ON s.item_id = m.item_id AND s.of_what = 's'
        LEFT JOIN doubles g ON g.item_id = m.item_id AND g.of_what = 'g'
    ), scored AS (
        SELECT j.*, counted.flaws AS counted,
               greatest(0, 100 - counted.points) AS score
        FROM judged j CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(flaw), '{}') AS flaws,
                   coalesce(sum((%(points)s::jsonb ->> flaw)::int), 0) AS points
            FROM unnest(j.flaws) flaw WHERE (%(points)s::jsonb ->> flaw)::int > 0
        ) counted
    ), verdicts AS (
        SELECT item_id, score, counted::varchar[] AS flaws, keys, text_language, sold_out_since,
               price, jsonb_strip_nulls(jsonb_build_object(
                   'short_description',
                       CASE WHEN 'short_description' = ANY(counted) THEN words END,
                   'few_images', CASE WHEN 'few_images' = ANY(counted)
                       THEN cardinality(images) END,
                   'broken_image',
                       CASE WHEN 'broken_image' = ANY(counted) THEN left(broken_image, 200) END,
                   'untranslated_text',
                       CASE WHEN 'untranslated_text' = ANY(counted) THEN text_language END,
                   'price_outlier', CASE WHEN 'price_outlier' = ANY(counted)
                       THEN round(exp(median)::numeric, 2) END,
                   'duplicate_gtin',
                       CASE WHEN 'duplicate_gtin' = ANY(counted) THEN same_gtin END,
                   'duplicate_sku', CASE WHEN 'duplicate_sku' = ANY(counted) THEN same_sku END,
                   'duplicate_title',
                       CASE WHEN 'duplicate_title' = ANY(counted) THEN same_title END
               )) AS found
        FROM scored
    )
    INSERT INTO catalog_itemquality AS q
        (item_id, score, flaws, keys, text_language, sold_out_since, price, found, checked_at)
    SELECT item_id, score, flaws, keys, text_language, sold_out_since, price, found, %(now)s
    FROM verdicts
    ON CONFLICT (item_id) DO UPDATE
    SET (score, flaws, keys, text_language, sold_out_since, price, found, checked_at)
        = ROW (excluded.score, excluded.flaws, excluded.keys, excluded.text_language,
               excluded.sold_out_since, excluded.price, excluded.found, excluded.checked_at)
    WHERE (q.score, q.flaws, q.keys, q.text_language, q.sold_out_since, q.price, q.found)
          IS DISTINCT FROM
          (excluded.score, excluded.flaws, excluded.keys, excluded.text_language,
           excluded.sold_out_since, excluded.price, excluded.found)
       OR q.item_id = ANY(%(items)s)
"""
