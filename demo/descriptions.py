"""How the description of an item is put together from sentences written for it."""

from collections.abc import Sequence

import numpy as np

from demo.chance import pick

FEWEST_WORDS = 52
MOST_WORDS = 105


def describe(
    opening: str,
    *,
    details: Sequence[str],
    closings: Sequence[str],
    must_say: Sequence[str] = (),
    rng: np.random.Generator,
) -> str:
    """A paragraph of 52 to 105 words: the item's own text, then details in random order.

    `must_say` always goes in. A closing (how to care for the thing, how to take a course)
    ends two of three paragraphs. Raises ValueError when the sentences do not make 52 words.
    """
    target = int(rng.integers(FEWEST_WORDS, 76))
    middle = list(must_say)
    closing = [pick(closings, rng)] if rng.random() < 2 / 3 else []
    for detail in rng.permutation(list(details)):
        if word_count(" ".join([opening, *middle, *closing])) >= target:
            break
        middle.append(str(detail))
    paragraph = " ".join([opening, *(str(each) for each in rng.permutation(middle)), *closing])
    if not FEWEST_WORDS <= word_count(paragraph) <= MOST_WORDS:
        raise ValueError(f"{word_count(paragraph)} words in a description: {paragraph}")
    return paragraph


def word_count(text: str) -> int:
    """Words as a reader counts them: whatever stands between spaces."""
    return len(text.split())
