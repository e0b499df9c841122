"""What generated items say: titles, descriptions and attributes of a power-law vocabulary."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

DEPARTMENTS: dict[str, dict[str, str]] = {
    "Clothing": {
        "Jackets": "jacket parka windbreaker anorak",
        "Shirts": "shirt blouse polo t-shirt",
        "Trousers": "trousers jeans chinos leggings",
        "Knitwear": "sweater cardigan hoodie",
    },
    "Shoes": {
        "Outdoor shoes": "hiking boots trail shoes",
        "Everyday shoes": "sneakers loafers sandals slippers",
    },
    "Kitchen": {
        "Cookware": "saucepan frying-pan wok casserole",
        "Tableware": "plate bowl mug teapot",
        "Appliances": "blender toaster kettle mixer",
    },
    "Electronics": {
        "Audio": "headphones speaker soundbar earbuds",
        "Computing": "laptop keyboard monitor mouse",
        "Photo": "camera lens tripod flash",
    },
    "Outdoor": {
        "Camping": "tent sleeping-bag stove lantern",
        "Bags": "backpack duffel daypack",
        "Cycling": "helmet pump saddle lock",
    },
    "Home": {
        "Lighting": "lamp chandelier spotlight",
        "Textiles": "blanket cushion curtain towel",
        "Furniture": "chair table shelf stool",
    },
    "Toys": {"Building": "blocks train puzzle", "Games": "board-game cards dominoes"},
    "Garden": {"Tools": "shears rake spade", "Plants": "planter seeds trellis"},
}
TYPES: tuple[tuple[str, str, str], ...] = tuple(
    (department, group, noun.replace("-", " ") if noun != "t-shirt" else noun)
    for department, groups in DEPARTMENTS.items()
    for group, nouns in groups.items()
    for noun in nouns.split()
)
"""Department, group and noun: the path of a category and what its items are called."""

COLORS = "black white blue grey red green brown navy beige pink yellow orange purple".split()  # noqa: SIM905
MATERIALS = "cotton wool steel leather oak polyester glass linen aluminium ceramic bamboo".split()  # noqa: SIM905
QUALITIES = "classic light waterproof compact soft modern heavy vintage folding thermal".split()  # noqa: SIM905
SIZES = ("XS", "S", "M", "L", "XL")
SYLLABLES = (  # noqa: SIM905
    "ba co da el fin gra hol in jo ka lu mar nor or pel qui ra sol tan ul ver wen xa yo zi"
).split()
BRANDS = 600
SERIES = 4_000
WORDS = 30_000
DESCRIPTION_WORDS = 45
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class ItemWords:
    """How one generated item is described."""

    title: str
    description: str
    brand: str
    category_path: tuple[str, str, str]
    attributes: str


def made_up(count: int, rng: np.random.Generator) -> list[str]:
    """Distinct pronounceable words of two to five syllables, the shorter first."""
    words: dict[str, None] = {}
    while len(words) < count:
        length = 2 + int(rng.integers(0, 2 + len(words) * 2 // count))
        parts = rng.integers(0, len(SYLLABLES), length)
        words["".join(SYLLABLES[part] for part in parts)] = None
    return list(words)


def power_law(size: int | tuple[int, ...], most: int, rng: np.random.Generator) -> Integers:
    """Ranks from 1 to `most` - 1, the n-th about as often as 1 / n; so the first of a list stays
    unused, such as the first of the colors."""
    return np.minimum(most ** rng.random(size), most - 1).astype(np.int64)


def types_of(items: int, seed: int) -> Integers:
    """The index in TYPES of each item: some categories are ten times as large as others."""
    rng = np.random.default_rng([seed, 1])
    shares = 1.0 / np.sqrt(np.arange(1, len(TYPES) + 1))
    return rng.choice(len(TYPES), items, p=shares / shares.sum())


def item_words(items: int, *, seed: int) -> Iterator[ItemWords]:
    """The words of `items` items, in order; the first ones are the same whatever their number."""
    rng = np.random.default_rng([seed, 2])
    brands = [word.capitalize() for word in made_up(BRANDS, rng)]
    series = [word.capitalize() for word in made_up(SERIES, rng)]
    vocabulary = np.array(made_up(WORDS, rng), dtype=object)
    types = types_of(items, seed)
    for start in range(0, items, BATCH):
        count = BATCH  # a whole one, so that its items are the same however many are wanted
        batch = np.random.default_rng([seed, 3, start])
        picks = {
            "brand": power_law(count, BRANDS, batch),
            "series": power_law(count, SERIES, batch),
            "color": power_law(count, len(COLORS), batch),
            "material": power_law(count, len(MATERIALS), batch),
            "quality": batch.integers(0, len(QUALITIES), count),
            "size": batch.integers(0, len(SIZES), count),
            "model": batch.integers(100, 9_999, count),
            "weight": batch.integers(5, 900, count) * 10,
        }
        said = vocabulary[power_law((count, DESCRIPTION_WORDS), WORDS, batch)].tolist()
        rows = zip(*(picks[name].tolist() for name in picks), strict=True)
        wanted = islice(rows, items - start)
        for offset, (brand, line, color, material, quality, size, model, weight) in enumerate(
            wanted
        ):
            department, group, noun = TYPES[types[start + offset]]
            words = said[offset]
            yield ItemWords(
                title=f"{brands[brand]} {series[line]} {QUALITIES[quality]} {noun} {model}"
                f" {COLORS[color]}",
                description=f"A {QUALITIES[quality]} {noun} of {MATERIALS[material]}, in"
                f" {COLORS[color]}. {' '.join(words[:15]).capitalize()}."
                f" {' '.join(words[15:30]).capitalize()}. {' '.join(words[30:]).capitalize()}.",
                brand=brands[brand],
                category_path=(department, group, noun.capitalize()),
                attributes=json.dumps(
                    {
                        "color": COLORS[color],
                        "material": MATERIALS[material],
                        "size": SIZES[size],
                        "weight_g": weight,
                    }
                ),
            )
