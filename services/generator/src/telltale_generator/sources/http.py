"""The readings that a request carries: all of them valid, or a list of what is wrong with which."""

import codecs
import io
from collections.abc import Iterable, Mapping

import msgspec

from telltale_generator.sources.rows import OPTIONAL, REQUIRED, BadField, BadRow, BadRows, csv_rows, reading
from telltale_generator.sources.source import Reading
from telltale_shared.validation import TimeBounds

READINGS_MAX = 10_000
"""Readings in one request at most."""
PROBLEMS_MAX = 100
"""Problems that one answer lists at most."""

Row = tuple[str, Mapping[str, object] | BadField]


def from_json(body: bytes, bounds: TimeBounds) -> list[Reading]:
    """The readings of a JSON list of ``{source, category, observed_at, value, unit?}``.

    Raises:
        BadRows: it is no such list, or some of its readings cannot be taken.
    """
    try:
        items = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRows([BadRow("body", "json", f"is not JSON: {error}")]) from error
    if not isinstance(items, list):
        raise BadRows([BadRow("body", "json", "must be a list of readings")])
    return _all_or_nothing(((str(index), _object(item)) for index, item in enumerate(items)), bounds)


def from_csv(body: bytes, bounds: TimeBounds) -> list[Reading]:
    """The readings of a CSV file in UTF-8 with the columns source, category, observed_at, value and optionally unit.

    A column note may be there, as in the files that an import takes; a reading has no note, so it is left out.

    Raises:
        BadRows: the file cannot be read, or some of its readings cannot be taken.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise BadRows([BadRow("body", "csv", f"is not UTF-8 text: {error}")]) from error
    return _all_or_nothing(csv_rows(io.StringIO(text, newline="")), bounds)


def _object(item: object) -> Mapping[str, object] | BadField:
    if not isinstance(item, dict):
        return BadField("reading", "must be an object")
    for name in item:
        if name not in (*REQUIRED, *OPTIONAL[:1]):
            return BadField(str(name)[:50], "is not a field of a reading")
    return item


def _all_or_nothing(rows: Iterable[Row], bounds: TimeBounds) -> list[Reading]:
    taken: list[Reading] = []
    problems: list[BadRow] = []
    places: dict[tuple[str, str, int], str] = {}
    units: dict[tuple[str, str], tuple[str | None, str]] = {}
    for count, (place, row) in enumerate(rows):
        if count == READINGS_MAX:
            raise BadRows([BadRow("body", "readings", f"has more than {READINGS_MAX} readings: send several requests")])
        if len(problems) == PROBLEMS_MAX:
            break
        try:
            if isinstance(row, BadField):
                raise row
            one = reading(row, bounds)
            _check_neighbours(one, place, places, units)
        except BadField as error:
            problems.append(BadRow(place, error.field, str(error)))
        else:
            taken.append(one)
    if problems:
        raise BadRows(problems)
    if not taken:
        raise BadRows([BadRow("body", "readings", "has no reading")])
    return taken


def _check_neighbours(
    one: Reading,
    place: str,
    places: dict[tuple[str, str, int], str],
    units: dict[tuple[str, str], tuple[str | None, str]],
) -> None:
    """Refuse what could not be stored together: a series has one value at an instant, and one unit."""
    earlier = places.setdefault((one.source, one.category, one.observed_at), place)
    if earlier != place:
        raise BadField("observed_at", f"is the same as at {earlier}, in the same series")
    unit, where = units.setdefault((one.source, one.category), (one.unit, place))
    if unit != one.unit:
        raise BadField("unit", f"is another one than at {where}, in the same series")
