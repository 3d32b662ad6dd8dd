"""Faults inside: store, database, sweep, mail, sign-in, secrets, disk, each set up for real."""

import contextlib
import copy
import os
import resource
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from shub.containers.models import Blob
from shub.operations.doctor import store
from shub.operations.doctor.asking import Answer
from shub.operations.doctor.finding import State
from shub.storage import object_store
from shub.storage.presign import presign_v4
from shub.uploads.models import SweepBeat
from tests import providers
from tests.clients.mistakes import _children_of
from tests.doctor.conftest import Look, Patient, codes
from tests.servers import ServerMissing, free_hosts
from tests.stored import stored_keys


# ── the store ──
def test_a_sound_store_has_no_finding(look: Look) -> None:
    assert [each.state for each in look("store")] == [State.OK]
    assert [each.state for each in look("clock")] == [State.OK]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"MINIO_SECRET_KEY": "wrong-secret-key-of-nobody"}, "store-wrong-keys"),
        ({"MINIO_ACCESS_KEY": "nobody-at-all"}, "store-wrong-keys"),
        ({"MINIO_ACCESS_KEY": ""}, "store-no-keys"),
        ({"MINIO_BUCKET": "not-there"}, "store-no-bucket"),
        ({"MINIO_UPLOAD_SECRET_KEY": "wrong-secret-key-of-nobody"}, "store-upload-keys"),
        ({"MINIO_SERVER": free_hosts(1)[0]}, "store-not-reached"),
        ({"MINIO_SERVER": "store.invalid:9000"}, "store-not-reached"),
        ({"MINIO_SSL": True}, "store-no-tls"),
    ],
)
def test_what_is_wrong_with_the_store_is_named(
    look: Look, settings: Any, changed: dict[str, Any], code: str
) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    (finding,) = look("store")
    assert finding.code == code, finding
    for secret in (settings.MINIO_SECRET_KEY, settings.MINIO_UPLOAD_SECRET_KEY):
        assert secret not in finding.seen


def test_what_is_no_store_is_named(look: Look, settings: Any, patient: Patient) -> None:
    settings.MINIO_SERVER = f"127.0.0.1:{patient.port}"
    assert codes(look("store")) == ["store-something-else"]


def test_a_store_that_stands_still_is_named(look: Look, patient: Patient) -> None:
    with standing_still(patient, "store"):
        (finding,) = look("store", answer_seconds=1)
        assert finding.code == "store-silent"
    assert codes(look("store")) == []


def test_a_clock_that_is_wrong_is_named(patient: Patient) -> None:
    from tests.clients.obtain import faketime

    done = patient.command(
        *("--only", "clock", "--only", "store"),
        LD_PRELOAD=str(faketime()),
        FAKETIME="+20m",
        NO_FAKE_STAT="1",
    )
    assert done.returncode == 2, done.stderr
    assert "clock-refused: this machine's clock is 120" in done.stdout
    assert "store-refuses-the-clock" in done.stdout


