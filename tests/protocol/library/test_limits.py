"""Limits: bad tokens and searches are bounded, and nothing else is ever caught."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shub.audit.models import Event
from shub.storage import ObjectStore
from tests.described import description
from tests.factories import Person
from tests.protocol.library.scene import PATH, Pushed
from tests.sif_files import sif_bytes
from tests.wire import Answer, Wire, fetch, wire

pytestmark = pytest.mark.django_db

# It has a token's form, and is nobody's.
UNKNOWN = "shub_" + "0" * 213 + "4dFc2z"
BAD = [UNKNOWN, "shub_" + "0" * 219, "x", "é", "a b"]

AMOUNT = 3
AN_HOUR = 3600


@pytest.fixture(autouse=True)
def _low_limits(settings: Any) -> None:
    settings.LIMIT_BAD_TOKENS = (AMOUNT, AN_HOUR)
    settings.LIMIT_ANONYMOUS_SEARCHES = (AMOUNT, AN_HOUR)
    settings.LIMIT_USER_SEARCHES = (2 * AMOUNT, AN_HOUR)


def at(address: str, token: str = "", **options: Any) -> Wire:
    """A client at this address."""
    http = Client(raise_request_exception=False, REMOTE_ADDR=address, **options)
    return Wire(token=token, http=http)


def guess(client: Wire, count: int, target: str = "/v1/entities/mara") -> list[int]:
    return [client.get(target).status for _ in range(count)]


def assert_says_when(answer: Answer) -> None:
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= AN_HOUR
    assert f"Try again in {answer.headers['Retry-After']} seconds" in answer.message


@pytest.mark.parametrize("token", BAD)
def test_bad_tokens_are_refused_by_address_after_some(mara: Person, token: str) -> None:
    client = at("192.0.2.1", token)
    assert guess(client, AMOUNT) == [401] * AMOUNT
    assert_says_when(client.get("/v1/entities/mara"))
    assert guess(at("192.0.2.2", token), 1) == [401]


def test_every_door_that_tells_a_good_token_from_a_bad_one_counts(mara: Person) -> None:
    doors = ["/v1/token-status", "/v1/rbac/users/current", "/v1/images/a/b/c:d"]
    statuses = [at("192.0.2.1", UNKNOWN).get(door).status for door in doors]
    assert statuses == [404, 401, 401]
    for door in doors:
        assert_says_when(at("192.0.2.1", UNKNOWN).get(door))


def test_a_good_token_is_never_caught_wherever_bad_ones_come_from(
    pushed: Pushed, otto: Person
) -> None:
    guess(at("192.0.2.1", UNKNOWN), AMOUNT + 1)
    for token in (pushed.owner.token_text, otto.token_text):
        good = at("192.0.2.1", token)
        assert guess(good, 20) == [200] * 20
        assert good.get("/v1/token-status").status == 200
        assert good.get(f"/v1/imagefile/{PATH}:latest?arch=amd64").status == 303
    assert at("192.0.2.1").get(f"/v1/images/{PATH}:latest?arch=amd64").status == 200
    assert at("192.0.2.1").get("/v1/token-status").status == 404


def test_pushes_and_pulls_without_number_are_not_caught(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    for seed in range(2 * AMOUNT):
        wire(mara).push(PATH, sif_bytes(seed=seed), "latest")
        for client in (wire(mara), wire()):
            answer = client.get(f"/v1/imagefile/{PATH}:latest?arch=amd64")
            assert fetch(answer.headers["Location"]).body == sif_bytes(seed=seed)


def test_where_an_answer_would_be_written_into_an_image_nothing_is_limited(pushed: Pushed) -> None:
    guesser = at("192.0.2.1", UNKNOWN)
    assert guess(guesser, 4 * AMOUNT, f"/v1/imagefile/{PATH}:latest") == [401] * (4 * AMOUNT)
    assert guess(guesser, AMOUNT) == [401] * AMOUNT
    assert guesser.get("/v1/entities/mara").status == 429
    assert guess(guesser, 2, f"/v1/imagefile/{PATH}:latest") == [401, 401]
    assert guess(guesser, 2, f"/v1//imagefile//{PATH}:latest") == [401, 401]
    for operation in description()["paths"]["/v1/imagefile/{ref}"].values():
        assert "429" not in operation["responses"]


def test_a_good_token_costs_no_query_of_a_limit(mara: Person) -> None:
    good = at("192.0.2.1", mara.token_text)
    good.get("/v1/rbac/users/current")
    with CaptureQueriesContext(connection) as asked:
        good.get("/v1/rbac/users/current")
    assert len(asked) == 1
    assert "cache_entry" not in asked[0]["sql"]


def test_searches_are_limited_by_address_or_by_user_who_has_more(
    mara: Person, otto: Person
) -> None:
    target = "/v1/search?value=gcc"
    stranger = at("192.0.2.1")
    assert guess(stranger, AMOUNT, target) == [200] * AMOUNT
    assert_says_when(stranger.get(target))
    assert at("192.0.2.2").get(target).status == 200
    for number in range(2 * AMOUNT):
        assert at(f"192.0.2.{number}", mara.token_text).get(target).status == 200
    assert_says_when(at("192.0.2.99", mara.token_text).get(target))
    assert at("192.0.2.99", otto.token_text).get(target).status == 200
    assert at("192.0.2.1", mara.token_text).get("/v1/entities/mara").status == 200


def test_an_amount_of_0_is_no_limit(mara: Person, settings: Any) -> None:
    settings.LIMIT_BAD_TOKENS = settings.LIMIT_ANONYMOUS_SEARCHES = (0, 1)
    assert guess(at("192.0.2.1", UNKNOWN), 10) == [401] * 10
    assert guess(at("192.0.2.1"), 10, "/v1/search?value=gcc") == [200] * 10


def test_a_limit_ends_with_its_period(mara: Person, settings: Any) -> None:
    settings.LIMIT_BAD_TOKENS = (AMOUNT, 1)
    client = at("192.0.2.1", UNKNOWN)
    guess(client, AMOUNT)
    answer = client.get("/v1/entities/mara")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1.1)")
    assert guess(client, 1) == [401]


def test_another_address_in_a_header_is_not_another_client(mara: Person, settings: Any) -> None:
    def forwarding(claimed: str, peer: str = "192.0.2.1") -> Wire:
        return at(peer, UNKNOWN, HTTP_X_FORWARDED_FOR=claimed)

    for number in range(AMOUNT):
        assert guess(forwarding(f"198.51.100.{number}"), 1) == [401]
    assert guess(forwarding("198.51.100.99"), 1) == [429]
    settings.TRUSTED_PROXIES = ["192.0.2.1"]
    assert guess(forwarding("198.51.100.1, 203.0.113.1"), AMOUNT) == [401] * AMOUNT
    assert guess(forwarding("198.51.100.2, 203.0.113.1"), 1) == [429]
    assert guess(forwarding("203.0.113.2"), 1) == [401]


def test_the_addresses_of_one_64_are_one_client(mara: Person) -> None:
    for number in range(AMOUNT):
        assert guess(at(f"2001:db8::{number + 1}", UNKNOWN), 1) == [401]
    assert guess(at("2001:db8::ffff", UNKNOWN), 1) == [429]
    assert guess(at("2001:db8:0:1::1", UNKNOWN), 1) == [401]


@pytest.mark.django_db(transaction=True)
def test_of_many_threads_exactly_as_many_pass_as_may(mara: Person, settings: Any) -> None:
    settings.LIMIT_BAD_TOKENS = (10, AN_HOUR)

    def one(_: int) -> int:
        try:
            return at("192.0.2.1", UNKNOWN).get("/v1/entities/mara").status
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(one, range(20)))
    assert sorted(statuses) == [401] * 10 + [429] * 10


def test_where_a_token_is_used_from_is_where_its_client_is(mara: Person, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["192.0.2.1"]
    forwarded = {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.1"}
    assert guess(at("192.0.2.1", mara.token_text, **forwarded), 1) == [200]
    mara.token.refresh_from_db()
    assert mara.token.last_used_from == "203.0.113.1"
    browser = Client(REMOTE_ADDR="192.0.2.1", **forwarded)
    browser.force_login(mara.user)
    browser.post(f"/auth/tokens/{mara.token.public_id}/revoke")
    assert Event.objects.get(action="token.revoked").address == "203.0.113.1"
