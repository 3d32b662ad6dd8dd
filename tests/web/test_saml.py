"""Signing in by SAML, with pysaml2 as the identity provider."""

import base64
import copy
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from shub.accounts.models import User
from shub.uploads.sweeps import housekeeping
from tests.factories import Person
from tests.providers import leave_for

# pysaml2 uses what other packages have given up; that is no fault of ours.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]

BACK = "/account/with/saml/back"


@pytest.fixture
def saml(tmp_path: Path, settings: Any) -> Any:
    """A provider that knows this site by its metadata, and that this site knows by its key."""
    if not shutil.which("xmlsec1") and not os.environ.get("CI"):
        pytest.skip("xmlsec1 is not installed: apt install xmlsec1")
    from tests.saml_provider import Provider

    provider = Provider(tmp_path, Client().get("/account/with/saml/metadata").content.decode())
    configured = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
    configured["saml"]["APPS"][0]["settings"]["idp"]["x509cert"] = provider.certificate
    settings.SOCIALACCOUNT_PROVIDERS = configured
    settings.AUTO_REGISTER_BY = ["saml"]
    return provider


def come_back(client: Client, response: str) -> HttpResponse:
    """Bring the provider's form back."""
    return client.post(BACK, {"SAMLResponse": response, "RelayState": ""}, follow=True)


def who(client: Client) -> str:
    """The sign-in name of whoever is signed in, or nothing."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def test_the_first_sign_in_makes_an_account_and_the_next_opens_it(saml: Any, settings: Any) -> None:
    settings.ADMIN_GROUP = {"saml": "staff"}
    for _ in range(2):
        client = Client()
        come_back(
            client,
            saml.answer(
                leave_for(client, "saml"),
                who="id-1",
                uid="nora",
                mail="nora@x.example",
                isMemberOf=["staff", "all"],
            ),
        )
        assert who(client) == "nora"
    user = User.objects.get()
    assert user.email == "nora@x.example"
    assert user.is_administrator


def test_what_is_not_signed_changed_or_another_s_signs_nobody_in(
    saml: Any, tmp_path: Path, mara: Person
) -> None:
    client = Client()
    unsigned = saml.answer(leave_for(client, "saml"), who="id-2", uid="nora", sign=False)
    come_back(client, unsigned)
    assert not who(client)

    client = Client()
    signed = base64.b64decode(saml.answer(leave_for(client, "saml"), who="id-2", uid="nora"))
    assert b"nora" in signed
    come_back(client, base64.b64encode(signed.replace(b"nora", b"otto")).decode())
    assert not who(client)

    hers, his = Client(), Client()
    answer = saml.answer(leave_for(hers, "saml"), who="id-2", uid="nora")
    leave_for(his, "saml")
    come_back(his, answer)
    assert not who(his)
    come_back(hers, answer)
    assert who(hers) == "nora"
    again = Client()
    come_back(again, answer)
    assert not who(again)


def test_an_answer_that_nobody_asked_for_signs_nobody_in(saml: Any) -> None:
    address = leave_for(Client(), "saml")
    client = Client()
    come_back(client, saml.answer(address, who="id-3", uid="nora"))
    assert not who(client)
    come_back(client, saml.answer(address, who="id-3", uid="nora", asked_for=False))
    assert not who(client)
    assert not User.objects.exists()


def test_of_what_anybody_sends_little_is_kept_and_not_for_long() -> None:
    noise = base64.b64encode(os.urandom(1_000_000)).decode()
    assert Client().post(BACK, {"SAMLResponse": noise}).status_code == 413
    assert Client().post(BACK, {"SAMLResponse": noise[:100_000]}).status_code == 302
    kept = Session.objects.get()
    assert len(kept.session_data) < 300_000
    assert kept.expire_date < timezone.now() + timedelta(minutes=6)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    housekeeping()
    assert not Session.objects.exists()


def test_the_way_back_is_a_form_and_signing_out_by_the_provider_is_not_offered(
    db: None,
) -> None:
    assert Client().get(BACK).status_code == 405
    assert Client().get("/account/with/saml/sign-out").status_code == 404
