"""How gunicorn runs: read by shub/web_server.py."""

from shub.settings import env

# Processes, one for each core that the registry may have; each holds some 80 MiB.
WEB_WORKERS = env.integer("WEB_WORKERS", 2, minimum=1)

# In each process. VERIFY_WAITERS of them may wait for verdicts, and TRANSFER_THREADS carry images.
WEB_THREADS = env.integer("WEB_THREADS", 6, minimum=1)

# How long a server that is told to end lets the requests that it has begun go on.
WEB_STOP_SECONDS = env.integer("WEB_STOP_SECONDS", 30, minimum=1)

# How long before that it goes on taking new connections, while /readyz says that it is stopping:
# for load balancers that have to notice.
WEB_DRAIN_SECONDS = env.integer("WEB_DRAIN_SECONDS", 0)
