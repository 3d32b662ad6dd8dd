"""How gunicorn runs: read by shub/web_server.py."""

from shub.settings import env

#: Processes of the web server: one for each core that the registry may have; each holds
#: some 80 MiB.
WEB_WORKERS = env.integer("WEB_WORKERS", 2, minimum=1)

#: Threads in each; `VERIFY_WAITERS` of them may wait for verdicts and `TRANSFER_THREADS` carry
#: images, so give more than both together.
WEB_THREADS = env.integer("WEB_THREADS", 6, minimum=1)

#: How long a web server that is told to end lets the requests that it has begun go on. Quickstart's
#: has 8 seconds.
WEB_STOP_SECONDS = env.integer("WEB_STOP_SECONDS", 30, minimum=1)

#: How long before that it goes on taking new connections while `/readyz` says that it is stopping:
#: as long as a load balancer that goes by `/readyz` needs to notice ([how](../how-to/restart.md)).
WEB_DRAIN_SECONDS = env.integer("WEB_DRAIN_SECONDS", 0)
