"""``python -m telltale_query.jobs``: work on jobs."""

import os

from telltale_query.jobs.app import create_app
from telltale_query.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

NICENESS = 10
"""Whatever else this machine has to do comes first."""

settings = load_settings(Settings)
os.nice(NICENESS)
serve("jobs", create_app(settings), settings, settings.jobs_port)
