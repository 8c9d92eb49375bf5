"""The history of the database `telltale_alerts`."""
