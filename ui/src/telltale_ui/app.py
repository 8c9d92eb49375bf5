"""The page map. Streamlit runs this script on every interaction; the page chosen in the address runs inside it."""

from pathlib import Path
from typing import Literal

import streamlit as st

from telltale_ui import feedback, login, sign_in
from telltale_ui.api_client import ApiError
from telltale_ui.sessions import User

HERE = Path(__file__).parent
LOGO = str(HERE / "static" / "logo.svg")

st.set_page_config(page_title="Telltale", page_icon=str(HERE / "static" / "icon.svg"), layout="wide")


def _pages(user: User | None) -> dict[str, list[st.Page]]:
    """Every page, so that each address stays valid; those a role may not use are hidden from its menu."""
    admin: Literal["visible", "hidden"] = "visible" if user is not None and user.may("ADMIN") else "hidden"
    folder = HERE / "app_pages"
    return {
        "": [
            st.Page(folder / "live.py", title="Live", icon=":material/show_chart:", default=True),
            st.Page(folder / "alerts.py", title="Alerts", icon=":material/notifications:", url_path="alerts"),
            st.Page(folder / "records.py", title="Records", icon=":material/table_rows:", url_path="records"),
            st.Page(folder / "analytics.py", title="Analytics", icon=":material/query_stats:", url_path="analytics"),
            st.Page(folder / "imports.py", title="Imports", icon=":material/upload_file:", url_path="imports"),
            st.Page(folder / "account.py", title="Account", icon=":material/person:", url_path="account"),
        ],
        "Administration": [
            st.Page(folder / "users.py", title="Users", icon=":material/group:", url_path="users", visibility=admin),
            st.Page(folder / "system.py", title="System", icon=":material/dns:", url_path="system", visibility=admin),
            st.Page(
                folder / "logs.py",
                title="Logs and audit",
                icon=":material/receipt_long:",
                url_path="logs",
                visibility=admin,
            ),
        ],
    }


LIVE_PAGE = ""
"""The address of the page that is opened by default."""
ADMIN_PAGES = {"users", "system", "logs"}

st.logo(LOGO, size="large", link=None)
try:
    current = login.current_user()
except ApiError as error:
    st.navigation(_pages(None), position="hidden")
    feedback.show_error(error)
    st.stop()

page = st.navigation(_pages(current), position="top" if current else "hidden")
if current is None:
    sign_in.render()
else:
    login.follow_account(current, is_told=page.url_path == LIVE_PAGE)
    if page.url_path in ADMIN_PAGES and not current.may("ADMIN"):
        feedback.show_not_allowed("This page is for administrators.")
    else:
        with feedback.plain_errors():
            page.run()
