"""How good is search on judged queries: `make bench-search`.

Ours comes through the product's own importer, index, vectors and `find`. Beside it, computed in
the same run: BM25 (bm25s, k1 1.2, b 0.75, English stop words) over title, description and
attributes; the vectors alone, compared exactly; and two fusions of both, by reciprocal rank (k 60)
and by .7 and .3 of scores scaled to 0-1 a query. All use the same vectors.

The few weights of ours were chosen on these queries, so a cross-validated choice is measured too:
the shares of words and meaning are chosen on four fifths of the queries, and measured on the fifth.
Ours with and without the everyday synonyms that come with the product are two rows.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt

from bench import electronics, environment

MODEL = environment.VAR / "models" / "compartment" / "models" / "bge-small-en-v1.5-int8"
DEPTH = 1_000
SEED = 7
FOLDS = 5
SHARES = [(one, several) for one in (0.8, 0.85, 0.9, 0.95) for several in (0.5, 0.55, 0.6, 0.65)]

Scores = npt.NDArray[np.float32]
Search = Callable[[str], Sequence[str]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fresh", action="store_true", help="Import and embed everything anew.")
    parser.add_argument(
        "--embedder", choices=("onnx", "universal-sentence-encoder"), help="By default the better."
    )
    options = parser.parse_args()
    if not electronics.PRODUCTS.exists():
        environment.skip("search", "the electronics set is not here")
    chosen = options.embedder or ("onnx" if MODEL.exists() else "universal-sentence-encoder")
    os.environ["EMBEDDER"] = chosen
    os.environ["EMBEDDER_MODEL_DIR"] = str(MODEL)
    environment.start()
    electronics.load(fresh=options.fresh)

    from catalog.embedding import embedder
    from catalog.search.evaluation import measure, read_judgments

    judgments = read_judgments(electronics.JUDGMENTS)
    table = {}
    print(f"{'':28} nDCG@10  judged  condensed  recall@100")
    rows: dict[str, Search] = {
        **baselines(list(judgments)),
        "attune without synonyms": ours(synonyms=False),
        "attune": ours(),
    }
    for name, search in rows.items():
        quality = measure(judgments, search)
        table[name] = quality.as_json()
        print(
            f"{name:28} {quality.ndcg:7.3f} {quality.judged:7.2f} {quality.condensed_ndcg:10.3f}"
            f" {quality.recall:11.3f}"
        )
    with environment.step("Cross-validating the shares"):
        crossed = cross_validated(judgments)
    environment.report(
        bench="search",
        **table.pop("attune"),
        cross_validated=crossed,
        embedder=embedder().version,
        baselines=table,
    )


def ours(*, synonyms: bool = True) -> Search:
    """The product as its API searches: external ids, best first."""
    from catalog.models import Item
    from catalog.search.find import find
    from catalog.search.synonyms import Expansion, synonyms_in
    from catalog.search.values import SearchRequest

    names = dict(Item.objects.values_list("pk", "external_id"))

    def standing_for(query: str) -> tuple[Expansion, ...]:
        return synonyms_in(query) if synonyms else ()

    def search(query: str) -> list[str]:
        results = find(SearchRequest(query, limit=DEPTH, synonyms=standing_for(query)))
        assert not results.fallbacks, results.fallbacks
        return [names[hit.item_id] for hit in results.hits]

    return search


def baselines(queries: list[str]) -> dict[str, Search]:
    """Each as a look-up in its scores of every product."""
    import bm25s

    from catalog.embedding import embedder
    from catalog.models import ItemEmbedding

    products = list(electronics.products())
    ids = [product["id"] for product in products]
    texts = [
        " ".join(
            [product["title"], product.get("short_description", "")]
            + [f"{name} {value}" for name, value in electronics.attributes_of(product)]
        )
        for product in products
    ]
    index = bm25s.BM25(k1=1.2, b=0.75)
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(queries, stopwords="en", return_ids=False, show_progress=False)
    lexical = np.array([index.get_scores(each) for each in tokens], dtype=np.float32)
    stored = dict(
        ItemEmbedding.objects.filter(model_version=embedder().version).values_list(
            "item__external_id", "vector"
        )
    )
    vectors = np.array([stored[each] for each in ids], dtype=np.float32)
    dense = embedder().encode(queries) @ vectors.T
    scores = {
        "bm25s": lexical,
        "dense, exact": dense,
        "bm25s + dense, rank fusion": rank_fusion(lexical, dense),
        "bm25s .7 + dense .3": 0.7 * scaled(lexical) + 0.3 * scaled(dense),
    }
    rows = {query: row for row, query in enumerate(queries)}

    def searcher(matrix: Scores) -> Search:
        def search(query: str) -> list[str]:
            # As deep as the judged products lie, for the condensed order; ties by place.
            order = np.argsort(-matrix[rows[query]], kind="stable")
            return [ids[place] for place in order]

        return search

    return {name: searcher(matrix) for name, matrix in scores.items()}


def rank_fusion(*each: Scores, k: int = 60) -> Scores:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009) over the best 1,000 of each."""
    fused = np.zeros_like(each[0])
    for scores in each:
        for row, values in enumerate(scores):
            order = np.argsort(-values, kind="stable")[:1_000]
            order = order[values[order] > 0]
            fused[row, order] += 1 / (k + 1 + np.arange(len(order)))
    return fused


def scaled(scores: Scores) -> Scores:
    """Each row from 0 to 1."""
    least, most = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    made: Scores = (scores - least) / np.maximum(most - least, 1e-9)
    return made


def cross_validated(judgments: dict[str, dict[str, float]]) -> dict[str, float]:
    """nDCG@10 and condensed nDCG@10 of queries that had no say in the shares they are ranked by."""
    from catalog.search import fusion
    from catalog.search.evaluation import measure

    asked = sorted(query for query, ratings in judgments.items() if any(ratings.values()))
    kept = fusion.ONE_WORD, fusion.SEVERAL_WORDS
    by_share = {}
    for share in SHARES:
        fusion.ONE_WORD, fusion.SEVERAL_WORDS = share  # type: ignore[misc]  # what is being chosen
        search = ours()
        by_share[share] = {query: measure({query: judgments[query]}, search) for query in asked}
    fusion.ONE_WORD, fusion.SEVERAL_WORDS = kept  # type: ignore[misc]
    folds = np.random.default_rng(SEED).permutation(len(asked)) % FOLDS
    measured = []
    for fold in range(FOLDS):
        chosen_on = [query for query, place in zip(asked, folds, strict=True) if place != fold]

        def worth(share: tuple[float, float], queries: list[str] = chosen_on) -> float:
            found = by_share[share]
            return sum(found[query].ndcg + found[query].condensed_ndcg for query in queries)

        best = max(SHARES, key=worth)
        measured += [
            by_share[best][query]
            for query, place in zip(asked, folds, strict=True)
            if place == fold
        ]
    return {
        "ndcg10": round(float(np.mean([each.ndcg for each in measured])), 4),
        "condensed_ndcg10": round(float(np.mean([each.condensed_ndcg for each in measured])), 4),
    }


if __name__ == "__main__":
    main()
