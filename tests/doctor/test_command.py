"""The command and the page: the report of a healthy registry, statuses, bounds, and the probe."""

import json
import time
from typing import Any

import pytest
from django.core import signing
from django.core.cache import cache
from django.test import Client

from shub.operations.doctor import page, probe
from shub.operations.doctor.checks import CHECKS
from shub.operations.doctor.finding import DIAGNOSES, Finding, State, worst
from shub.operations.doctor.options import Options
from tests.doctor import proxies
from tests.doctor.conftest import Patient
from tests.doctor.test_inside import standing_still
from tests.factories import Person, make_auditor
from tests.web.reading import text_of

NAMES = [check.name for check in CHECKS]


def resolved(proxy: str = "well") -> tuple[str, str]:
    """The option by which doctor goes by this proxy."""
    return "--resolve", f"{proxies.HOST}:{proxies.address_of(proxy)}"


def test_a_healthy_registry_has_no_finding_and_no_secret_is_told(patient: Patient) -> None:
    done = patient.command("--json", *resolved())
    report = json.loads(done.stdout)
    wrong = [each for each in report["findings"] if each["state"] not in {"ok", "skipped"}]
    assert not wrong
    assert (done.returncode, report["state"], done.stderr) == (0, "ok", "")
    assert [each["check"] for each in report["findings"]] == NAMES
    skipped = [each["check"] for each in report["findings"] if each["state"] == "skipped"]
    assert skipped == ["mail", "sign-in"]
    secrets = [value for name, value in patient.environment.items() if "SECRET" in name]
    assert len(secrets) == 3
    assert not [each for each in secrets if each in done.stdout]


def test_warnings_end_with_1_and_faults_with_2_each_with_its_remedy(patient: Patient) -> None:
    done = patient.command("--only", "certificates", *resolved("soon"))
    assert done.returncode == 1
    assert "certificate-expires-soon" in done.stdout
    assert "do: Renew the certificate" in done.stdout
    done = patient.command("--only", "certificates", "--only", "address", *resolved("expired"))
    assert done.returncode == 2
    assert done.stdout.count("fault ") == 2
    assert "\x1b" not in done.stdout, "no colours in a pipe"
    assert not done.stderr


def test_misuse_is_told_apart_from_findings(patient: Patient) -> None:
    assert patient.command("--only", "nothing").returncode == 2
    assert patient.command("--body-bytes", "0").returncode == 64


# ── the page ──
@pytest.fixture
def briefly(within: Patient, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's examination goes by the sound proxy, and no longer than so many seconds."""

    def set_up(seconds: float, proxy: str = "well") -> None:
        options = Options(
            resolve={proxies.HOST: proxies.address_of(proxy)},
            body_bytes=1024,
            answer_seconds=min(seconds, 5),
            total_seconds=seconds,
        )
        monkeypatch.setattr(page, "brief", lambda: options)

    return set_up


def browser_of(person: Person) -> Client:
    """Signed in, at a host that the registry answers to."""
    browser = person.browser
    browser.defaults["SERVER_NAME"] = "127.0.0.1"
    return browser


@pytest.mark.django_db(transaction=True)
def test_the_page_shows_the_last_report_to_administrators_and_auditors(
    briefly: Any, administrator: Person
) -> None:
    briefly(25, "other host to the store")
    browser, auditor = browser_of(administrator), browser_of(make_auditor())
    assert "Nothing has been looked at yet." in text_of(browser.get("/admin-area/doctor"))
    assert browser.post("/admin-area/doctor").status_code == 302
    for each in (browser, auditor):
        shown = text_of(each.get("/admin-area/doctor"))
        assert "proxy_set_header Host $http_host" in shown
    assert auditor.post("/admin-area/doctor").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_the_page_ends_in_its_time_whatever_stands_still(
    briefly: Any, administrator: Person, patient: Patient
) -> None:
    briefly(2)
    with standing_still(patient, "web"):
        began = time.monotonic()
        browser_of(administrator).post("/admin-area/doctor")
        assert time.monotonic() - began < 20
    report = page.last()
    assert report is not None
    assert len(report.findings) >= len(CHECKS)
    assert {"not-finished", "address-no-answer"} & {each.code for each in report.wrong}
    time.sleep(2)  # what was given up ends by itself


def test_one_examination_at_a_time(briefly: Any, administrator: Person) -> None:
    cache.set(page.UNDER_WAY, True, 60)
    answer = browser_of(administrator).post("/admin-area/doctor", follow=True)
    assert "An examination is under way." in text_of(answer)
    assert page.last() is None


# ── the probe ──
@pytest.mark.django_db
def test_the_probe_answers_a_good_word_once_and_is_not_there_for_others() -> None:
    client = Client()
    absent = client.get("/-/nothing")
    word = probe.word()
    told = client.get(probe.PATH, headers={probe.HEADER: word})
    assert told.status_code == 200
    assert told.json()["peer"] == "127.0.0.1"
    for headers in (
        {},
        {probe.HEADER: word},
        {probe.HEADER: "x"},
        {probe.HEADER: signing.dumps(["nonce", 0], salt="another")},
        {probe.HEADER: signing.dumps(["nonce", 0], salt=probe.SALT, key="of another registry")},
    ):
        answer = client.get(probe.PATH, headers=headers)
        assert answer.status_code == absent.status_code == 404
        assert "peer" not in answer.content.decode()


@pytest.mark.django_db
def test_a_word_is_good_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    word = probe.word()
    later = time.time() + probe.LIFE_SECONDS + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert Client().get(probe.PATH, headers={probe.HEADER: word}).status_code == 404


@pytest.mark.django_db
def test_the_probe_tells_no_value_of_a_setting(settings: Any) -> None:
    settings.MINIO_SECRET_KEY = "not-to-be-told"
    answer = Client().get(probe.PATH, headers={probe.HEADER: probe.word()})
    assert "not-to-be-told" not in answer.content.decode()
    marks = answer.json()["settings"]
    settings.MINIO_SECRET_KEY = "another"
    assert probe.settings_seen()["MINIO_SECRET_KEY"] != marks["MINIO_SECRET_KEY"]


# ── the words ──
def test_a_report_is_as_bad_as_its_worst_finding() -> None:
    found = [Finding(State.SKIPPED, ""), Finding(State.OK, ""), Finding(State.WARNING, "")]
    assert worst(found) is State.WARNING
    assert worst(found[:2]) is State.OK


def test_every_diagnosis_has_a_remedy_in_whole_sentences() -> None:
    assert len(DIAGNOSES) > 60
    for code, each in DIAGNOSES.items():
        assert code == code.lower()
        assert each.state in {State.WARNING, State.FAULT}
        for words in (str(each.means), str(each.remedy)):
            assert words.strip(), code
            assert "!" not in words, code