def test_a_store_that_takes_more_than_was_announced_is_named(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a store that checks no length: here the address says none.
    def lengthless(*, payload_bytes: int | None, **rest: Any) -> str:
        return presign_v4(**rest)

    monkeypatch.setattr("shub.storage.s3.presign_v4", lengthless)
    (finding,) = look("store-outside")
    assert (finding.code, finding.state) == ("outside-size-unchecked", State.WARNING)


def test_nothing_of_doctors_own_is_left_in_the_store(look: Look, patient: Patient) -> None:
    for proxy in ("well", "body limit", "other host to the store", "no ranges"):
        look("store-outside", proxy)
    look("store")
    assert not list(object_store().open_parts(timezone.now()))
    assert stored_keys(object_store()) == []


@pytest.mark.parametrize(
    ("status", "code", "message", "means"),
    [
        # MinIO's and AWS' own words; no store of the tests refuses for these.
        (400, "AuthorizationHeaderMalformed", "the region 'a' is wrong", "store-wrong-region"),
        (400, "InvalidRegion", "Region does not match.", "store-wrong-region"),
        (507, "XMinioStorageFull", "Storage backend has reached its minimum", "store-full"),
        (403, "AccessDenied", "Access Denied.", "store-not-allowed"),
        (403, "RequestTimeTooSkewed", "The difference is too large.", "store-refuses-the-clock"),
        (501, "NotImplemented", "Not implemented.", "store-refuses"),
    ],
)
def test_what_other_stores_say_is_understood(
    status: int, code: str, message: str, means: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    finding = store.refusal(Answer(status, {}, body, ("127.0.0.1", 1), 0.1))
    assert finding.code == means
    assert message in finding.seen


@contextlib.contextmanager
def standing_still(patient: Patient, name: str) -> Iterator[None]:
    """A process of the registry gets no time."""
    pids = [patient.live.pids[name], *_children_of(patient.live.pids[name])]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# ── disks and files ──
def test_a_full_disk_is_named(look: Look, settings: Any, tmp_path: Path) -> None:
    if os.geteuid() != 0 or mounted(tmp_path):
        pytest.skip("Only root mounts a small disk.")
    try:
        settings.MINIO_FOLDER = str(tmp_path)
        assert codes(look("disk")) == ["disk-full"]
        settings.MINIO_FOLDER = ""
        (tmp_path / "filling").write_bytes(b"\0" * (1536 * 1024))
        kept, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
        try:
            (finding,) = look("disk")
        finally:
            tempfile.tempdir = kept
        assert finding.code == "disk-no-temporary"
        assert str(tmp_path) in finding.remedy
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    settings.MINIO_FOLDER = "/not/there"
    assert codes(look("disk")) == ["disk-folder-missing"]


def mounted(folder: Path) -> int:
    """The status of mounting two MiB there."""
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_too_few_open_files_of_the_web_server_are_named(look: Look, patient: Patient) -> None:
    assert codes(look("open-files")) == []
    workers = _children_of(patient.live.pids["web"])
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in workers}
    try:
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (256, hard))
        (finding,) = look("open-files")
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert finding.code == "open-files-few"
    assert "256" in finding.seen


# ── the database ──
def test_a_sound_database_has_no_finding(look: Look) -> None:
    for check in ("database", "migrations", "cache"):
        assert [each.state for each in look(check)] == [State.OK], check


