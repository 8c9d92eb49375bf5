"""CSV files: imported as a whole or not at all, with what was wrong, and undone again."""

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.imports.detail import import_detail
from telltale_ui.imports.form import import_form
from telltale_ui.imports.history import import_history

feedback.show_done()
st.title("Imports")
if login.user().may("USER"):
    import_form()
else:
    st.caption("Your role may look at imports. Importing needs the role USER.")
if shown := st.query_params.get("show"):
    with feedback.plain_errors(key="retry_detail"):
        import_detail(shown)
st.subheader("All imports")
import_history()
