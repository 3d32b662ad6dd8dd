"""What is read from a person and the environment, and what is printed and written."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from shub.quickstart import binaries, children, clients, environment, terminal
from shub.quickstart.addresses import Address, parse_address, parse_host
from shub.quickstart.announcement import Announcement
from shub.quickstart.credentials import keep_token, load_or_make
from shub.quickstart.failures import CannotRun, Misuse
from shub.quickstart.folder import can_hold_sockets, write_whole
from shub.quickstart.identity import service_identity
from shub.quickstart.options import read_options
from shub.settings import env


@pytest.mark.parametrize(
    "written",
    ["", "8080", ":8080", "a:", "a:b", "a:0", "a:65536", "::1:80", "a b:80", "[::1]", "-:1"],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(Misuse):
        parse_address(written)


@pytest.mark.parametrize("written", ["", "http://a", "a:80", "a/b", "under_score", "a..b:1"])
def test_what_is_no_host_is_refused(written: str) -> None:
    with pytest.raises(Misuse):
        parse_host(written)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.5", False), ("lab", False)],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert Address(host, 80).is_loopback is loopback


def test_the_store_listens_where_the_web_server_does() -> None:
    assert read_options().store_bind == Address("127.0.0.1", 9000)
    found = read_options(bind="0.0.0.0:80", external_host="Registry.Lab")
    assert found.store_bind == Address("0.0.0.0", 9000)
    assert environment.public_url(found) == "http://registry.lab"
    assert environment.external_store(found) == "registry.lab:9000"
    apart = read_options(bind="[::1]:8080", store_bind="127.0.0.1:9000")
    assert environment.external_store(apart) == "127.0.0.1:9000"


def test_paths_are_absolute_and_know_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mara")
    found = read_options(data_dir="~/registry", ready_file="ready.json")
    assert found.data_dir == Path("/home/mara/registry")
    assert found.ready_file == Path.cwd() / "ready.json"


def announcement(**changed: str | None) -> str:
    given = {
        "public_url": "http://127.0.0.1:8080",
        "username": "admin",
        "password": "first",
        "token": "shub_x",
        "entity": "admin",
    }
    folders = {"data_dir": Path("/a b/data"), "client_folder": Path("/a b/data/client")}
    return "\n".join(Announcement(**given | changed, **folders).lines())  # type: ignore[arg-type]


def test_with_a_port_a_configuration_folder_is_named() -> None:
    said = announcement()
    assert "export APPTAINER_CONFIGDIR='/a b/data/client'" in said
    assert "remote add" not in said


def test_on_port_80_and_443_the_clients_own_commands_are_shown() -> None:
    said = announcement(public_url="http://registry.lab")
    assert "apptainer remote add --no-login --insecure shub http://registry.lab\n" in said
    assert "singularity remote use shub\n" in said
    assert "CONFIGDIR" not in said
    said = announcement(public_url="https://registry.lab")
    assert "apptainer remote add --no-login shub https://registry.lab\n" in said


def test_remote_yaml_that_somebody_has_added_to_is_left_alone(tmp_path: Path) -> None:
    path = clients.configure(tmp_path, "http://127.0.0.1:8080", "shub_x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "    Insecure: true\n" in path.read_text()
    path.write_text(path.read_text() + "# mine\n")
    clients.configure(tmp_path, "http://127.0.0.1:8080", "shub_x")
    assert "# mine" in path.read_text()
    clients.configure(tmp_path, "http://127.0.0.1:8080", "shub_y")
    assert "# mine" not in path.read_text()
    assert "    Token: shub_y\n" in path.read_text()


def test_what_a_person_has_set_stays_but_for_the_embedded_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://registry.lab/")
    monkeypatch.setenv("REGISTRY_NAME", "Lab")
    monkeypatch.setenv("MINIO_SSL", "true")
    monkeypatch.setenv("MINIO_SECRET_KEY_FILE", "/nowhere")
    monkeypatch.setenv("MINIO_UPLOAD_SECRET_KEY_FILE", "/nowhere")
    monkeypatch.setenv("MINIO_EXTERNAL_SERVER", "store.lab:443")
    monkeypatch.setenv("DATABASE_URL_FILE", "/nowhere")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    credentials = load_or_make(tmp_path / "secrets.json")
    made = environment.for_application(
        options=read_options(),
        credentials=credentials,
        postgres=SimpleNamespace(url="postgresql:///shub"),  # type: ignore[arg-type]
        store=SimpleNamespace(  # type: ignore[arg-type]
            address=Address("0.0.0.0", 9000), folder=tmp_path
        ),
    )
    assert made["PUBLIC_URL"] == "https://registry.lab"
    assert made["REGISTRY_NAME"] == "Lab"
    assert made["DATABASE_URL"] == "postgresql:///shub"
    assert made["MINIO_SERVER"] == "127.0.0.1:9000"
    assert made["MINIO_EXTERNAL_SERVER"] == "store.lab:443"
    assert made["MINIO_SSL"] == "false"
    assert made["MINIO_SECRET_KEY"] == credentials.store_secret_key
    assert made["MINIO_UPLOAD_ACCESS_KEY"] == credentials.upload_access_key
    assert made["MINIO_UPLOAD_SECRET_KEY"] == credentials.upload_secret_key
    assert made["SECRET_KEY"] == credentials.secret_key
    forgotten = {"DATABASE_URL_FILE", "MINIO_SECRET_KEY_FILE", "MINIO_UPLOAD_SECRET_KEY_FILE"}
    assert not forgotten & set(made)


def test_other_databases_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    environment.forget_other_databases()
    assert not env.text("PGSERVICE")


def test_credentials_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    keep_token(path, "shub_x")
    again = load_or_make(path)
    assert again.token == "shub_x"
    assert (again.secret_key, again.first_password) == (first.secret_key, first.first_password)
    assert again.upload_secret_key not in {"", again.store_secret_key}
    path.write_text('{"secret_key": "x"}')
    with pytest.raises(CannotRun, match="does not hold"):
        load_or_make(path)


def test_credentials_of_an_earlier_release_are_completed(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_or_make(path)
    written = json.loads(path.read_text())
    del written["upload_access_key"], written["upload_secret_key"]
    path.write_text(json.dumps(written))
    completed = load_or_make(path)
    assert completed.store_secret_key == first.store_secret_key
    assert completed.upload_access_key
    assert completed.upload_secret_key not in {"", first.upload_secret_key}
    assert load_or_make(path) == completed


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_last_line_of_a_log_is_fit_for_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert children.last_line(log) == ""
    log.write_bytes(b"first\n\x1b[31mred\x07 \xff" + b"x" * 500 + b"\n\n  \n")
    said = children.last_line(log)
    assert said.startswith("[31mred ")
    assert len(said) == 300
    assert said.isprintable()


@pytest.mark.parametrize(("name", "possible"), [("a b", True), ("a,b", False), ("x" * 90, False)])
def test_where_a_socket_can_be(place: Path, name: str, possible: bool) -> None:
    folder = place / name
    folder.mkdir()
    assert can_hold_sockets(folder) is possible
    assert list(folder.iterdir()) == []


def test_closed_programs_are_copied_so_that_they_run(place: Path) -> None:
    closed = place / "closed"
    found = binaries.find_postgres().copy_below(closed)
    identity = service_identity()
    if identity is not None:
        assert not binaries.are_closed(found, ("initdb", "postgres"), identity)
        closed.chmod(0o700)
        assert binaries.are_closed(found, ("initdb", "postgres"), identity)
    copies = place / "copies"
    assert found.copy_bytes(copies) > 20 * 1024**2
    opened = found.copy_below(copies)
    assert found.copy_bytes(copies) == 0
    assert found.copy_below(copies) == opened
    switch = {"user": identity.uid, "group": identity.gid, "extra_groups": []} if identity else {}
    # Both load the package's own libraries, by the place where these lie beside it.
    for name in ("initdb", "postgres"):
        said = subprocess.run(
            [opened.path(name), "--version"],
            capture_output=True,
            text=True,
            check=True,
            **switch,  # type: ignore[call-overload]
        ).stdout
        assert "PostgreSQL" in said


def test_root_must_not_choose_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("QUICKSTART_USER", "root")
    with pytest.raises(Misuse, match="must not be root"):
        service_identity()
    monkeypatch.setenv("QUICKSTART_USER", "nobody-of-that-name")
    with pytest.raises(Misuse, match="no user"):
        service_identity()


def test_the_script_of_the_data_folder_holds_what_was_made_here_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_HOST_PASSWORD", "of a person's own shell")
    made = {**os.environ, "SECRET_KEY": "it's a key", "MINIO_SERVER": "127.0.0.1:9000"}
    path = terminal.write_script(tmp_path, made)
    assert path.stat().st_mode & 0o777 == 0o700
    assert "own shell" not in path.read_text()
    assert """export SECRET_KEY='it'"'"'s a key'\n""" in path.read_text()
    done = subprocess.run([path, "help"], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "import-folder" in done.stdout
