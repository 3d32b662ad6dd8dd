"""What a client says of each fault and what doctor says, seen by setting each up for real.

    python -m tests.doctor.table [--only FAULT]

Writes the tables of docs/reference/doctor.md. The client runs in a mount namespace of its own, in
which the registry's name leads to the proxy with the fault: it takes root.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
if __name__ == "__main__":
    django.setup()

from tests import sif_files
from tests.clients import obtain
from tests.clients.live import PROJECT
from tests.clients.mistakes import _children_of
from tests.clients.outcome import without_secrets
from tests.doctor import proxies
from tests.doctor.conftest import Patient, running
from tests.quickstart.running import eventually, is_alive

PAGE = PROJECT / "docs" / "reference" / "doctor.md"
MARKS = {
    name: (f"<!-- {name}: written by python -m tests.doctor.table -->", f"<!-- end of {name} -->")
    for name in ("faults", "diagnoses")
}

PUSH, PULL, NOTHING = "push", "pull", "—"


@dataclass(frozen=True)
class Case:
    """A fault: how it is set up, what a client then does, and what doctor finds."""

    fault: str
    codes: tuple[str, ...]
    proxy: str = "well"
    does: str = PUSH
    changed: tuple[tuple[str, str], ...] = ()
    stands_still: str = ""
    ends: str = ""


def web(*pairs: str) -> tuple[tuple[str, str], ...]:
    """Settings with which the web server is started anew."""
    return tuple((pair.partition("=")[0], pair.partition("=")[2]) for pair in pairs)


# Faults of a proxy by their names in proxies.py.
CASES = [
    Case(
        "the store's outer address is `127.0.0.1`",
        ("outside-loopback",),
        changed=web("MINIO_EXTERNAL_SERVER=127.0.0.1:1", "MINIO_EXTERNAL_SSL=false"),
    ),
    Case(
        "the store's outer address is a name that nobody knows",
        ("outside-name-unknown",),
        changed=web("MINIO_EXTERNAL_SERVER=store.invalid:9000"),
    ),
    Case(
        "the store's outer address has a port where nobody listens",
        ("outside-not-reached",),
        changed=web("MINIO_EXTERNAL_SERVER=registry.test:1"),
    ),
    Case("the certificate has expired", ("certificate-expired",), "expired"),
    Case("the certificate begins later", ("certificate-not-yet-valid",), "early"),
    Case(
        "the certificate is by an authority that nobody knows",
        ("certificate-unknown-authority",),
        "unknown authority",
    ),
    Case("the certificate names another host", ("certificate-wrong-name",), "wrong name"),
    Case("the certificate ends in five days", ("certificate-expires-soon",), "soon"),
    Case("the proxy speaks no TLS", ("certificate-no-tls",), "no TLS"),
    Case("the proxy takes TLS 1.1", ("certificate-old-tls",), "old TLS"),
    Case("nginx has a body limit before the store", ("outside-body-limit",), "body limit"),
    Case(
        "nginx has a body limit before the API", ("proxy-body-limit-api",), "body limit of the API"
    ),
    Case("nginx takes small heads only", ("proxy-header-limit",), "header limit"),
    Case(
        "nginx changes `Host` before the store", ("outside-signature",), "other host to the store"
    ),
    Case("nginx changes `Host` before the registry", ("proxy-other-host",), "other host"),
    Case("nginx sends no `X-Forwarded-For`", ("proxy-no-forwarded-for",), "no forwarded address"),
    Case(
        "nginx sends no `X-Forwarded-Proto`", ("proxy-no-forwarded-proto",), "no forwarded scheme"
    ),
    Case(
        "nginx passes on any client's own `X-Forwarded-For`",
        ("proxy-forged-address",),
        "forged address",
    ),
    Case("TRUSTED_PROXIES does not name the proxy", ("proxy-not-trusted",), "not trusted"),
    Case(
        "nginx waits for one second only, and the sweep is slow",
        ("proxy-impatient",),
        "impatient",
        stands_still="sweep",
    ),
    Case(
        "nginx keeps `Authorization` before the store",
        ("outside-authorization-kept",),
        "keeps the token",
        PULL,
    ),
    Case("nginx drops `Range`", ("outside-no-ranges",), "no ranges", PULL),
    Case("nginx gives other bytes", ("outside-changed-bytes",), "other bytes", PULL),
    Case("below the bucket's path there is no store", ("outside-something-else",), "no store"),
    Case("nginx redirects all", ("address-redirects",), "redirects"),
    Case("the web server is away behind nginx", ("address-bad-gateway",), "bad gateway"),
    Case("a page instead of the service document", ("address-something-else",), "a page"),
    Case("the service document names another host", ("address-other-address",), "other document"),
    Case("/static/ is not served", ("static-files-not-served",), "no styles"),
    Case(
        "the store's keys are wrong",
        ("store-wrong-keys",),
        changed=web("MINIO_SECRET_KEY=wrong-secret-key-of-nobody"),
    ),
    Case(
        "the keys that may only upload are wrong",
        ("store-upload-keys",),
        changed=web("MINIO_UPLOAD_SECRET_KEY=wrong-secret-key-of-nobody"),
    ),
    Case("there is no such bucket", ("store-no-bucket",), changed=web("MINIO_BUCKET=not-there")),
    Case("the store is down", ("store-not-reached",), ends="store"),
    Case("the store stands still", ("store-silent",), stands_still="store"),
    Case(
        "the clock is 20 minutes ahead",
        ("clock-refused", "store-refuses-the-clock"),
        changed=web("LD_PRELOAD=faketime", "FAKETIME=+20m", "NO_FAKE_STAT=1"),
    ),
    Case(
        "Postgres is down",
        ("database-not-reached",),
        changed=web("DATABASE_URL=postgresql://shub@127.0.0.1:1/shub"),
    ),
    Case("the sweep is dead", ("sweep-dead",), stands_still="sweep"),
]


class Desk:
    """One user of the CLI, whose machine believes what this one tells of the registry's name."""

    def __init__(self, patient: Patient, program: Path, folder: Path) -> None:
        self.patient, self.program, self.folder = patient, program, folder
        self.numbers = iter(range(1, 1000))
        self.pulled_ref = f"{patient.live.entity}/doctor/pulled:1.0"

    def run(self, case: Case) -> str:
        """What the client says, in one line."""
        number = next(self.numbers)
        home = self.folder / f"home-{number}"
        home.mkdir()
        if case.does == PUSH:
            sif_files.write_sif(home / "image.sif", size=3 << 20, seed=number)
            ref = f"{self.patient.live.entity}/doctor/image-{number}:1.0"
            words = f"push -U image.sif library://{ref}"
        else:
            words = f"pull --disable-cache pulled.sif library://{self.pulled_ref}"
        done = self.client(home, case.proxy, words)
        return self.tidied(case, done.stdout, done.returncode, home / "pulled.sif")

    def client(self, home: Path, proxy: str, words: str) -> subprocess.CompletedProcess[str]:
        """The CLI, logged in, in a home of its own."""
        folder = home / ".apptainer"
        folder.mkdir()
        remote = folder / "remote.yaml"
        remote.touch(mode=0o600)
        remote.write_text(
            f"Active: t\nRemotes:\n  t:\n    URI: //{proxies.HOST}:{self.patient.port}\n"
            f"    Token: {self.patient.live.token}\n"
        )
        leads = f"127.0.0.1 localhost\n{proxies.address_of(proxy)} {proxies.HOST}\n"
        (home / "hosts").write_text(leads)
        command = f"mount --bind hosts /etc/hosts && exec {self.program} {words} 2>&1"
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", command],
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "APPTAINER_CONFIGDIR": str(folder),
                "SSL_CERT_FILE": self.patient.environment["REGISTRY_CA_FILE"],
            },
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def push_what_is_pulled(self) -> None:
        """Private, so that the token matters."""
        home = self.folder / "home-0"
        home.mkdir()
        image = self.folder / "pulled"
        sif_files.write_sif(image, size=12 << 20, seed=4711)
        done = self.client(home, "well", f"push -U {image} library://{self.pulled_ref}")
        assert done.returncode == 0, without_secrets(done.stdout)
        self.patient.live.make_private("doctor")

    def tidied(self, case: Case, said: str, status: int, pulled: Path) -> str:
        """The line that tells how it ended, without what is another each time."""
        fatal = [line for line in said.splitlines() if line.startswith("FATAL")]
        if status == 0 and case.does == PULL:
            right = pulled.read_bytes() == self.folder.joinpath("pulled").read_bytes()
            return "pulls" if right else "exit 0, and **other bytes are in the file**"
        if status == 0:
            return "pushes"
        # Some words of a server's have lines of their own.
        last = said[said.rindex(fatal[-1]) :] if fatal else said.splitlines()[-1]
        text = " ".join(without_secrets(last).split())
        text = re.sub(r"^FATAL:\s*", "", text)
        text = text.replace(f"{proxies.HOST}:{self.patient.port}", "registry.example.org")
        text = text.replace(proxies.HOST, "registry.example.org")
        text = re.sub(rf"127\.0\.0\.\d+:{self.patient.port}", "192.0.2.7:443", text)
        text = re.sub(r"127\.0\.0\.1:\d{5}->", "", text)
        text = re.sub(r" on [0-9.]+:53", "", text)
        text = re.sub(r" on [0-9.]+:53", "", text)
        text = re.sub(r"blobs/[0-9a-f]{2}/[0-9a-f]{64}\.[0-9a-f]{24}\?[^\s\"]*", "blobs/…", text)
        text = re.sub(r"sha256\.[0-9a-f]{64}", "sha256.…", text)
        text = re.sub(r"current time \S+ is (\w+) \S+", r"current time … is \1 …", text)
        text = re.sub(r"image-\d+", "gcc", re.sub(r"imagefile/[0-9a-f]{24}", "imagefile/…", text))
        return f"`{text}`".replace("|", "\\|")


