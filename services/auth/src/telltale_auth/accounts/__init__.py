"""Who may use Telltale and with which role."""
