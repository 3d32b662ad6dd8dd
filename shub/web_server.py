"""How gunicorn serves the registry: `gunicorn --config python:shub.web_server --bind HOST:PORT`.

Each lower-case name below is one of gunicorn's settings; what stands on the command line wins.
Without `--bind`, and not started by systemd's socket, it listens on 127.0.0.1:8000.
"""

import os
from typing import Any

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shub.settings")

wsgi_app = "shub.wsgi:application"

# Threads that wait for no client, since strangers may come without a proxy in front. Six, since two
# may wait for verdicts and two may carry images.
worker_class = "shub.web_worker.PatientWorker"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS

# Without it, one of the workers may take all the connections that are kept open (measured).
reuse_port = True

# Read once for all workers.
preload_app = True

# Else a client here, or behind a proxy here, says by a header where the registry begins.
forwarded_allow_ips = ""

# It would lie in the home folder, for whoever finds it.
control_socket_disable = True

# A worker's main thread that does not turn for so long is stuck; requests may last longer.
timeout = 60
graceful_timeout = settings.WEB_DRAIN_SECONDS + settings.WEB_STOP_SECONDS
keepalive = 5


def on_starting(server: Any) -> None:
    """Share one listening socket where there is but one: systemd's, or a Unix socket.

    gunicorn would ignore the first kind, and have each worker take the second from the others.
    """
    own = {str(os.getpid())} & {os.environ.get("LISTEN_PID")}
    if own or any(isinstance(address, str) for address in server.cfg.address):
        server.cfg.set("reuse_port", False)


def post_fork(_server: Any, worker: Any) -> None:
    """Tell the worker how it ends; the first of the two times is the server's to wait for both."""
    worker.drain_seconds = settings.WEB_DRAIN_SECONDS
    worker.cfg.set("graceful_timeout", settings.WEB_STOP_SECONDS)