@contextlib.contextmanager
def set_up(patient: Patient, case: Case) -> Iterator[dict[str, str]]:
    """The fault, where it is not the proxy's; the environment that doctor is then run with."""
    changed = dict(case.changed)
    if changed.get("LD_PRELOAD"):
        changed["LD_PRELOAD"] = str(obtain.faketime())
    with contextlib.ExitStack() as held:
        if changed:
            held.enter_context(other_web(patient, changed))
        if case.stands_still:
            pid = process_of(patient, case.stands_still)
            for each in (pid, *_children_of(pid)):
                os.kill(each, signal.SIGSTOP)
                held.callback(os.kill, each, signal.SIGCONT)
        if case.ends:
            held.enter_context(ended(patient, case.ends))
        yield changed


def process_of(patient: Patient, name: str) -> int:
    """The process that does this now: its supervisor has started it anew since."""
    word = {"web": "gunicorn", "sweep": "sweep", "store": "juicefs"}[name]
    for pid in _children_of(patient.supervisor):
        if word in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise AssertionError(f"no process of {name}")


@contextlib.contextmanager
def ended(patient: Patient, name: str) -> Iterator[None]:
    """A process of the registry is gone, and its supervisor does not start it anew meanwhile."""
    pid, supervisor = process_of(patient, name), patient.supervisor
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGTERM if name == "web" else signal.SIGKILL)
        eventually(lambda: not is_alive(pid), f"the end of {name}")
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
        eventually(lambda: answers(patient), "the registry's answer", 60)


