"""What the deployed nginx.conf lets through, what it takes away, and what it keeps to itself."""

import ssl
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.clients import live as registry
from tests.clients import obtain
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import have
from tests.clients.outcome import assert_done
from tests.deployment import front as fronts
from tests.deployment.front import HOST, Behind, Front
from tests.servers import free_hosts
from tests.sif_files import digest_of, write_sif

MIB = 1 << 20

KEY = "blobs/5f/" + "5f" * 32 + ".0123456789abcdef01234567"
OBJECT = f"/sregistry/{KEY}"
SIGNATURE = "0123456789abcdef" * 4
SIGNED = f"{OBJECT}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Signature={SIGNATURE}"


# ── what reaches the store ──


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_presigned_address_reaches_the_store_word_for_word(
    front: Front, web: Behind, store: Behind, method: str
) -> None:
    answer, _ = front.ask(method, SIGNED, body=b"part" if method == "PUT" else None)
    assert answer.status == 200
    (asked,) = store.asked
    assert (asked.method, asked.address) == (method, SIGNED)
    # With the port: it is what was signed.
    assert asked.headers["host"] == f"{HOST}:{front.port}"
    assert not web.asked


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS"])
def test_no_other_method_reaches_the_store(
    front: Front, web: Behind, store: Behind, method: str
) -> None:
    answer, _ = front.ask(method, SIGNED)
    assert answer.status == 403
    assert not store.asked
    assert not web.asked


@pytest.mark.parametrize(
    "address",
    [
        OBJECT,
        f"{OBJECT}?x-id=GetObject",
        f"{OBJECT}?X-Amz-Signature=",
        f"{OBJECT}?other-X-Amz-Signature={SIGNATURE}",
        f"{OBJECT}?acl",
    ],
)
def test_an_object_without_a_signature_is_refused_here(
    front: Front, store: Behind, address: str
) -> None:
    answer, _ = front.ask("GET", address)
    assert answer.status == 403
    assert not store.asked


@pytest.mark.parametrize(
    "address",
    [
        f"/?X-Amz-Signature={SIGNATURE}",
        f"/sregistry?X-Amz-Signature={SIGNATURE}",
        f"/sregistry/?list-type=2&X-Amz-Signature={SIGNATURE}",
        f"/sregistry/notes.txt?X-Amz-Signature={SIGNATURE}",
        f"/sregistry/blobs/?X-Amz-Signature={SIGNATURE}",
        f"{OBJECT}/more?X-Amz-Signature={SIGNATURE}",
        f"/minio/admin/v3/info?X-Amz-Signature={SIGNATURE}",
        f"/minio/health/live?X-Amz-Signature={SIGNATURE}",
    ],
)
def test_what_is_no_object_is_the_registrys_to_answer(
    front: Front, web: Behind, store: Behind, address: str
) -> None:
    front.ask("GET", address)
    assert not store.asked
    assert len(web.asked) == 1


def test_a_way_around_by_dots_leads_to_no_other_object(front: Front, store: Behind) -> None:
    front.ask("GET", f"/x/../minio/admin/v3/info?X-Amz-Signature={SIGNATURE}")
    front.ask("GET", f"{OBJECT}/../../../../minio/admin?X-Amz-Signature={SIGNATURE}")
    front.ask("GET", f"/-/store/..%2fsregistry/{KEY}?X-Amz-Signature={SIGNATURE}")
    assert not store.asked


@pytest.mark.parametrize(
    "written",
    [
        f"/minio/admin/v3/../../..{OBJECT}",
        f"/minio/%2e%2e{OBJECT}",
        f"/minio/..%2f{OBJECT[1:]}",
        f"//{OBJECT[1:].replace('blobs/', 'blobs//./')}",
    ],
)
def test_the_store_is_asked_for_what_nginx_understood_and_for_nothing_else(
    front: Front, store: Behind, written: str
) -> None:
    front.ask("GET", f"{written}?X-Amz-Signature={SIGNATURE}")
    (asked,) = store.asked
    assert asked.address == f"{OBJECT}?X-Amz-Signature={SIGNATURE}"


