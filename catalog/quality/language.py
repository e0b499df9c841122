"""In which language a text is written, where that is beyond doubt."""

from functools import cache
from typing import Any, Final

SURE: Final = 0.9
"""Of 6,000 product texts full of brands and codes, one was taken for a wrong language with more
confidence than this, and that one was half Dutch."""

MIN_LETTERS: Final = 40
"""A title alone says too little: "Wool Scarf" could be Somali."""

MAX_CHARS: Final = 500

ALIKE: Final = {"nb": "no", "nn": "no", "bs": "hr", "sr": "hr", "sh": "hr", "ms": "id", "pcm": "en"}
"""Languages that a short text does not tell apart count as one."""


def language_of(text: str) -> str:
    """ISO 639-1 code (of its kind, see ALIKE), or an empty string where it is not sure."""
    start = text[:MAX_CHARS]
    if sum(map(str.isalpha, start)) < MIN_LETTERS:
        return ""
    language, confidence = _identifier().classify(start)
    return ALIKE.get(language, language) if confidence >= SURE else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import (  # noqa: PLC0415  # half a second, and 4 MB of model
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
