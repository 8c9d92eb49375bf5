"""Accounts with role and state, changed in place."""

import pandas as pd
import streamlit as st

from telltale_ui import feedback, login, tables, user_sessions
from telltale_ui.api_client import ApiError
from telltale_ui.paging import Pager
from telltale_ui.sessions import ROLES

COLUMNS = {
    "email": "E-mail",
    "name": "Name",
    "role": "Role",
    "is_active": "Active",
    "last_login_at": "Last sign-in",
    "created_at": "Created",
}
EDITABLE = {"Role": "role", "Active": "is_active"}
VERSION = "users_version"


def apply(table_key: str, ids: list[str], emails: list[str]) -> None:
    """Send each edited cell; what was refused is shown again as it is."""
    edits = st.session_state[table_key]["edited_rows"]
    for row, cells in edits.items():
        change = {EDITABLE[name]: value for name, value in cells.items()}
        try:
            login.api().change_user(ids[int(row)], change)
            feedback.done(f"{emails[int(row)]} is changed. It takes effect within seconds.")
        except ApiError as error:
            st.session_state["users_error"] = error
    st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1


feedback.show_done()
st.title("Users")
st.caption(
    "Change a role or deactivate an account in its row: it takes effect everywhere within a second. The last active"
    " administrator stays one: make somebody else an administrator first."
)
search = st.text_input(
    "Search", key="q", bind="query-params", placeholder="E-mail or name", icon=":material/search:", width=420
)

if error := st.session_state.pop("users_error", None):
    st.error(feedback.describe(error), title=error.title, icon=":material/error:")

pager = Pager("users", search or "")
page = pager.fetch(login.api().users, {"q": search})
if page.items:
    table: pd.DataFrame = tables.frame(page.items, COLUMNS, instants=["last_login_at", "created_at"])
    key = f"users_table_{st.session_state.get(VERSION, 0)}_{pager.cursor}"
    st.data_editor(
        table,
        key=key,
        hide_index=True,
        disabled=[name for name in COLUMNS.values() if name not in EDITABLE],
        column_config={
            "Role": st.column_config.SelectboxColumn(options=list(ROLES), required=True),
            "Active": st.column_config.CheckboxColumn(),
            "Last sign-in": tables.instant_column(),
            "Created": tables.instant_column(),
        },
        on_change=apply,
        args=(key, [str(one["id"]) for one in page.items], [one["email"] for one in page.items]),
        placeholder="",
        alt="Accounts",
    )
    pager.show(page, "accounts")
    user_sessions.show(page.items)
else:
    feedback.show_empty("No account matches", "Clear the search to see all of them.", icon=":material/person_search:")
