"""What is left of a query to search for, once its demands are taken out."""

from collections.abc import Sequence

from catalog.search.understanding.lexicon import CONNECTORS, REQUESTS
from catalog.search.understanding.words import Token

Span = tuple[int, int]


def without(query: str, tokens: Sequence[Token], spans: Sequence[Span]) -> str:
    """The query without the spans, without the connectors that they leave dangling ("with",
    "in size"), and without what only asks ("show me"). Empty when the demands were all there was.
    """
    gone = [any(start <= token.start < end for start, end in spans) for token in tokens]
    demands = any(gone)
    for index in range(_request_length(tokens)):
        gone[index] = True
    _drop_dangling(gone, [token.text for token in tokens], demands=demands)
    kept = [index for index, dropped in enumerate(gone) if not dropped]
    if not kept:
        return "" if demands else query.strip()
    text = ""
    for index in kept:
        if index:
            between = query[tokens[index - 1].end : tokens[index].start]
            # What a shopper wrote as one word stays one: t-shirt, 3/8, adv150.
            text += between if not gone[index - 1] and not _has_space(between) else " "
        text += query[tokens[index].start : tokens[index].end]
    return text.strip()


def _drop_dangling(gone: list[bool], words: Sequence[str], *, demands: bool) -> None:
    """Connectors go with what they lead to; where that is nothing, with what they follow."""
    last = len(words) - 1
    for index in range(last, -1, -1):
        if not gone[index] and words[index] in CONNECTORS:
            gone[index] = gone[index + 1] if index < last else demands
    for index in range(1, last + 1):
        if not gone[index] and gone[index - 1] and words[index] in CONNECTORS:
            gone[index] = True


def _has_space(text: str) -> bool:
    return any(character.isspace() for character in text)


def _request_length(tokens: Sequence[Token]) -> int:
    """How many words at the beginning only say that something is asked for."""
    texts = tuple(token.text for token in tokens)
    first = 0
    while phrase := next(
        (p for p in REQUESTS if texts[first : first + len(p)] == p and first + len(p) < len(texts)),
        None,
    ):
        first += len(phrase)
    return first
