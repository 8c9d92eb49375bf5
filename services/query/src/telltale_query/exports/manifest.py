"""What a file says of itself: what it holds, how it was chosen, when it was made and by whom."""

from dataclasses import dataclass
from datetime import datetime

from telltale_query import __version__
from telltale_query.exports.schemas import ExportQuery
from telltale_query.selection import Selection

_JUDGED = {None: "any", True: "only unusual ones", False: "only those not unusual"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is to be said."""

    selection: Selection
    query: ExportQuery
    made_by: str
    made_at: datetime
    """Naive UTC."""
    rows: int
    sha256: str
    """Of the same records as lines of CSV, without a header."""

    def entries(self) -> list[tuple[str, str | int]]:
        """Name and value of each fact, for people."""
        query = self.query
        return [
            ("Made by", self.made_by),
            ("Made at", _instant(self.made_at)),
            ("Made with", f"Telltale {__version__}"),
            ("Sources", ", ".join(query.source) or "all"),
            ("Categories", ", ".join(query.category) or "all"),
            ("Series", len(self.selection.series)),
            ("From", "the first" if query.start is None else _instant(query.start)),
            ("To (exclusive)", "the last" if query.end is None else _instant(query.end)),
            ("Lowest value", "any" if query.min_value is None else repr(query.min_value)),
            ("Highest value", "any" if query.max_value is None else repr(query.max_value)),
            ("Import", "any" if query.import_id is None else query.import_id),
            ("Anomalous", _JUDGED[query.anomalous]),
            ("Order", query.sort.value),
            ("Rows", self.rows),
            ("SHA-256", self.sha256),
            ("SHA-256 of", "the lines of the same export as CSV, without its header"),
        ]


def _instant(at: datetime) -> str:
    return at.isoformat() + "Z"
