"""Values: numbers with a decimal point, many at once. Pure."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from telltale_shared.validation import VALUE_MAX, check_value

Floats = npt.NDArray[np.float64]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3}(\.?\d{3})*,\d+\s*|\s*[+-]?\d+,\d+\s*", re.ASCII)
_NOT_FINITE = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)


def parse_numbers(texts: Sequence[str]) -> Floats:
    """The value of each text; NaN where it may not be one."""
    joined = "".join(texts)
    # Python itself would also take 1_000 and digits of other scripts.
    if joined.isascii() and "_" not in joined:
        try:
            values = np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            pass
        else:
            # A comparison with NaN is false.
            return np.where(np.abs(values) <= VALUE_MAX, values, np.nan)
    return np.array([_number(text) for text in texts], np.float64)


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else float("nan")
    return value if abs(value) <= VALUE_MAX else float("nan")


def explain_number(text: str) -> str:
    """Why ``text`` may not be a value."""
    if not text.strip():
        return "is missing: every row needs a value"
    if _NOT_FINITE.fullmatch(text):
        return "must be finite: leave the row out where nothing was measured"
    if _DECIMAL_COMMA.fullmatch(text):
        return "must be a number with a decimal point, not a comma"
    if not _NUMBER.fullmatch(text):
        return "must be a number with a decimal point"
    rejected = check_value(float(text))
    return "must be a number with a decimal point" if rejected is None else f"lies outside of ±{VALUE_MAX:g}"
