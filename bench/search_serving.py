"""How fast is GET search, and does the size of the catalog matter: `make bench-search-serving`.

Over HTTP on loopback from another process, one keep-alive connection, 24 results: as the API
answers by default, and with facets on category, brand, price and color. Queries are of one to three
words of the catalog, a third with filters, some misspelled, some codes, and hardly any comes
twice, so that vectors of texts are computed, not remembered. Both searches and a view that reads
one row through the ORM alternate in a random order; the measure is the ratio of their 95th
percentiles.

The first run makes the shops and their indexes, those of a million items in about an hour on two
cores; they are kept. To see that it works:
`python bench/search_serving.py --items 1000 --rounds 10`.
"""

import argparse
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench import environment
from bench.generated_shop import SIZES, host_of, make, name_of, schema_of
from bench.load import KeptAlive, serving

WARM_UP = 60
FACETS = "facets=category,brand,price,attributes.color"
FILTERS = ("price:..100", "price:20..", "color:white", "brand:{brand}")
PLAIN_SIZE = 100_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=600)
    options = parser.parse_args()
    environment.start()
    from catalog.search.indexing import update_index
    from catalog.search.tenant_vocabulary import refresh_vocabulary, vocabulary_is_stale

    sizes = sorted(options.items)
    keys, paths, statements = {}, {}, {}
    for size in sizes:
        make(size)
        with environment.step(f"Indexing {size} items"):
            update_index()
        if vocabulary_is_stale():
            with environment.step("Reading its words"):
                refresh_vocabulary()
        keys[size] = minted_key()
        count = 2 * (options.rounds + WARM_UP)
        paths[size] = searches(count, random.Random(size))  # noqa: S311  # texts
        statements[size] = most_statements(size, keys[size], paths[size][:WARM_UP])
    seconds: dict[int, dict[str, list[float]]] = {}
    statuses: Counter[int] = Counter()
    with serving() as (port, _):
        connection = KeptAlive(port)
        rng = random.Random(5)  # noqa: S311  # an order, not a secret
        for size in sizes:
            environment.keep_in_memory(schema_of(size))
            seconds[size] = defaultdict(list)
            plain, faceted = paths[size][: options.rounds + WARM_UP], paths[size][::-1]
            for number, path in enumerate(plain):
                row = f"/bench/row/{rng.randrange(size) + 1}"
                counted = f"{faceted[number]}&{FACETS}"
                every = [("search", path), ("faceted", counted), ("one row", row)]
                for name, asked in rng.sample(every, 3):
                    answer = connection.get(asked, host=host_of(size), key=keys[size])
                    statuses[answer.status] += 1
                    if number >= WARM_UP:
                        seconds[size][name].append(answer.seconds)
    ratios = {size: ratios_of(seconds[size], "search") for size in sizes}
    faceted_ratios = {size: ratios_of(seconds[size], "faceted") for size in sizes}
    print(f"{'items':>10}{'':>10}{'p50 ms':>10}{'p95 ms':>10}{'p50 ratio':>12}{'p95 ratio':>12}")
    for size in sizes:
        for name, (r50, r95) in (("search", ratios[size]), ("faceted", faceted_ratios[size])):
            p50, p95 = (np.percentile(seconds[size][name], p) * 1e3 for p in (50, 95))
            print(f"{name_of(size):>10}{name:>10}{p50:10.2f}{p95:10.2f}{r50:12.2f}{r95:12.2f}")
    headline = PLAIN_SIZE if PLAIN_SIZE in sizes else sizes[-1]
    environment.report(
        bench="search_serving",
        p50_ratio=ratios[headline][0],
        p95_ratio=ratios[headline][1],
        by_size={name_of(size): ratios[size] for size in sizes},
        faceted_by_size={name_of(size): faceted_ratios[size] for size in sizes},
        growth_p95=round(ratios[sizes[-1]][1] / ratios[sizes[0]][1], 2),
        sql_statements=max(statements.values()),
        requests=sum(statuses.values()),
        errors=sum(count for status, count in statuses.items() if status != 200),
    )


def minted_key() -> str:
    from tenants.keys import mint_key

    _, key = mint_key("bench", requests_per_minute=10_000_000)
    return key


def searches(count: int, rng: random.Random) -> list[str]:
    """Paths of searches a shopper might make in this shop."""
    from catalog.models import Item

    last = Item.objects.latest("pk").pk
    paths: list[str] = []
    while len(paths) < count:
        item = Item.objects.filter(pk=rng.randrange(last) + 1).first()
        if item is None:
            continue
        words = item.title.split()
        chance = rng.random()
        if chance < 0.05:
            text = item.external_id
        else:
            said = [*words, *item.description.split()[8:12]]
            text = " ".join(rng.sample(said, rng.choice((1, 2, 2, 3))))
            if chance < 0.15 and len(text) > 5:
                place = rng.randrange(1, len(text) - 1)
                text = text[:place] + text[place + 1 :]
        query = [("q", text)]
        if rng.random() < 1 / 3:
            query.append(("filter", rng.choice(FILTERS).format(brand=item.brand)))
        paths.append(f"/api/v1/search?{urlencode(query)}")
    return paths


def most_statements(size: int, key: str, paths: list[str]) -> int:
    """The most SQL statements that a warm search takes."""
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tenants.connection import connection

    client = Client(headers={"Host": host_of(size), "Authorization": f"Bearer {key}"})
    taken = []
    for path in paths:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(path)
        assert answer.status_code == 200, (path, answer.content)
        assert "search_index" not in answer.json()["fallbacks"], path
        taken.append(len(queries))
    connection.set_schema(schema_of(size))
    return max(taken[len(taken) // 2 :])


def ratios_of(seconds: dict[str, list[float]], name: str) -> list[float]:
    """p50 and p95 of such a search over those of reading one row."""
    return [
        round(float(np.percentile(seconds[name], p) / np.percentile(seconds["one row"], p)), 2)
        for p in (50, 95)
    ]


if __name__ == "__main__":
    main()
