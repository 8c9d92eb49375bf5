"""``python -m telltale_query.jobs``: work on jobs."""

import gc
import os

from telltale_query.jobs.app import create_app
from telltale_query.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings

NICENESS = 10
"""Whatever else this machine has to do comes first."""

GC_ALLOCATIONS = 50_000
"""Between two collections: reading a large file makes millions of small lists, none of them in a cycle, and looking at
them again and again would take half of the time."""

settings = load_settings(Settings)
os.nice(NICENESS)
gc.set_threshold(GC_ALLOCATIONS, 50, 100)
serve("jobs", create_app(settings), settings, settings.jobs_port)