@contextlib.contextmanager
def other_web(patient: Patient, changed: dict[str, str]) -> Iterator[None]:
    """The web server, started anew with other settings."""
    pid = process_of(patient, "web")
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    with ended(patient, "web"):
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**patient.environment, **changed},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: answers(patient), "the other web server", 60)
            yield
        finally:
            process.terminate()
            process.wait()


def answers(patient: Patient) -> bool:
    """Whether the web server and the store answer."""
    from shub.operations.doctor.asking import NotReached, ask
    from shub.operations.doctor.options import Options

    options = Options(
        resolve={proxies.HOST: proxies.address_of("well")},
        ca_file=patient.environment["REGISTRY_CA_FILE"],
    )
    try:
        web = ask(options, "GET", f"https://{proxies.HOST}:{patient.port}/version")
        store = ask(options, "GET", f"{patient.live.store['endpoint']}/minio/health/ready")
    except NotReached:
        return False
    return web.status == store.status == 200


def doctors(patient: Patient, case: Case, changed: dict[str, str]) -> list[str]:
    """The codes that doctor finds, run with what the web server runs with."""
    done = patient.command(
        *("--json", "--slow-seconds", "2"),
        *("--resolve", f"{proxies.HOST}:{proxies.address_of(case.proxy)}"),
        **changed,
    )
    return [each["code"] for each in json.loads(done.stdout)["findings"] if each["code"]]


