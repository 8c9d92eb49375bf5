"""What fires now; then rules, history, silences and, for administrators, webhooks."""

import streamlit as st

from telltale_ui import feedback, login
from telltale_ui.alerts import history, now, rules, silences, webhooks

feedback.show_done()
st.title("Alerts")
now.show()
parts = {"Rules": rules.show, "History": history.show, "Silences": silences.show}
if login.user().may("ADMIN"):
    parts["Webhooks"] = webhooks.show
chosen = st.segmented_control(
    "Show", list(parts), default="Rules", required=True, key="alerts_part", bind="query-params",
    label_visibility="collapsed",
)  # fmt: skip
with feedback.plain_errors(key="retry_part"):
    parts[chosen]()
