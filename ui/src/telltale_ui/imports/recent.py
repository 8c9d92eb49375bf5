"""The newest imports, to choose one in a filter."""

from typing import Any

from telltale_ui import login
from telltale_ui.api_client import ApiError

_OFFERED = 100
_WITH_RECORDS = ("applying", "applied", "undoing")


def recent_imports() -> list[dict[str, Any]]:
    """The newest imports that brought records; none while they cannot be asked for: a filter less is no error."""
    try:
        imports = login.api().imports({"limit": _OFFERED}).items
    except ApiError:
        return []
    return [one for one in imports if one["state"] in _WITH_RECORDS]
