"""The system itself: status, logs and the audit trail."""
