"""Who is signed in, and the way out."""

import secrets

import streamlit as st

from telltale_ui import login, times
from telltale_ui.session_bridge import drop_session

MEANING = {
    "VIEWER": "looks at everything that is measured, stored and detected",
    "USER": "looks at everything, creates, edits and deletes records, judges anomalies and controls the generator",
    "ADMIN": "does all that a USER does, manages users and looks at the system, its logs and the audit trail",
}

user = login.user()
st.title("Account")
with st.container(border=True, width=560):
    st.markdown(f"**{user.name}**  \n{user.email}")
    st.badge(user.role, icon=":material/badge:", color="gray")
    st.caption(f"{user.role} {MEANING[user.role]}.")
    st.caption(f"Times are shown in {times.viewer_zone().key}, the zone of this browser.")
    if st.button("Sign out", icon=":material/logout:", key="sign_out"):
        drop_session(secrets.token_hex(8))