def rows(patient: Patient, program: Path, only: str) -> Iterator[str]:
    """Each fault in turn, as a row of the table."""
    with tempfile.TemporaryDirectory(prefix="shub-table-") as folder:
        desk = Desk(patient, program, Path(folder))
        desk.push_what_is_pulled()
        for case in CASES:
            if not re.search(only, case.fault):
                continue
            with set_up(patient, case) as changed:
                said = desk.run(case)
                if case.fault == "the sweep is dead":
                    # Its last word has to be older than two minutes.
                    patient.live.change(
                        "UPDATE uploads_sweepbeat SET seen_at = seen_at - interval '5 minutes'"
                    )
                found = doctors(patient, case, changed)
            missing = set(case.codes) - set(found)
            also = [code for code in dict.fromkeys(found) if code not in case.codes]
            if missing:
                sys.stdout.write(f"{case.fault}: doctor does not say {missing}, but {found}\n")
            told = ", ".join(f"`{code}`" for code in case.codes)
            told += f"; also {', '.join(f'`{code}`' for code in also)}" if also else ""
            row = f"| {case.fault} | {said} | {told} |"
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
            yield row


def written(page: str, name: str, table: list[str]) -> str:
    """The page with this table between its marks."""
    begin, end = MARKS[name]
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return "\n".join([before + begin, "", *table, "", end + after])


def diagnoses() -> list[str]:
    """All that doctor can say, as the table that the page has of it."""
    from shub.operations.doctor import checks, examining  # noqa: F401  importing makes them known
    from shub.operations.doctor.finding import DIAGNOSES

    head = ["| code | | what it means | what to do |", "| --- | --- | --- | --- |"]
    return head + [
        f"| `{code}` | {each.state} | {_cell(each.means)} | {_cell(each.remedy)} |"
        for code, each in sorted(DIAGNOSES.items())
    ]


def _cell(words: object) -> str:
    return str(words).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--words", action="store_true", help="write only what needs no run")
    given = parser.parse_args()

    tables = {"diagnoses": diagnoses()}
    if not given.words:
        head = ["| fault | what Apptainer says | what doctor says |", "| --- | --- | --- |"]
        with (
            tempfile.TemporaryDirectory(prefix="shub-table-") as folder,
            running(Path(folder)) as patient,
        ):
            found = list(rows(patient, obtain.apptainer().path, given.only))
        if not given.only:
            tables["faults"] = head + found
    for name, table in tables.items():
        PAGE.write_text(written(PAGE.read_text(), name, table))


if __name__ == "__main__":
    main()
