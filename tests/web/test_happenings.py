"""Events as sentences: who, what, and to what; nothing that the event says is lost."""

import re
from pathlib import Path
from typing import Any

import pytest

import shub
from shub.audit.models import Event
from shub.web import happenings

pytestmark = pytest.mark.django_db

RECORDED = re.compile(r'"((?:address|factor|image|invitation|name|password|provider|robot|role|site'
                      r'|tag|team|token|upload|user)\.(?!sif")[a-z_]+)"')  # fmt: skip


def event(action: str, **said: Any) -> Event:
    return Event(**({"action": action, "actor": "mara", "kind": "", "name": ""} | said))


def test_every_action_that_is_written_down_has_words() -> None:
    sources = [
        path.read_text()
        for path in Path(shub.__file__).parent.rglob("*.py")
        if path.name != "happenings.py"
    ]
    written = {action for source in sources for action in RECORDED.findall(source)}
    assert len(written) > 30
    assert not written - set(happenings.SENTENCES)


def test_what_the_sentence_says_is_not_said_again_beside_it() -> None:
    told = happenings.told(
        event("role.granted", kind="collection", name="mara/tools", detail={
            "holder": "otto", "role": "writer", "because": "asked", "nothing": "",
        })
    )  # fmt: skip
    assert (str(told.words), told.more) == ("granted a role on", "to otto: writer")
    assert told.details == [("because", "asked")]
    assert told.address == "/library/mara/tools"


def test_an_event_that_says_less_is_told_with_less() -> None:
    told = happenings.told(event("role.granted", detail={"role": "writer"}))
    assert (told.more, told.details) == ("", [("role", "writer")])
    unknown = happenings.told(event("moon.landed", detail={"size": 2_000_000}))
    assert (unknown.words, unknown.sign) == ("moon.landed", "history")
    assert unknown.details == [("size", "2\u00a0MB")]


@pytest.mark.parametrize(
    ("action", "kind", "name", "address"),
    [
        ("image.pushed", "image", "mara/tools/gcc:sha256.00", "/library/mara/tools/gcc"),
        ("image.removed", "image", "mara/tools/gcc:sha256.00", ""),
        ("tag.frozen", "container", "mara/tools/gcc:1.0", "/library/mara/tools/gcc"),
        ("entity.renamed", "entity", "genomics", "/library/genomics"),
        ("entity.renamed", "entity", "", ""),
        ("collection.renamed", "collection", "mara/builds", "/library/mara/builds"),
        ("container.renamed", "container", "mara/tools/gcc", "/library/mara/tools/gcc"),
        ("token.issued", "token", "mara", ""),
        ("image.pushed", "image", "a/b/c/d", ""),
    ],
)
def test_what_has_a_page_leads_there(action: str, kind: str, name: str, address: str) -> None:
    assert happenings.told(event(action, kind=kind, name=name, detail={})).address == address


def test_what_nobody_signed_in_did_is_told_by_where_it_came_from() -> None:
    assert happenings.told(event("image.dropped", actor="", address="", detail={})).who == (
        "The server"
    )
    failed = event("user.sign_in_failed", actor="", address="192.0.2.7", detail={})
    assert happenings.told(failed).who == "Somebody"