def test_of_the_headers_only_those_of_a_transfer_reach_the_store(
    front: Front, store: Behind
) -> None:
    sent = {
        "Authorization": "Bearer shub_0123",
        "Cookie": "__Host-sessionid=secret",
        "X-Amz-Copy-Source": "/sregistry/blobs/other",
        "X-Amz-Security-Token": "word",
        "X-Amz-Acl": "public-read",
        "Content-Type": "text/html",
        "X-Forwarded-For": "192.0.2.1",
        "Referer": "https://registry.example.org/private",
        "X-Amz-Content-Sha256": "5f" * 32,
        "Range": "bytes=0-3",
        "If-Range": '"etag"',
    }
    answer, _ = front.ask("PUT", SIGNED, sent, b"part")
    assert answer.status == 200
    (asked,) = store.asked
    assert set(asked.headers) == {
        *("host", "content-length", "x-amz-content-sha256", "range", "if-range"),
    }
    assert asked.body == b"part"


def test_what_the_store_says_cannot_act_in_the_name_of_the_pages(
    front: Front, store: Behind
) -> None:
    store.headers = {
        "Content-Type": "text/html",
        "Set-Cookie": "__Host-sessionid=mine; Secure; Path=/",
        "X-Accel-Redirect": "/metrics",
        "Content-Security-Policy": "default-src *",
        "Strict-Transport-Security": "max-age=0",
        "ETag": '"0123"',
        "Accept-Ranges": "bytes",
    }
    answer, body = front.ask("GET", SIGNED)
    assert body == b"answered"
    assert answer.headers.get_all("Set-Cookie") is None
    assert answer.headers.get_all("Strict-Transport-Security") is None
    assert answer.headers.get_all("Content-Security-Policy") == ["default-src 'none'; sandbox"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["ETag"] == '"0123"'


def test_a_refusal_of_the_stores_is_as_harmless(front: Front, store: Behind) -> None:
    store.status = 403
    answer, _ = front.ask("GET", SIGNED)
    assert answer.status == 403
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# ── what is kept ──


def test_the_bytes_of_a_push_go_on_as_they_come_and_none_are_kept(
    front: Front, store: Behind
) -> None:
    connection = front.connection()
    connection.putrequest("PUT", SIGNED)
    connection.putheader("Content-Length", str(40 * MIB))
    connection.endheaders()
    connection.send(b"x" * MIB)
    assert store.arriving.wait(10), "nothing arrives before all is sent"
    for _ in range(39):
        connection.send(b"x" * MIB)
    assert not front.kept
    assert connection.getresponse().status == 200
    connection.close()
    assert len(store.asked[0].body) == 40 * MIB
    assert not front.kept


def test_the_bytes_of_a_pull_go_on_as_they_come_and_none_are_kept(
    front: Front, store: Behind
) -> None:
    store.body, store.goes_on = b"y" * (40 * MIB), threading.Event()
    connection = front.connection()
    connection.request("GET", SIGNED)
    answer = connection.getresponse()
    assert len(answer.read(1024)) == 1024, "nothing comes before all is here"
    store.goes_on.set()
    # The client is slow: what it has not taken yet waits at the store.
    threading.Event().wait(0.5)
    assert not front.kept
    assert len(answer.read()) == 40 * MIB - 1024
    connection.close()


def test_a_large_body_to_the_registry_is_not_kept_either(front: Front, web: Behind) -> None:
    answer, _ = front.ask("POST", "/v1/imagefile/5f5f", body=b"z" * (8 * MIB))
    assert answer.status == 200
    assert len(web.asked[0].body) == 8 * MIB
    assert not front.kept


def test_a_request_that_is_not_whole_does_not_reach_the_registry(front: Front, web: Behind) -> None:
    connection = front.connection()
    connection.putrequest("POST", "/account/sign-in")
    connection.putheader("Content-Length", "200000")
    connection.endheaders()
    connection.send(b"x" * 150_000)
    # Else it would hold a thread there, and a dozen of them would hold all.
    assert not web.arriving.wait(1)
    connection.send(b"x" * 50_000)
    assert connection.getresponse().status == 200
    connection.close()
    assert len(web.asked[0].body) == 200_000


def test_a_body_that_the_registry_would_not_read_is_refused_before_it_is_sent(
    front: Front, web: Behind
) -> None:
    connection = front.connection()
    connection.putrequest("POST", "/account/sign-in")
    connection.putheader("Content-Length", str(6 * MIB))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert not web.asked


def test_an_answer_of_the_registrys_that_a_client_is_slow_to_take_is_not_kept(
    front: Front, web: Behind
) -> None:
    web.body = b"y" * (40 * MIB)
    connection = front.connection()
    connection.request("GET", "/v1/imagefile/a/b/c:1")
    answer = connection.getresponse()
    answer.read(1024)
    threading.Event().wait(0.5)
    assert not front.kept
    assert len(answer.read()) == 40 * MIB - 1024
    connection.close()


# ── what the registry is told ──


def test_the_registry_is_told_who_asks_and_nobody_can_say_otherwise(
    front: Front, web: Behind
) -> None:
    lies = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "192.0.2.1",
        "Forwarded": "for=192.0.2.1",
        "X-Request-ID": "chosen-by-a-client",
        "Proxy": "http://evil.example",
    }
    front.ask("GET", "/", lies)
    (asked,) = web.asked
    assert asked.headers["host"] == f"{HOST}:{front.port}"
    assert asked.headers["x-forwarded-for"] == "127.0.0.1"
    assert asked.headers["x-forwarded-proto"] == "https"
    for name in ("x-forwarded-host", "x-real-ip", "forwarded", "proxy"):
        assert name not in asked.headers
    assert asked.headers["x-request-id"] == front.log(1)[-1]["request_id"]


