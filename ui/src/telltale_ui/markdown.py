"""Text that others wrote (names, units, notes, explanations), told within Markdown as it was written."""

import re

_WORD_JOINER = "\N{WORD JOINER}"
_SPACES = re.compile(r"[\t\n\v\f\r ]+")
# Streamlit puts an emoji, an arrow or a sign for these, escaped or not.
_REWRITTEN = re.compile(r":(?=[\w+-]+:)|(?<!\S)[<>~-](?=(?:->|[>=-])(?!\S))")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def literal(text: object) -> str:
    """Markdown that shows ``text`` on one line, character by character.

    An address is shown as it is, too, and can be followed by a click. Where an escape is not enough, there is an
    invisible character between two others.
    """
    shown = _SPACES.sub(" ", str(text))
    return _PUNCTUATION.sub(r"\\\1", _REWRITTEN.sub(rf"\g<0>{_WORD_JOINER}", shown))
