"""The addresses at the UI's own server that files come from."""

import httpx

from telltale_ui.api_client import Params, given


def export_link(kind: str, asked: Params) -> str:
    """The records that ``asked`` lists as a file of ``kind``, made while it is downloaded."""
    return f"/files/records?{httpx.QueryParams({'format': kind, **given(asked)})}"


def export_file_link(export_id: str) -> str:
    """The file of an export that is done."""
    return f"/files/exports/{export_id}"


def import_errors_link(import_id: str) -> str:
    """What was wrong in an imported file, as CSV."""
    return f"/files/imports/{import_id}/errors"


TEMPLATE_LINK = "/files/imports/template"
"""An empty CSV file with the columns that an import knows."""
