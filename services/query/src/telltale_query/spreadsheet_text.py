"""Text in CSV files that people open in spreadsheets, which take some text for formulas.

Exports put an apostrophe in front of such text; imports take that apostrophe away again. The two are exact inverses of
each other for every text: what begins with an apostrophe and would lose it on the way back is given one more.
"""

FORMULA_STARTS = frozenset("=+-@\t\r")
_GUARDED = FORMULA_STARTS | {"'"}


def guard(text: str) -> str:
    """``text`` as a spreadsheet shows it without running it."""
    if text[:1] in FORMULA_STARTS and text:
        return "'" + text
    return "'" + text if text[:1] == "'" and text[1:2] in _GUARDED and len(text) > 1 else text


def unguard(text: str) -> str:
    """The text that :func:`guard` was given; also what a person wrote, unless it begins like guarded text."""
    return text[1:] if text[:1] == "'" and text[1:2] in _GUARDED and len(text) > 1 else text
