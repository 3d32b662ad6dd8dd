"""`manage.py setup`: once it makes all, again it changes nothing, and it says what it did."""

import os
import re
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shub.operations.setup import env_file
from tests.unit.operations.setup import authorities

ROOT = Path(__file__).parents[4]
HOST = ["--host", "registry.example.org"]
LAB = [*HOST, "--tls", "private-ca"]

MADE = {
    *("secret_key", "postgres_password", "database_url", "administrator_password"),
    *("minio_root_user", "minio_root_password"),
    *("minio_upload_access_key", "minio_upload_secret_key"),
}


def setup(folder: Path, *words: str) -> tuple[str, str]:
    """What it says, and what it warns of."""
    out, err = StringIO(), StringIO()
    call_command("setup", *words, "--folder", str(folder), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file, with its time of change."""
    files = [path for path in [folder / ".env", *(folder / "secrets").iterdir()] if path.is_file()]
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in files
        if path.name != ".lock"
    }


def settings(folder: Path) -> dict[str, str]:
    return env_file.read((folder / ".env").read_text())


def secret(folder: Path, name: str) -> str:
    return (folder / "secrets" / name).read_text().strip()


def test_one_run_makes_all_that_compose_needs(tmp_path: Path) -> None:
    out, _ = setup(tmp_path, *LAB, "--administrator", "Mara")
    secrets = {path.name for path in (tmp_path / "secrets").iterdir()} - {".lock"}
    assert secrets == MADE | {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    found = settings(tmp_path)
    assert found["PUBLIC_URL"] == "https://registry.example.org"
    assert found["MINIO_EXTERNAL_SERVER"] == "registry.example.org"
    assert found["ADMINISTRATOR"] == "Mara"
    assert found["COMPOSE_FILE"] == "docker-compose.yml"
    password = secret(tmp_path, "postgres_password")
    assert secret(tmp_path, "database_url") == f"postgresql://shub:{password}@db:5432/shub"
    assert "docker compose up -d --wait" in out


def test_files_are_for_the_containers_and_the_folder_keeps_others_out(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o400
    for name in MADE | {"tls.crt", "tls.key", "ca.crt"}:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o444


def test_a_folder_that_stood_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)
    setup(tmp_path, *LAB)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_the_second_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    before = content(tmp_path)
    for words in ([], LAB):
        out, _ = setup(tmp_path, *words)
        assert content(tmp_path) == before
        assert "Nothing is new" in out
        assert "Kept in secrets/: administrator_password" in out


def test_no_secret_is_said_but_the_first_password_where_it_is_asked_for(tmp_path: Path) -> None:
    said = "".join(setup(tmp_path, *LAB) + setup(tmp_path) + setup(tmp_path, "--renew", "tls"))
    secrets = {path.name: path for path in (tmp_path / "secrets").iterdir() if path.is_file()}
    for name in MADE | {"tls.key", "ca.key"}:
        assert secrets[name].read_text().strip() not in said, name
    assert secret(tmp_path, "administrator_password") in setup(tmp_path, "--show-password")[0]


def test_a_hand_written_line_stays_where_it_is(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    env = tmp_path / ".env"
    env.write_text(
        env.read_text().replace("MINIO_EXTERNAL_SERVER=", "# ours\nMINIO_EXTERNAL_SERVER=other.")
        + "DEFAULT_PRIVATE=true  # we are shy\n"
    )
    text = env.read_text()
    setup(tmp_path, *LAB)
    assert env.read_text() == text
    setup(tmp_path, "--name", "Our images", "--yes")
    assert env.read_text() == text.replace("REGISTRY_NAME=shub", "REGISTRY_NAME='Our images'")


def test_a_changed_flag_waits_for_a_yes(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    before = content(tmp_path)
    with pytest.raises(CommandError, match="Nothing was written"):
        setup(tmp_path, "--bind", "127.0.0.1")
    assert content(tmp_path) == before
    out, _ = setup(tmp_path, "--bind", "127.0.0.1", "--yes")
    assert "SHUB_BIND: 0.0.0.0 → 127.0.0.1" in out
    assert settings(tmp_path)["SHUB_BIND"] == "127.0.0.1"


def test_another_host_in_the_same_domain_gets_a_certificate_of_the_same_authority(
    tmp_path: Path,
) -> None:
    setup(tmp_path, *LAB)
    authority = secret(tmp_path, "ca.crt")
    setup(tmp_path, "--host", "images.example.org", "--yes")
    assert secret(tmp_path, "ca.crt") == authority
    assert settings(tmp_path)["PUBLIC_URL"] == "https://images.example.org"
    verify(tmp_path, "images.example.org")
    out, _ = setup(tmp_path, "--host", "images.example.net", "--yes")
    assert secret(tmp_path, "ca.crt") != authority
    assert "Users have to trust it" in out
    verify(tmp_path, "images.example.net")


def verify(folder: Path, host: str, *, certificate: str = "tls.crt") -> str:
    """What openssl says to the served certificate."""
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver"),
            *("-verify_hostname", host, "-CAfile", folder / "secrets/ca.crt"),
            folder / "secrets" / certificate,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def test_openssl_takes_the_private_authoritys_certificate_for_its_host_only(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    assert not verify(tmp_path, "registry.example.org")
    assert "hostname mismatch" in verify(tmp_path, "images.example.org")
    text = subprocess.check_output(
        ["openssl", "x509", "-in", tmp_path / "secrets/ca.crt", "-noout", "-text"], text=True
    )
    assert "DNS:example.org" in text.partition("Permitted")[2]
    assert "CA:TRUE, pathlen:0" in text


def test_the_authority_cannot_pose_as_hosts_of_other_domains(tmp_path: Path) -> None:
    from shub.operations.setup import certificates

    setup(tmp_path, *LAB)
    authority = certificates.Pair(secret(tmp_path, "ca.crt"), secret(tmp_path, "ca.key"))
    stolen = certificates.issue(authority, ["bank.example.com"])
    (tmp_path / "secrets/stolen.crt").write_text(stolen.certificate)
    assert "permitted subtree violation" in verify(
        tmp_path, "bank.example.com", certificate="stolen.crt"
    )


def test_a_renewed_certificate_has_a_new_key_and_the_same_authority(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    before = content(tmp_path)
    out, _ = setup(tmp_path, "--renew", "tls")
    after = content(tmp_path)
    assert {name for name in after if after[name][0] != before[name][0]} == {"tls.crt", "tls.key"}
    assert "--force-recreate nginx" in out
    verify(tmp_path, "registry.example.org")


def test_an_authoritys_key_may_lie_elsewhere_until_it_is_needed(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    key = tmp_path / "secrets/ca.key"
    key.rename(tmp_path / "elsewhere")
    assert "Nothing is new" in setup(tmp_path)[0]
    with pytest.raises(CommandError, match="put it back"):
        setup(tmp_path, "--renew", "tls")
    (tmp_path / "elsewhere").rename(key)
    setup(tmp_path, "--renew", "tls")


def test_a_renewed_word_is_another_and_the_rest_stays(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    before = content(tmp_path)
    out, _ = setup(tmp_path, "--renew", "postgres_password", "secret_key")
    after = content(tmp_path)
    changed = {name for name in after if after[name][0] != before[name][0]}
    assert changed == {"postgres_password", "secret_key", "database_url"}
    assert secret(tmp_path, "postgres_password") in secret(tmp_path, "database_url")
    assert "ALTER ROLE shub PASSWORD" in out


def test_a_secret_that_somebody_took_away_is_made_and_told_of(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    (tmp_path / "secrets/postgres_password").unlink()
    out, _ = setup(tmp_path)
    assert "secrets/postgres_password was not there" in out
    assert "ALTER ROLE shub PASSWORD" in out
    assert secret(tmp_path, "postgres_password") in secret(tmp_path, "database_url")


def test_what_cannot_be_read_or_written_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(CommandError, match="no text in UTF-8"):
        setup(tmp_path, *LAB)
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    with pytest.raises(CommandError, match="Is a directory"):
        setup(tmp_path, *LAB)
    with pytest.raises(CommandError, match="cannot be written to"):
        setup(tmp_path / "nowhere", *LAB)


def test_a_database_elsewhere_keeps_its_address(tmp_path: Path) -> None:
    url = authorities.write(tmp_path / "url", "postgresql://shub:word@pg.example.org/shub\n")
    setup(tmp_path, *LAB, "--secret", f"database_url={url}")
    setup(tmp_path, "--renew", "postgres_password")
    assert secret(tmp_path, "database_url") == "postgresql://shub:word@pg.example.org/shub"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--host", "localhost", "--tls", "own"], "ask its own machine"),
        (["--host", "https://a.example", "--tls", "own"], "without https://"),
        (["--host", "a.example/path", "--tls", "own"], "throw a path away"),
        (["--host", "a.example:8443", "--tls", "own"], "--port"),
        (["--host", "under_score.example", "--tls", "own"], "no host name"),
        (["--host", "10.0.0.256", "--tls", "own"], "no host name"),
        (["--host", "0.0.0.0", "--tls", "own"], "no address that users"),
        (["--host", "10.0.0.5", "--tls", "letsencrypt"], "whole internet"),
        (["--host", "registry", "--tls", "letsencrypt"], "whole internet"),
        ([*HOST, "--tls", "letsencrypt", "--http-port", "8080"], "at port 80"),
        ([*LAB, "--port", "0"], "--port must be"),
        ([*LAB, "--bind", "registry.example.org"], "--bind must be an address"),
        ([*LAB, "--bucket", "v2"], "--bucket"),
        ([*LAB, "--bucket", "library"], "is a word of the registry's own addresses"),
        ([*LAB, "--bucket", "Sregistry"], "lower case"),
        ([*LAB, "--administrator", "mara smith"], "--administrator"),
        ([*LAB, "--sign-in", "kerberos"], "--sign-in knows local"),
        ([*LAB, "--set", "OIDC_CLIENT_SECRET=word"], "--secret OIDC_CLIENT_SECRET=FILE"),
        ([*LAB, "--set", "OIDC_ISUER=https://a"], "no such setting"),
        ([*LAB, "--secret", "secret_key=/nowhere"], "No such file"),
        ([*LAB, "--renew", "everything"], "--renew: there is no everything"),
        ([*LAB, "--store", "garage", "--layout", "store-host", "--store-host", "a.b"], "minio"),
        ([*LAB, "--layout", "store-host", "--store-host", "registry.example.org",
          "--store-port", "443"], "a port of its own"),
        ([*HOST, "--tls", "own", "--certificate", "/nowhere", "--key", "/nowhere"], "/nowhere"),
        ([*HOST, "--tls", "own", "--certificate", "/nowhere"], "Give both"),
        ([*HOST, "--tls", "none", "--renew", "tls"], "no certificate made here"),
        ([*LAB, "--ca", "/nowhere"], "--ca names an authority of your own"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_written(
    tmp_path: Path, words: list[str], found: str
) -> None:
    with pytest.raises(CommandError, match=re.escape(found)):
        setup(tmp_path, *words)
    assert not (tmp_path / ".env").exists()
    assert {path.name for path in (tmp_path / "secrets").iterdir()} <= {".lock"}


@pytest.mark.parametrize("end", "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
def test_no_value_becomes_a_second_line_of_env(tmp_path: Path, end: str) -> None:
    with pytest.raises(CommandError, match="has one line"):
        setup(tmp_path, *HOST, "--tls", "none", "--name", f"ours{end}PASSWORD_LOGIN=false")
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--host", "10.0.0.5", "--tls", "private-ca"], "10.0.0.5 is an address"),
        ([*LAB, "--port", "8443"], "take no port in `remote add`"),
        ([*HOST, "--tls", "none"], "passwords and tokens are read"),
        (["--host", "127.0.0.1", "--tls", "none"], "Only this machine"),
    ],
)
def test_what_goes_badly_is_warned_of(tmp_path: Path, words: list[str], found: str) -> None:
    assert found in setup(tmp_path, *words)[1]


def test_an_address_as_host_is_in_the_certificate_as_one(tmp_path: Path) -> None:
    setup(tmp_path, "--host", "10.0.0.5", "--tls", "private-ca")
    done = subprocess.run(
        [
            *("openssl", "verify", "-verify_ip", "10.0.0.5", "-CAfile", "secrets/ca.crt"),
            "secrets/tls.crt",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([*LAB, "--port", "8443"],
         {"PUBLIC_URL": "https://registry.example.org:8443", "SHUB_HTTPS_PORT": "8443",
          "MINIO_EXTERNAL_SERVER": "registry.example.org:8443"}),
        ([*HOST, "--tls", "none", "--port", "8080"],
         {"PUBLIC_URL": "http://registry.example.org:8080", "SHUB_HTTP_PORT": "8080",
          "MINIO_EXTERNAL_SSL": "false",
          "COMPOSE_FILE": "docker-compose.yml:deploy/compose/plain-http.yml"}),
        ([*HOST, "--tls", "proxy", "--http-port", "8080"],
         {"PUBLIC_URL": "https://registry.example.org", "SHUB_HTTP_PORT": "8080",
          "MINIO_EXTERNAL_SSL": "true",
          "COMPOSE_FILE": "docker-compose.yml:deploy/compose/plain-http.yml"}),
        ([*HOST, "--tls", "letsencrypt", "--email", "mara@example.org"],
         {"ADMINISTRATOR_EMAIL": "mara@example.org",
          "COMPOSE_FILE": "docker-compose.yml:deploy/compose/letsencrypt.yml"}),
        ([*LAB, "--layout", "store-host", "--store-host", "store.example.org"],
         {"MINIO_EXTERNAL_SERVER": "store.example.org:9000", "SHUB_STORE_HOST": "store.example.org",
          "SHUB_CA_FILE": "./secrets/ca.crt",
          "COMPOSE_FILE": "docker-compose.yml:deploy/compose/store-host.yml"}),
        ([*LAB, "--store", "seaweedfs"],
         {"COMPOSE_FILE": "docker-compose.yml:deploy/compose/seaweedfs.yml"}),
    ],
)  # fmt: skip
def test_each_choice_is_written_as_compose_reads_it(
    tmp_path: Path, words: list[str], expected: dict[str, str]
) -> None:
    setup(tmp_path, *words)
    found = settings(tmp_path)
    assert {name: found.get(name) for name in expected} == expected
    assert "Nothing is new" in setup(tmp_path)[0]


def test_a_store_host_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    setup(tmp_path, *LAB, "--layout", "store-host", "--store-host", "store.example.org")
    assert not verify(tmp_path, "store.example.org", certificate="store-tls.crt")
    out, _ = setup(tmp_path, "--renew", "tls")
    assert "--force-recreate nginx" in out
    assert "--force-recreate minio" in out


def test_compose_files_that_somebody_added_stay(tmp_path: Path) -> None:
    setup(tmp_path, *HOST, "--tls", "none")
    env = tmp_path / ".env"
    env.write_text(env.read_text().replace("plain-http.yml", "plain-http.yml:mine.yml"))
    setup(tmp_path, "--tls", "private-ca", "--yes")
    assert settings(tmp_path)["COMPOSE_FILE"] == "docker-compose.yml:mine.yml"
    assert settings(tmp_path)["PUBLIC_URL"] == "https://registry.example.org"


def test_an_authority_that_signs_nothing_any_more_is_trusted_no_more(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    assert settings(tmp_path)["SHUB_CA_FILE"] == "./secrets/ca.crt"
    setup(tmp_path, "--tls", "proxy", "--yes")
    assert "SHUB_CA_FILE" not in settings(tmp_path)
    assert "Nothing is new" in setup(tmp_path)[0]


def test_the_authority_of_a_store_elsewhere_is_taken_over(tmp_path: Path) -> None:
    authority = authorities.write(tmp_path / "a.pem", authorities.make("a", authority=True).pem)
    word = authorities.write(tmp_path / "word", "correct horse\n")
    setup(
        tmp_path, *HOST, "--tls", "proxy", "--store", "external", "--store-server", "s3.lab:9000",
        "--ca", str(authority),
        "--secret", f"minio_root_user={word}", "--secret", f"minio_root_password={word}",
    )  # fmt: skip
    assert settings(tmp_path)["SHUB_CA_FILE"] == "./secrets/ca.crt"
    assert "Nothing is new" in setup(tmp_path)[0]
    assert settings(tmp_path)["SHUB_CA_FILE"] == "./secrets/ca.crt"


def test_garage_gets_keys_in_its_own_form(tmp_path: Path) -> None:
    setup(tmp_path, *LAB, "--store", "garage")
    assert re.fullmatch(r"GK[0-9a-f]{24}", secret(tmp_path, "minio_root_user"))
    assert re.fullmatch(r"[0-9a-f]{64}", secret(tmp_path, "minio_root_password"))
    assert "Nothing is new" in setup(tmp_path)[0]


def test_a_store_elsewhere_gives_its_keys_and_none_is_invented(tmp_path: Path) -> None:
    words = [*LAB, "--store", "external", "--store-server", "s3.example.com"]
    with pytest.raises(CommandError, match="--secret minio_root_user=FILE") as caught:
        setup(tmp_path, *words)
    assert caught.value.returncode == 2
    user = authorities.write(tmp_path / "user", "AKIA\n")
    word = authorities.write(tmp_path / "word", "correct horse\n")
    setup(
        tmp_path, *words,
        "--secret", f"minio_root_user={user}", "--secret", f"minio_root_password={word}",
    )  # fmt: skip
    assert secret(tmp_path, "minio_root_user") == "AKIA"
    assert secret(tmp_path, "minio_upload_access_key") == ""
    found = settings(tmp_path)
    assert found["MINIO_EXTERNAL_SERVER"] == found["MINIO_SERVER"] == "s3.example.com"
    assert found["COMPOSE_FILE"].endswith(":deploy/compose/external-store.yml")
    assert "Nothing is new" in setup(tmp_path)[0]


# ── signing in ──


def oidc(folder: Path) -> list[str]:
    word = authorities.write(folder / "word", "correct horse\n")
    return [
        *("--sign-in", "oidc", "--set", "OIDC_ISSUER=https://sso.example.org"),
        *("--set", "OIDC_CLIENT_ID=registry", "--secret", f"OIDC_CLIENT_SECRET={word}"),
    ]


def test_a_providers_settings_are_written_and_its_secret_is_handed_to_the_processes(
    tmp_path: Path,
) -> None:
    out, _ = setup(tmp_path, *LAB, *oidc(tmp_path))
    assert "https://registry.example.org/account/with/oidc/back" in out
    found = settings(tmp_path)
    assert found["OIDC_ISSUER"] == "https://sso.example.org"
    assert "correct horse" not in (tmp_path / ".env").read_text()
    assert secret(tmp_path, "oidc_client_secret") == "correct horse"
    assert found["COMPOSE_FILE"].endswith(":secrets/compose.yml")
    compose = secret(tmp_path, "compose.yml")
    assert compose.count("OIDC_CLIENT_SECRET_FILE: /run/secrets/oidc_client_secret") == 3
    assert "Nothing is new" in setup(tmp_path)[0]


def test_a_provider_that_is_given_up_leaves_no_half_client(tmp_path: Path) -> None:
    setup(tmp_path, *LAB, *oidc(tmp_path))
    setup(tmp_path, "--sign-in", "local", "--yes")
    assert not [name for name in settings(tmp_path) if name.startswith("OIDC")]
    assert settings(tmp_path)["COMPOSE_FILE"] == "docker-compose.yml"


def test_a_secret_that_is_put_into_the_folder_is_handed_on(tmp_path: Path) -> None:
    setup(tmp_path, *LAB)
    (tmp_path / "secrets/email_host_password").write_text("word\n")
    setup(tmp_path, "--yes")
    assert "EMAIL_HOST_PASSWORD_FILE" in secret(tmp_path, "compose.yml")


def test_half_a_provider_is_asked_for_by_its_flags(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="OIDC_CLIENT_ID") as caught:
        setup(tmp_path, *LAB, "--sign-in", "oidc")
    assert caught.value.returncode == 2
    assert "--secret OIDC_CLIENT_SECRET=FILE" in str(caught.value)


def test_active_directory_has_its_attributes_and_the_image_its_library(tmp_path: Path) -> None:
    word = authorities.write(tmp_path / "word", "correct horse\n")
    setup(
        tmp_path, *LAB, "--sign-in", "active-directory",
        "--set", "LDAP_SERVER_URI=ldaps://dc1.example.org",
        "--set", "LDAP_USER_BASE=OU=People,DC=example,DC=org",
        "--set", "LDAP_BIND_DN=registry@example.org",
        "--secret", f"LDAP_BIND_PASSWORD={word}",
    )  # fmt: skip
    found = settings(tmp_path)
    assert found["LDAP_USER_FILTER"].startswith("(&(sAMAccountName=%(user)s)(!(")
    assert found["SHUB_EXTRAS"] == "saml ldap"
    assert "Nothing is new" in setup(tmp_path)[0]


# ── a process of its own ──

# Nothing of shub's settings, and a terminal's absence.
BARE = {"PATH": os.environ["PATH"]}


def manage(*words: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "setup", *words],
        cwd=ROOT,
        env=BARE,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_needs_no_settings_and_ends_with_a_status(tmp_path: Path) -> None:
    folder = ["--folder", str(tmp_path)]
    missing = manage(*folder)
    assert missing.returncode == 2
    assert "--host, --tls own|private-ca|letsencrypt|proxy|none" in missing.stderr
    assert manage(*folder, *LAB, "--port", "x").returncode == 1
    assert manage(*folder, *LAB).returncode == 0
    assert manage(*folder, "--bind", "127.0.0.1").returncode == 1
    assert manage("--nonsense").returncode == 2
    assert "examples" in manage("--help").stdout


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "setup", "--folder", str(tmp_path)],
        cwd=ROOT,
        env={**BARE, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, b"https://wrong\nregistry.example.org\nprivate-ca\nmara\n\n\ny\n")
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:
        pass  # the terminal closes with its process
    assert process.wait(timeout=30) == 0, said
    os.close(ours)
    text = said.decode()
    assert "without https://" in text
    assert settings(tmp_path)["ADMINISTRATOR"] == "mara"
    assert secret(tmp_path, "administrator_password") in text


KILLED = '''
import os, signal, sys
from io import StringIO
from pathlib import Path
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "shub.settings"
django.setup()
from django.core.management import call_command
from shub.operations.setup import certificates, writing

def run(folder, *words):
    call_command("setup", *words, "--folder", str(folder), stdout=StringIO(), stderr=StringIO())

def killed_at(line, folder, *words):
    """Whether a run was killed when it came to that line of writing.py, counted."""
    child = os.fork()
    if child == 0:
        left = line
        def trace(frame, event, argument):
            nonlocal left
            if frame.f_code.co_filename != writing.__file__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        run(folder, *words)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def is_whole(folder):
    secrets = folder / "secrets"
    for path in secrets.iterdir() if secrets.exists() else ():
        if path.is_file() and not path.name.startswith("."):
            text = path.read_text()
            assert text.endswith("\\n") and len(text) > 10, path
            assert path.stat().st_mode & 0o777 in (0o444, 0o400), path
    if (folder / ".env").exists():
        assert (folder / ".env").read_text().endswith("\\n")

first = ("--host", "registry.example.org", "--tls", "private-ca")
renewed = ("--renew", "tls", "postgres_password")
root = Path(sys.argv[1])
step = int(sys.argv[2])
line = kills = 1
while True:
    folder = root / str(line)
    folder.mkdir()
    killed = killed_at(line, folder, *first)
    is_whole(folder)
    run(folder, *first)
    is_whole(folder)
    killed |= killed_at(line, folder, *renewed)
    is_whole(folder)
    run(folder)
    secrets = folder / "secrets"
    read = lambda name: (secrets / name).read_text()
    assert certificates.belongs(certificates.Pair(read("tls.crt"), read("tls.key"))), line
    assert read("postgres_password").strip() in read("database_url"), line
    assert not [path for path in secrets.iterdir() if path.name in (".new", ".ready")], line
    assert "COMPOSE_FILE=" in (folder / ".env").read_text()
    if not killed:
        break
    kills += 1
    line += step
print(kills)
'''


def test_killed_between_any_two_lines_it_leaves_no_half_and_the_next_run_completes(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), "7"],
        cwd=ROOT,
        env={**BARE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_a_second_set_up_at_the_same_time_waits_for_nothing_and_writes_nothing(
    tmp_path: Path,
) -> None:
    from shub.operations.setup.writing import Deployment

    with Deployment(tmp_path).held(), pytest.raises(CommandError, match="Another set-up"):
        setup(tmp_path, *LAB)
