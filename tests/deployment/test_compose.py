"""The deployment itself, in containers: from a fresh clone to an upgrade with a push under way.

Slow, and with a registry of their own: `make deployment`. The tests of one site build on each other
in the order of this file.
"""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import obtain
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import have
from tests.clients.outcome import Outcome, assert_done
from tests.deployment import site as sites
from tests.deployment.site import ADMINISTRATOR, HOST, STORE_HOST, Site, Times
from tests.sif_files import digest_of, write_sif

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]

MIB = 1 << 20
SIZE = 200 * MIB

# The users that the images' own documentation names; nginx', Postgres', ours.
USERS = {"db": 999, "minio": 10001, "web": 10001, "sweep": 10001, "nginx": 101}
PASSING = {"prepare", "volumes"}


@pytest.fixture(scope="module")
def apptainer_program(request: pytest.FixtureRequest) -> Path:
    return have(request.config, obtain.apptainer)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployment")


@pytest.fixture(scope="module")
def times(request: pytest.FixtureRequest) -> Times:
    return request.config.stash.setdefault(sites.TIMES, Times())


@pytest.fixture(scope="module")
def site(place: Path, times: Times) -> Iterator[Site]:
    """The layout that we advise, on one host."""
    (place / "one").mkdir()
    with times.of("a fresh clone, built and set up"):
        entered = sites.site(place / "one", "one")
        found = entered.__enter__()
    try:
        with times.of("docker compose up --build --wait"):
            found.up("--build")
        yield found
    finally:
        entered.__exit__(None, None, None)
        found.run("docker", "image", "rm", "--force", f"shub:{sites.NAME}", check=False)


@pytest.fixture(scope="module")
def image(place: Path) -> tuple[Path, str]:
    path = place / "image.sif"
    return path, write_sif(path, size=SIZE, seed=1)


@pytest.fixture(scope="module")
def owner(site: Site, apptainer_program: Path, place: Path) -> Apptainer:
    return site.client(apptainer_program, place / "owner")


def push(cli: Apptainer, path: Path, ref: str) -> Outcome:
    return cli.run("push", "-U", path, ref, seconds=300)


def assert_pulled(cli: Apptainer, ref: str, digest: str) -> None:
    """The client has each byte; without its cache, as they arrive."""
    pulled = cli.home / "pulled.sif"
    pulled.unlink(missing_ok=True)
    assert_done(cli.run("pull", "--disable-cache", pulled, ref, seconds=300))
    assert digest_of(pulled) == digest
    pulled.unlink()


REF = f"library://{ADMINISTRATOR}/deployed/image:1"


# ── one host, one certificate, one port ──


def test_an_image_of_200_mib_is_pushed_and_pulled_by_tls_with_a_private_authority(
    site: Site, owner: Apptainer, image: tuple[Path, str], times: Times
) -> None:
    path, digest = image
    with times.of("push of 200 MiB"):
        assert_done(push(owner, path, REF))
    with times.of("pull of 200 MiB"):
        assert_pulled(owner, REF, digest)


def test_nobody_gets_at_more_than_pages_api_and_presigned_objects(site: Site) -> None:
    key = site.manage(
        "import sys; from shub.containers.models import Blob; "
        "sys.stdout.write(Blob.objects.get().key)"
    )
    for address, status in (
        (f"/sregistry/{key}", 403),
        ("/sregistry/?list-type=2&X-Amz-Signature=0", 404),
        ("/minio/health/live", 404),
        (f"/-/store/sregistry/{key}", 404),
        ("/metrics", 403),
        ("/", 200),
        ("/version", 200),
    ):
        assert site.ask("GET", f"https://{HOST}{address}")[0].status == status, address
    published = [
        port
        for each in site.inspected().values()
        for port in each["HostConfig"]["PortBindings"] or {}
    ]
    assert sorted(published) == ["8080/tcp", "8443/tcp"]


