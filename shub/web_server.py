"""How gunicorn serves the registry: `gunicorn --config python:shub.web_server --bind HOST:PORT`.

Each lower-case name below is one of gunicorn's settings; what stands on the command line wins.
Without `--bind`, and not started by systemd's socket, it listens on 127.0.0.1:8000.
"""

import os
from typing import Any

import gunicorn
from django.conf import settings
from gunicorn.glogging import Logger

from shub import configuration, counting_folder
from shub.log_lines import JSONLines

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


class JSONLogger(Logger):
    """gunicorn's own lines in the form of all others."""

    def setup(self, cfg: Any) -> None:
        """Called at the start, and whenever gunicorn reads its settings again."""
        super().setup(cfg)
        for each in self.error_log.handlers:
            each.setFormatter(JSONLines())


if settings.LOG_FORMAT == "json":
    logger_class = JSONLogger

# Before anything is imported that counts.
if settings.METRICS_TOKEN or settings.METRICS_ALLOWED_NETWORKS:
    counting_folder.make(settings.PROMETHEUS_MULTIPROC_DIR)


def on_starting(server: Any) -> None:
    """Share one listening socket where there is but one: systemd's, or a Unix socket.

    gunicorn would ignore the first kind, and have each worker take the second from the others.
    """
    own = {str(os.getpid())} & {os.environ.get("LISTEN_PID")}
    if own or any(isinstance(address, str) for address in server.cfg.address):
        server.cfg.set("reuse_port", False)


def when_ready(server: Any) -> None:
    """Write down how this server runs, once for all its workers."""
    configuration.log(
        f"gunicorn {gunicorn.__version__}, {server.num_workers} workers of {server.cfg.threads} "
        "threads"
    )


def post_fork(_server: Any, worker: Any) -> None:
    """Tell the worker how it ends; the first of the two times is the server's to wait for both."""
    worker.drain_seconds = settings.WEB_DRAIN_SECONDS
    worker.cfg.set("graceful_timeout", settings.WEB_STOP_SECONDS)


def child_exit(_server: Any, worker: Any) -> None:
    """What a dead worker was doing is done by nobody; what it has counted stays."""
    counting_folder.forget(worker.pid)


def on_exit(_server: Any) -> None:
    """The server ends, and what it has counted with it."""
    counting_folder.remove()