def test_a_token_and_a_session_reach_the_registry(front: Front, web: Behind) -> None:
    front.ask("GET", "/v1/entities/a", {"Authorization": "Bearer x", "Cookie": "a=b"})
    assert web.asked[0].headers["authorization"] == "Bearer x"
    assert web.asked[0].headers["cookie"] == "a=b"


def test_nginx_fetches_from_the_store_what_the_registry_hands_it(
    front: Front, web: Behind, store: Behind
) -> None:
    web.headers = {
        "X-Accel-Redirect": f"/-/store/sregistry/{KEY}?X-Amz-Signature={SIGNATURE}",
        "Content-Type": "application/octet-stream",
    }
    store.status, store.headers = 206, {"Content-Range": "bytes 0-7/99", "Set-Cookie": "a=b"}
    sent = {"Range": "bytes=0-7", "Authorization": "Bearer x", "Cookie": "a=b"}
    answer, body = front.ask("GET", "/v1/imagefile/a/b/c:1", sent)
    assert (answer.status, body) == (206, b"answered")
    assert answer.headers.get_all("Set-Cookie") is None
    (asked,) = store.asked
    assert asked.address == SIGNED.partition("?")[0] + f"?X-Amz-Signature={SIGNATURE}"
    assert set(asked.headers) == {"host", "range"}
    assert asked.headers["host"] == store.host


def test_nobody_gets_at_that_way_to_the_store_from_outside(
    front: Front, web: Behind, store: Behind
) -> None:
    answer, _ = front.ask("GET", f"/-/store{SIGNED}")
    assert answer.status == 404
    assert not store.asked
    assert not web.asked


# ── what is for nobody ──


def test_figures_are_for_nobody_but_those_whom_the_site_names(web: Behind, store: Behind) -> None:
    for site, status in (({}, 403), ({"metrics.conf": "allow 127.0.0.1;\n"}, 200)):
        with fronts.running(web=web.host, store=store.host, site=site) as front:
            for address in ("/metrics", "//metrics", "/./metrics"):
                assert front.ask("GET", address)[0].status == status
    assert len(web.asked) == 3


def test_no_query_is_in_a_log(front: Front, web: Behind, store: Behind) -> None:
    front.ask("GET", SIGNED)
    front.ask("GET", "/account/with/oidc/back?code=told-once&state=secret")
    front.ask("POST", SIGNED)
    assert [line["address"] for line in front.log(3)] == [
        OBJECT,
        "/account/with/oidc/back",
        OBJECT,
    ]
    for secret in (SIGNATURE, "X-Amz", "told-once", "secret"):
        assert secret not in front.said


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/account/register/words-of-ours", "/account/register/..."),
        ("/account/invitations/words-of-ours", "/account/invitations/..."),
        ("/account/e-mail/words-of-ours:1", "/account/e-mail/..."),
        ("/account/password/forgotten/1-words-of-ours", "/account/password/forgotten/..."),
        # However it is written: the registry understands it all the same.
        ("//account/%72egister/words-of-ours?a=b", "/account/register/..."),
        ("/account/register", "/account/register"),
        ("/library/account/register/gcc", "/library/account/register/gcc"),
    ],
)
def test_no_address_that_opens_an_account_is_in_a_log(
    front: Front, web: Behind, address: str, told: str
) -> None:
    front.ask("GET", address)
    assert front.log(1)[0]["address"] == told
    assert "words-of-ours" not in front.said
    assert len(web.asked) == 1


def test_not_even_where_what_is_behind_is_gone() -> None:
    web, store = free_hosts(2)
    with fronts.running(web=web, store=store) as front:
        for address in (SIGNED, "/?code=told-once"):
            assert front.ask("GET", address)[0].status == 502
        # What happened is told, and no more.
        assert [line["answered"] for line in front.log(2)] == ["502", "502"]
        assert [line["from"] for line in front.log(2)] == [store, web]
        for secret in (SIGNATURE, "X-Amz", "told-once"):
            assert secret not in front.said


