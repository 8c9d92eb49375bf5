"""Series: what is measured, with the newest reading of each."""
