"""The tracked files against the checklist of docs/explanation/deployment.md."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STAYING = sorted(set(SERVICES) - {"prepare", "volumes"})
DOCKERFILE = (PROJECT / "Dockerfile").read_text()

HOSTS_OWN = (
    "pid",
    "ipc",
    "uts",
    "userns_mode",
    "cgroup_parent",
    "devices",
    "privileged",
    "sysctls",
)


class _Loader(yaml.SafeLoader):
    """Reads compose's own tags as what they stand before."""


def _plain(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


_Loader.add_multi_constructor("!", _plain)

OVERRIDES: dict[str, dict[str, Any]] = {
    path.stem: yaml.load(path.read_text(), _Loader)
    for path in sorted((PROJECT / "deploy/compose").glob("*.yml"))
}


@pytest.fixture(params=sorted(SERVICES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(name: str) -> dict[str, Any]:
    return SERVICES[name]


def test_nobody_is_root_but_the_one_who_gives_a_volume_away(
    name: str, service: dict[str, Any]
) -> None:
    if name == "volumes":
        assert service["user"] == "0:0"
        assert service["cap_add"] == ["CHOWN"]
        assert service["network_mode"] == "none"
    else:
        assert int(service["user"].partition(":")[0]) > 0
        assert "cap_add" not in service


def test_no_right_is_had_that_is_not_needed(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not [key for key in HOSTS_OWN if key in service]
    assert service.get("network_mode") in {None, "none"}


def test_what_each_takes_is_bounded(service: dict[str, Any]) -> None:
    assert service["mem_limit"]
    assert service["pids_limit"] > 0
    assert "cpus" in service
    assert service["ulimits"]["nofile"] <= 20_000
    assert service["ulimits"]["core"] == 0
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    for mount in service.get("tmpfs", []):
        assert {"nosuid", "nodev", "noexec"} <= set(mount.partition(":")[2].split(",")), mount


def test_what_stays_is_looked_after_and_comes_back(name: str, service: dict[str, Any]) -> None:
    if name in STAYING:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        assert service["cpu_shares"]
        assert service["stop_grace_period"]
    else:
        assert service["restart"] == "no"


def test_only_nginx_is_published_and_where_the_site_says() -> None:
    assert [name for name, each in SERVICES.items() if "ports" in each] == ["nginx"]
    for port in SERVICES["nginx"]["ports"]:
        assert port.startswith("${SHUB_BIND:-0.0.0.0}:")
        assert int(port.rpartition(":")[2]) > 1024


def test_records_and_bytes_are_on_a_network_that_leads_nowhere() -> None:
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("db", "minio", "prepare"):
        assert SERVICES[name]["networks"] == ["back"]


def test_what_must_live_is_in_named_volumes_and_nothing_else_is_written() -> None:
    assert set(COMPOSE["volumes"]) == {"db", "minio"}
    for name, each in SERVICES.items():
        for mount in each.get("volumes", []):
            source, _, rest = mount.partition(":")
            assert source in COMPOSE["volumes"] or rest.endswith(":ro"), (name, mount)
            assert "docker.sock" not in mount


def test_secrets_are_files_and_stand_nowhere_else() -> None:
    assert all(set(each) == {"file"} for each in COMPOSE["secrets"].values())
    used = {word for each in SERVICES.values() for word in each.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    words = (PROJECT / ".minio-env").read_text()
    for line in [*words.splitlines(), *_environment_lines()]:
        name, _, value = line.partition("=")
        if re.search(r"PASSWORD|SECRET|ROOT_USER|ACCESS_KEY|DATABASE_URL", name):
            assert name.endswith("_FILE"), line
            assert not value or value.startswith("/run/secrets/"), line


def _environment_lines() -> list[str]:
    found = []
    for file in (COMPOSE, *OVERRIDES.values()):
        for each in file["services"].values():
            environment = (each or {}).get("environment") or {}
            found += [f"{name}={value}" for name, value in environment.items()]
    return found


@pytest.mark.parametrize("override", sorted(OVERRIDES))
def test_an_override_takes_nothing_of_this_back(override: str) -> None:
    for name, each in OVERRIDES[override]["services"].items():
        if not each:
            continue
        for key in (*HOSTS_OWN, "cap_add", "ulimits"):
            assert key not in each, (name, key)
        if name in SERVICES:
            for key in ("user", "read_only", "cap_drop", "security_opt", "logging", "mem_limit"):
                assert key not in each, (name, key)
        else:
            test_no_right_is_had_that_is_not_needed(each)
            assert int(each["user"].partition(":")[0]) > 0
            assert each["mem_limit"]
            assert each["pids_limit"]
            assert each["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def test_every_override_is_on_the_page() -> None:
    page = (PROJECT / "docs/explanation/deployment.md").read_text()
    for name in OVERRIDES:
        assert f"`{name}.yml`" in page


def test_the_first_password_has_to_be_changed_in_every_layout() -> None:
    files = [PROJECT / "docker-compose.yml", *(PROJECT / "deploy/compose").glob("*.yml")]
    for path in files:
        text = path.read_text()
        assert text.count("--if-missing") == text.count("--if-missing --must-change"), path.name


def test_images_have_a_release_or_a_line() -> None:
    images = [each["image"] for each in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert ":" in image, image
        assert not image.endswith(":latest"), image


def test_the_image_is_made_of_the_lock_and_by_nobody_special() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"^ADD ", DOCKERFILE, re.MULTILINE)
    # A builder without a network gets no frontend.
    assert not DOCKERFILE.startswith("# syntax")
    for line in re.findall(r"apt-get update[^;]*", DOCKERFILE):
        assert "apt-get install" in line


def test_the_builder_is_sent_code_and_nothing_else() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {
        *("LICENSE", "manage.py", "shub"),
        *("requirements.txt", "requirements-ldap.txt", "requirements-saml.txt"),
    }


def test_the_image_is_built_by_one_service_only() -> None:
    """By two, each start would take the other's for a new one and make all containers anew."""
    assert [name for name, each in SERVICES.items() if "build" in each] == ["prepare"]
