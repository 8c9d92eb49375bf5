"""What the state of an import means, in plain words. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

Tone = Literal["info", "success", "warning", "error"]

RUNNING = {"checking": "checked", "applying": "imported", "undoing": "undone"}
"""The states in which a job is at work, and what it has done to the rows it counts."""

LABELS = {
    "checking": "Being checked",
    "rejected": "Rejected",
    "checked": "Checked, not imported",
    "applying": "Being imported",
    "applied": "Imported",
    "undoing": "Being undone",
    "undone": "Undone",
    "failed": "Failed",
    "cancelled": "Stopped",
}


def label(one: Mapping[str, Any]) -> str:
    """The state on a word or two."""
    return LABELS.get(one["state"], str(one["state"]))


def counted(count: int, one: str, many: str) -> str:
    """``1 row`` or ``2 rows``."""
    return f"{count:,} {one if count == 1 else many}"


def _rows(count: int) -> str:
    return counted(count, "row", "rows")


def _applied(rows: Mapping[str, int]) -> str:
    parts = [f"{counted(rows['stored'], 'new record is', 'new records are')} stored"]
    for field, text in (
        ("replaced", "replaced what was stored"),
        ("repeated", "stored already, with the same value"),
        ("kept", "left out: another value is stored for that instant"),
        ("bad", "skipped: cannot be stored"),
    ):
        if rows.get(field):
            parts.append(f"{_rows(rows[field])} {text}")
    return "; ".join(parts) + "."


def _undone(rows: Mapping[str, int]) -> str:
    parts = [f"{counted(rows.get('undone', 0), 'record is', 'records are')} removed again"]
    if rows.get("restored"):
        parts.append(f"{_rows(rows['restored'])} got back the value from before")
    if rows.get("left"):
        parts.append(f"{_rows(rows['left'])} stay because somebody edited them since")
    return "; ".join(parts) + "."


def meaning(one: Mapping[str, Any]) -> tuple[Tone, str]:
    """What happened to the file, and what can be done now."""
    rows, state = one["rows"], one["state"]
    problem = str((one.get("job") or {}).get("problem") or "")
    if state == "rejected":
        return "error", (
            f"{_rows(rows['bad'])} of {rows['read']:,} cannot be stored, so nothing was imported. "
            "Correct the file and import it again, or have bad rows skipped."
        )
    if state == "checked":
        bad = f", {_rows(rows['bad'])} cannot and would be skipped" if rows["bad"] else ""
        return ("warning" if bad else "success"), (
            f"{_rows(rows['good'])} can be imported{bad}. Nothing is imported yet."
        )
    if state == "applied":
        return ("warning" if rows.get("bad") else "success"), _applied(rows)
    if state == "undone":
        return ("warning" if rows.get("left") else "success"), _undone(rows)
    if state == "failed":
        return "error", problem or "It could not be finished. Nothing of it is half done: it can be tried again."
    if state == "cancelled":
        return "info", "It was stopped. Nothing was imported."
    return "info", {
        "checking": "Every row is looked at first. Nothing is imported before all of them are.",
        "applying": "All rows are good and are being stored. You may leave this page; it goes on.",
        "undoing": "Its records are being removed. You may leave this page; it goes on.",
    }.get(state, "")