def test_each_line_of_the_log_is_json_whatever_a_client_writes(front: Front, web: Behind) -> None:
    front.ask("GET", '/a"b\\c', {"User-Agent": '"},{"x":"\x01'})
    assert front.log(1)[-1]["agent"].startswith('"},{"x":"')
    assert front.log(1)[-1]["status"] == 200


# ── how it is reached ──


def test_http_2_is_spoken_and_nothing_older_than_tls_1_2(front: Front) -> None:
    context = ssl.create_default_context(cafile=str(front.authority))
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = front.connection()
    connection._context = context  # type: ignore[attr-defined]
    connection.connect()
    assert connection.sock.selected_alpn_protocol() == "h2"
    connection.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(front.authority)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = front.connection()
    connection._context = old  # type: ignore[attr-defined]
    with pytest.raises(ssl.SSLError):
        connection.connect()


def test_plain_http_leads_to_https_and_a_post_stays_one(front: Front, web: Behind) -> None:
    connection = HTTPConnection(front.redirecting, timeout=5)
    connection.request("POST", "/sign-in?next=/a", b"", {"Host": "registry.test"})
    answer = connection.getresponse()
    assert answer.status == 308
    assert answer.headers["Location"] == "https://registry.test/sign-in?next=/a"
    connection.close()
    assert not web.asked


def test_an_authority_finds_its_challenge_by_plain_http(front: Front) -> None:
    challenge = front.folder / "acme/.well-known/acme-challenge/word"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("proof")
    for folder in (front.folder / "acme", *challenge.parents[:2]):
        folder.chmod(0o755)
    challenge.chmod(0o644)
    connection = HTTPConnection(front.redirecting, timeout=5)
    connection.request("GET", "/.well-known/acme-challenge/word")
    assert connection.getresponse().read() == b"proof"
    connection.close()


def test_without_tls_the_sites_own_proxy_says_how_users_came(web: Behind, store: Behind) -> None:
    site = {"server.conf": "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;\n"}
    with fronts.running(web=web.host, store=store.host, entrance="plain-http", site=site) as front:
        front.ask("GET", "/", {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"})
    assert web.asked[0].headers["x-forwarded-proto"] == "https"
    assert web.asked[0].headers["x-forwarded-for"] == "192.0.2.7"


# ── and all of it with a registry behind it ──


@pytest.mark.timeout(300)
def test_a_real_client_pushes_and_pulls_by_tls_through_it(
    request: pytest.FixtureRequest, tmp_path: fronts.Path
) -> None:
    program = have(request.config, obtain.apptainer)
    (listen,) = free_hosts(1)
    port = listen.rpartition(":")[2]
    settings = {
        "PUBLIC_URL": f"https://{HOST}:{port}",
        "MINIO_EXTERNAL_SERVER": f"{HOST}:{port}",
        "MINIO_EXTERNAL_SSL": "true",
        "MINIO_EXTERNAL_STRIPS_AUTHORIZATION": "true",
        "NGINX_STORE_LOCATION": "/-/store/",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    image, pulled = tmp_path / "image.sif", tmp_path / "pulled.sif"
    digest = write_sif(image, size=70 * MIB, seed=7)
    with registry.started(**settings) as live:
        store = urlsplit(live.store["endpoint"]).netloc
        with fronts.running(web=web_of(live), store=store, listen=listen) as front:
            cli = Apptainer(program, tmp_path / "home", authority=front.authority)
            cli.use_remote(f"https://{HOST}:{port}", token=live.token)
            ref = f"library://{live.entity}/front/image:1"
            assert_done(cli.run("push", "-U", image, ref))
            live.make_private("front")
            assert_done(cli.run("pull", "--disable-cache", pulled, ref))
            assert digest_of(pulled) == digest
            to_the_store = [
                line
                for line in front.log(1)
                if line["address"].startswith(f"/{live.store['bucket']}")
            ]
            assert {line["method"] for line in to_the_store} == {"PUT", "GET"}
            assert {line["status"] for line in to_the_store} <= {200, 206}
            assert "X-Amz" not in front.said
            assert not front.kept


def web_of(live: registry.Live) -> str:
    """HOST:PORT of the web server itself, which the ready file does not tell."""
    words = fronts.Path(f"/proc/{live.pids['web']}/cmdline").read_bytes().decode().split("\0")
    return words[words.index("--bind") + 1]
