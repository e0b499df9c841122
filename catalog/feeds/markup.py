"""What a piece of HTML says: its text, with paragraphs and list items on lines of their own."""

import html
import re
from typing import Final

_BLOCK_NAMES: Final = """
address article aside blockquote br dd div dl dt figure footer form h1 h2 h3 h4 h5 h6 header hr li
main nav ol p pre section table td th tr ul
"""
_BLOCKS: Final = frozenset(_BLOCK_NAMES.split())
_UNSEEN: Final = frozenset({"script", "style", "template", "noscript", "svg"})
_TAG: Final = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9:-]*)(?=[\s/>]|$)|[!?]")


def html_to_text(markup: str) -> str:
    """The visible text. Never raises, and takes linear time, however broken the markup.

    A "<" that opens no tag ("a < b", "<3") stays, so plain text passes through unharmed.
    """
    if "<" not in markup:
        return _tidy(html.unescape(markup) if "&" in markup else markup)
    first, *pieces = markup.split("<")
    kept = [first]
    until: str | None = None  # what ends the part that is being left out
    for piece in pieces:
        if until is not None:
            after = _after(piece, until)
            if after is not None:
                kept.append(after)
                until = None
            continue
        tag = _TAG.match(piece)
        if tag is None:
            kept.append("<" + piece)
        elif piece.startswith("!--"):
            _, found, after = piece[3:].partition("-->")
            kept.append(after if found else "")
            until = None if found else "-->"
        else:
            _, found, after = piece.partition(">")
            name = (tag[2] or "").lower()
            if not found:
                continue  # a tag that breaks off
            if name in _UNSEEN and not tag[1] and not piece.partition(">")[0].endswith("/"):
                until = "/" + name
            else:
                kept.append(("\n" if name in _BLOCKS else "") + after)
    return _tidy(html.unescape("".join(kept)))


def _after(piece: str, until: str) -> str | None:
    """The text after the end mark: "-->" anywhere, a closing tag at the start. None without it."""
    if until == "-->":
        _, found, after = piece.partition(until)
        return after if found else None
    if piece[: len(until)].lower() != until:
        return None
    return piece.partition(">")[2]


def _tidy(text: str) -> str:
    """One space between words, no blank lines."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
