"""The door for gunicorn."""

import gc
import os
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from shub import patience

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shub.settings")

application = get_wsgi_application()

patience.wait_no_longer_than(settings.DATABASE_PATIENCE_SECONDS)

# What is loaded by now stays: a full collection that looks through it again stops every thread of
# the process for 60 to 100 ms, the slowest answers of all (benchmarks/README.md). gunicorn loads
# this once, before it forks.
gc.collect()
gc.freeze()

# Threads take turns less often: on saturated cores, changing costs more than it evens out.
sys.setswitchinterval(0.02)