def test_too_few_connections_are_named_with_how_many_it_takes(look: Look, settings: Any) -> None:
    settings.WEB_WORKERS, settings.WEB_THREADS = 16, 8
    (finding,) = look("database")
    assert finding.code == "database-few-connections"
    assert "max_connections to 14" in finding.remedy
    settings.WEB_WORKERS = 2
    assert codes(look("database", replicas=20)) == ["database-few-connections"]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SET synchronous_commit = off", "database-loses-seconds"),
        ("SET default_transaction_read_only = on", "database-read-only"),
        ("DROP EXTENSION pg_trgm CASCADE", "database-no-trigrams"),
    ],
)
def test_what_is_set_wrong_in_the_database_is_named(look: Look, statement: str, code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        assert codes(look("database")) == [code]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit; RESET default_transaction_read_only")


def test_a_database_that_is_too_old_is_named(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.features, "minimum_database_version", (99,))
    assert codes(look("database")) == ["database-too-old"]


def test_a_database_that_is_away_is_named_and_its_password_is_not(patient: Patient) -> None:
    (host,) = free_hosts(1)
    url = f"postgresql://shub:not-to-be-told@{host}/shub"
    done = patient.command("--only", "database", "--only", "sweep", DATABASE_URL=url)
    assert done.returncode == 2
    assert "database-not-reached" in done.stdout
    assert "skipped" in done.stdout
    assert "not-to-be-told" not in done.stdout + done.stderr


def test_a_migration_that_is_missing_is_named_and_one_that_is_not_known(look: Look) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("uploads", "9999_of_tomorrow")
    (finding,) = look("migrations")
    assert finding.code == "migrations-newer"
    assert "9999_of_tomorrow" in finding.seen
    last = max(name for app, name in recorder.applied_migrations() if app == "audit")
    recorder.record_unapplied("audit", last)
    (finding,) = look("migrations")
    assert finding.code == "migrations-missing"
    assert last in finding.seen


def test_a_redis_that_is_away_is_named(look: Look, settings: Any) -> None:
    (host,) = free_hosts(1)
    settings.CACHE_URL = f"redis://:not-to-be-told@{host}/0"
    settings.CACHES = {
        "default": {
            "BACKEND": "shub.cache.redis.RedisCache",
            "LOCATION": settings.CACHE_URL,
            "OPTIONS": {"serializer": "shub.cache.redis.JSONSerializer"},
        }
    }
    (finding,) = look("cache")
    assert finding.code in {"cache-away", "cache-forgets"}
    assert "not-to-be-told" not in finding.seen


# ── the bytes ──
def test_damaged_bytes_and_a_rereading_that_is_behind_are_told(look: Look, db: None) -> None:
    assert codes(look("bytes")) == []
    long_ago = timezone.now() - timedelta(days=100)
    Blob.objects.create(digest="a" * 64, size=1, key="one", state="damaged")
    blob = Blob.objects.create(digest="b" * 64, size=1, key="two", state="proven", failures=3)
    assert codes(look("bytes")) == ["bytes-damaged", "bytes-unreadable"]
    Blob.objects.filter(pk=blob.pk).update(created_at=long_ago, failures=0)
    assert codes(look("bytes")) == ["bytes-damaged", "fixity-behind"]
    Blob.objects.filter(state="damaged").delete()
    Blob.objects.filter(pk=blob.pk).update(read_at=timezone.now())
    (finding,) = look("bytes")
    assert "within 0 days, of 90" in finding.seen


# ── the sweep ──
def test_a_sweep_that_has_not_been_seen_for_minutes_is_dead(look: Look, beating: SweepBeat) -> None:
    assert codes(look("sweep")) == []
    SweepBeat.objects.update(seen_at=timezone.now() - timezone.timedelta(minutes=3))
    (finding,) = look("sweep")
    assert finding.code == "sweep-dead"
    assert "sweep.test" in finding.seen
    SweepBeat.objects.all().delete()
    assert codes(look("sweep")) == ["sweep-dead"]


# ── mail ──
class MailServer:
    """Speaks SMTP with whoever comes; takes one password."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.mails: list[str] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                held, _ = self.listener.accept()
            except OSError:
                return
            with held, held.makefile("rwb", buffering=0) as lines:
                self.speak(lines)

    def speak(self, lines: Any) -> None:
        lines.write(b"220 mail.test\r\n")
        while line := lines.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                lines.write(b"354 go on\r\n")
                mail = b""
                while (row := lines.readline()) != b".\r\n":
                    mail += row
                self.mails.append(mail.decode())
            answers = {
                "EHLO": b"250-mail.test\r\n250 AUTH PLAIN\r\n",
                "QUIT": b"221 bye\r\n",
            }
            answer = answers.get(verb, b"250 well\r\n")
            if verb == "AUTH":
                # base64 of NUL mailer NUL right
                good = "AG1haWxlcgByaWdodA==" in line
                answer = b"235 welcome\r\n" if good else b"535 5.7.8 bad credentials\r\n"
            lines.write(answer)
            if verb == "QUIT":
                return


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    server = MailServer()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "mailer", "right"
    settings.DEFAULT_FROM_EMAIL = "registry@example.org"
    yield server
    server.listener.close()


def test_a_mail_server_that_lets_in_has_no_finding_and_gets_no_mail(
    look: Look, mail_server: MailServer
) -> None:
    assert [each.state for each in look("mail")] == [State.OK]
    assert not mail_server.mails
    look("mail", test_address="mara@example.org")
    assert "To: mara@example.org" in mail_server.mails[0]


def test_what_is_wrong_with_the_mail_is_named(
    look: Look, mail_server: MailServer, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "registry@localhost"
    assert codes(look("mail")) == ["mail-no-sender"]
    settings.DEFAULT_FROM_EMAIL = "registry@example.org"
    settings.EMAIL_HOST_PASSWORD = "wrong"
    (finding,) = look("mail")
    assert finding.code == "mail-login"
    assert "535" in finding.seen
    settings.EMAIL_USE_TLS = True
    assert codes(look("mail")) == ["mail-no-tls"]
    settings.EMAIL_USE_TLS = False
    settings.EMAIL_PORT = int(free_hosts(1)[0].rpartition(":")[2])
    assert codes(look("mail")) == ["mail-not-reached"]


def test_without_a_mail_server_there_is_nothing_to_look_at(look: Look, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    assert [each.state for each in look("mail")] == [State.SKIPPED]


# ── signing in ──
@pytest.fixture
def openid_only(settings: Any) -> dict[str, Any]:
    """Where the OpenID provider is asked, to be changed."""
    configured = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": configured["openid_connect"]}
    place: dict[str, Any] = configured["openid_connect"]["APPS"][0]["settings"]
    return place


def test_a_provider_is_asked_what_it_says_of_itself(
    look: Look, openid_only: dict[str, Any]
) -> None:
    with providers.openid() as address:
        openid_only["server_url"] = address
        assert [each.state for each in look("sign-in")] == [State.OK]
        openid_only["server_url"] = address.replace("localhost", "127.0.0.1")
        # The mock calls itself as it was asked: another path is what is no provider.
        openid_only["server_url"] = f"{address}/elsewhere"
        assert codes(look("sign-in")) == ["sign-in-not-a-provider"]
    openid_only["server_url"] = address
    (finding,) = look("sign-in")
    assert finding.code == "sign-in-provider-away"
    assert "OIDC_ISSUER" in finding.remedy


def test_a_directory_that_lets_nobody_in_is_named(
    look: Look, settings: Any, openid_only: dict[str, Any]
) -> None:
    directories = pytest.importorskip("tests.directories")
    settings.SOCIALACCOUNT_PROVIDERS = {}
    with contextlib.ExitStack() as held:
        try:
            directory = held.enter_context(directories.slapd())
        except ServerMissing as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{missing} (.ci/run says what it takes)")
        directory.clear()
        settings.LDAP_SERVER_URI = directory.address
        settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = directories.ADMIN, directories.PASSWORD
        settings.LDAP_USER_BASE = directories.PEOPLE
        assert [each.state for each in look("sign-in")] == [State.OK]
        settings.LDAP_USER_BASE = "ou=nowhere,dc=example,dc=org"
        assert codes(look("sign-in")) == ["sign-in-directory-base"]
        settings.LDAP_BIND_PASSWORD = "wrong"
        assert codes(look("sign-in")) == ["sign-in-directory-bind"]
    assert codes(look("sign-in")) == ["sign-in-directory-away"]


# ── secrets ──
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"SECRET_KEY": "short"}, "secrets-weak-key"),
        ({"SECRET_KEY": "a" * 80}, "secrets-weak-key"),
        (
            {"SECRET_KEY": "django-insecure-" + "3v0k8d9s7f6g5h4j" * 4},
            "secrets-weak-key",
        ),
        ({"MINIO_SECRET_KEY": "minioadmin"}, "secrets-store-default"),
        ({"MINIO_SECRET_KEY": "kX83jdP1"}, "secrets-store-weak"),
    ],
)
def test_a_secret_that_is_none_is_named_and_not_told(
    look: Look, settings: Any, changed: dict[str, str], code: str
) -> None:
    assert codes(look("secrets")) == []
    for name, value in changed.items():
        setattr(settings, name, value)
    (finding,) = look("secrets")
    assert finding.code == code
    assert changed.popitem()[1] not in finding.seen


def test_a_database_elsewhere_has_a_password(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    for password in ("", "postgres"):
        monkeypatch.setitem(connection.settings_dict, "HOST", "db.test")
        monkeypatch.setitem(connection.settings_dict, "PASSWORD", password)
        assert codes(look("secrets")) == ["secrets-database-weak"]


# ── the settings ──
def test_the_system_checks_are_told_as_findings(look: Look, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    findings = look("configuration")
    assert "configuration-warning" in codes(findings)
    assert any("shub.W004" in each.seen for each in findings)


def test_a_registry_without_tls_for_others_is_named(look: Look, settings: Any) -> None:
    settings.PUBLIC_URL, settings.SERVED_BY_TLS = "http://registry.test", False
    assert "configuration-in-the-clear" in codes(look("configuration"))
