"""Telltale's screens: Streamlit pages, a live chart drawn in the browser, and the few routes that both need."""