def test_no_container_runs_as_root_or_can_change_a_file_of_its_own(site: Site) -> None:
    for service, each in site.inspected().items():
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert not host["Privileged"], service
        if service in PASSING:
            continue
        pid = each["State"]["Pid"]
        assert uid_of(pid) == USERS[service], service
        try_it = "touch /wrote /etc/wrote /usr/wrote /run/wrote 2>/dev/null; ls /wrote /*/wrote"
        wrote = site.compose("exec", "-T", service, "sh", "-c", try_it, check=False)
        assert not wrote.strip(), (service, wrote)


def uid_of(pid: int) -> int:
    found = re.search(r"^Uid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_no_secret_can_be_read_where_a_deployment_is_looked_at(site: Site) -> None:
    image = f"shub:{sites.NAME}"
    seen = {
        "docker compose config": site.compose("config"),
        "docker inspect": site.run("docker", "inspect", *site.containers().values()),
        "docker inspect of the image": site.run("docker", "inspect", image),
        "docker history": site.run("docker", "history", "--no-trunc", image),
        "the logs": site.compose("logs"),
        **{
            f"the environment of {service}": Path(f"/proc/{each['State']['Pid']}/environ")
            .read_bytes()
            .decode()
            for service, each in site.inspected().items()
            # Postgres' and MinIO's own start scripts read the files into their environment.
            if service in {"web", "sweep", "nginx"}
        },
    }
    words = site.secrets()
    assert {"secret_key", "postgres_password", "minio_root_password", "tls.key"} <= set(words)
    for where, text in seen.items():
        for name, word in words.items():
            if where == "the logs" and name in {"minio_root_user", "minio_upload_access_key"}:
                continue  # by what name somebody came
            assert word not in text, f"{name} in {where}"
        assert "X-Amz-Signature" not in text, where


def test_nothing_of_a_clone_but_the_product_is_in_the_image(site: Site) -> None:
    image = f"shub:{sites.NAME}"
    listed = site.run(
        *("docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", image),
        *(
            "-c",
            "ls -A / /shub; find / -xdev -writable -type f 2>/dev/null | grep -v ^/proc; id -u",
        ),
    ).split()
    assert {"manage.py", "shub", "LICENSE"} <= set(listed)
    for name in (".env", "secrets", ".git", "tests", "data", "docs", ".venv"):
        assert name not in listed
    assert listed[-1] == "10001"


def test_another_up_disturbs_nothing(site: Site) -> None:
    stay = {name: found["Id"] for name, found in site.inspected().items()}
    started = {name: found["State"]["StartedAt"] for name, found in site.inspected().items()}
    site.up()
    again = site.inspected()
    assert {name: found["Id"] for name, found in again.items()} == stay
    for name in USERS:
        assert again[name]["State"]["StartedAt"] == started[name], name


@pytest.mark.parametrize("service", ["db", "minio", "web", "sweep", "nginx"])
def test_a_service_that_is_restarted_comes_back_by_itself(
    site: Site, owner: Apptainer, service: str, times: Times, tmp_path: Path
) -> None:
    with times.of(f"restart of {service}"):
        site.compose("restart", service)
        site.up()
    path = tmp_path / "small.sif"
    digest = write_sif(path, size=2 * MIB, seed=hash(service) % 10_000)
    ref = f"library://{ADMINISTRATOR}/deployed/{service}:1"
    assert_done(push(owner, path, ref))
    assert_pulled(owner, ref, digest)


def test_what_crashes_is_started_again(site: Site) -> None:
    for service in ("web", "sweep", "nginx"):
        container = site.inspected()[service]
        subprocess.run(["kill", "-KILL", str(container["State"]["Pid"])], check=True)
        give_up_at = time.monotonic() + 30
        while time.monotonic() < give_up_at:
            state = site.inspected()[service]["State"]
            if state["Running"] and state["Pid"] != container["State"]["Pid"]:
                break
            time.sleep(0.3)
        else:
            pytest.fail(f"{service} stayed down")
    site.up()
    assert site.ask("GET", f"https://{HOST}/version")[0].status == 200


def test_down_and_up_keeps_everything(
    site: Site, owner: Apptainer, image: tuple[Path, str], times: Times
) -> None:
    _, digest = image
    with times.of("docker compose down"):
        site.compose("down")
    with times.of("docker compose up --wait, again"):
        site.up()
    # With the token of before, too.
    assert_pulled(owner, REF, digest)


def test_a_second_set_up_changes_nothing(site: Site) -> None:
    before = site.secrets()
    env = (site.folder / ".env").read_text()
    site.run("./setup", "--yes")
    assert site.secrets() == before
    assert (site.folder / ".env").read_text() == env
    # And the clone is as it was: what is a site's own is ignored.
    assert not site.run("git", "status", "--porcelain")


# ── from the commit before ──


def test_an_upgrade_cuts_no_push(
    place: Path, apptainer_program: Path, times: Times, site: Site
) -> None:
    """From the commit before to this one, by deploy/upgrade, while an image is being pushed."""
    before = sites.commit_before()
    if not before:
        pytest.skip("This clone does not have the commit before.")
    site.compose("stop", "--timeout", "10")
    (place / "old").mkdir()
    with sites.site(place / "old", "old", commit=before) as old:
        old.up("--build")
        cli = old.client(apptainer_program, place / "pusher")
        kept, digest_kept = place / "kept.sif", ""
        digest_kept = write_sif(kept, size=20 * MIB, seed=2)
        ref = f"library://{ADMINISTRATOR}/deployed"
        assert_done(push(cli, kept, f"{ref}/kept:1"))
        old.run("git", "checkout", "--quiet", "--detach", sites.commit_of("HEAD"))
        pushed: list[tuple[str, str, Outcome]] = []
        over = threading.Event()
        pushing = threading.Thread(target=push_on, args=(cli, place, ref, pushed, over))
        pushing.start()
        try:
            with times.of("upgrade, with pushes under way"):
                old.run("deploy/upgrade", seconds=400)
        finally:
            over.set()
            pushing.join(300)
        assert len(pushed) > 1
        for _, _, outcome in pushed:
            assert_done(outcome)
        for name, digest, _ in (*pushed, (f"{ref}/kept:1", digest_kept, None)):
            assert_pulled(cli, name, digest)
        assert len([name for name in old.containers() if name.startswith("web-")]) == 1
    site.up()


def push_on(
    cli: Apptainer,
    place: Path,
    ref: str,
    pushed: list[tuple[str, str, Outcome]],
    over: threading.Event,
) -> None:
    """Push one image after the other until it is over; each in several parts."""
    while not over.is_set():
        number = len(pushed) + 1
        path = place / f"under-way-{number}.sif"
        digest = write_sif(path, size=150 * MIB, seed=100 + number)
        name = f"{ref}/under-way-{number}:1"
        pushed.append((name, digest, push(cli, path, name)))
        path.unlink()


# ── the store on a host of its own ──


def test_the_store_may_have_a_host_and_tls_of_its_own(
    place: Path, apptainer_program: Path, times: Times, site: Site, image: tuple[Path, str]
) -> None:
    path, digest = image
    site.compose("stop", "--timeout", "10")
    (place / "apart").mkdir()
    flags = ("--layout", "store-host", "--store-host", STORE_HOST)
    with sites.site(place / "apart", "apart", *flags) as apart:
        with times.of("the second layout: up --wait"):
            apart.up("--build")
        cli = apart.client(apptainer_program, place / "second")
        assert_done(push(cli, path, REF))
        assert_pulled(cli, REF, digest)
        log = apart.compose("logs", "nginx", "--no-log-prefix")
        assert "/blobs/" not in log, "image bytes passed through nginx"
        answer, _ = apart.ask("GET", f"https://{STORE_HOST}:9000/sregistry/?list-type=2")
        assert answer.status == 403
