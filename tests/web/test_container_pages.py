"""The pages of a container: its tags by arch, what they meant, its images, and their bytes."""

from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shub.containers import describing, downloads, freezing
from shub.containers.models import Blob, Collection, Container, Tag
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person, make_collection, make_container
from tests.rows import make_image
from tests.sif_files import sif_bytes
from tests.web.reading import forms_of, text_of
from tests.wire import fetch, send, sweep, wire

pytestmark = pytest.mark.django_db

PAGE = "/library/mara/tools/gcc"


@pytest.fixture
def gcc(mara: Person) -> Container:
    return make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


# ── the container ──
def test_the_command_names_this_host_and_the_tag_that_most_want(
    gcc: Container, mara: Person
) -> None:
    make_image(gcc, "latest", by=mara)
    make_image(gcc, "13.2", by=mara)
    page = text_of(Client().get(PAGE))
    for program in ("apptainer", "singularity"):
        assert (
            f"{program} pull --library http://registry.test library://mara/tools/gcc:latest" in page
        )
        assert f"{program} remote add --no-login --insecure shub http://registry.test" in page


def test_what_is_not_public_is_pulled_by_a_remote_and_after_a_login(
    gcc: Container, mara: Person
) -> None:
    make_image(gcc, "latest", by=mara)
    Collection.objects.update(visibility="private")
    page = text_of(mara.browser.get(PAGE))
    assert "apptainer pull library://mara/tools/gcc:latest" in page
    assert "apptainer remote login shub" in page
    assert "--library" not in page


def test_an_arch_that_a_name_lacks_is_said_to_be_missing(gcc: Container, mara: Person) -> None:
    make_image(gcc, "13.2", by=mara, arch="arm64")
    assert "missing" not in text_of(Client().get(PAGE))
    make_image(gcc, "13.1", by=mara, arch="amd64")
    page = text_of(Client().get(PAGE))
    assert page.index('data-label="amd64"') < page.index('data-label="arm64"')
    assert page.count(">missing<") == 2


def test_a_readme_stands_on_the_page_and_its_pictures_are_links(
    gcc: Container, mara: Person
) -> None:
    text = "# Compilers\n\n<script>alert(1)</script> ![state](https://ci.example/badge.svg)"
    describing.write_readme(gcc, text=text, by=mara.caller)
    page = text_of(Client().get(PAGE))
    assert "Compilers</h2>" in page
    assert 'href="https://ci.example/badge.svg"' in page
    assert "<img" not in page
    assert "<script" not in page


def test_an_empty_container_teaches_the_next_step_to_who_may_take_it(
    gcc: Container, mara: Person, otto: Person
) -> None:
    push = "apptainer push image.sif library://mara/tools/gcc:1.0"
    assert push in text_of(mara.browser.get(PAGE))
    for visitor in (Client(), otto.browser):
        assert push not in text_of(visitor.get(PAGE))


def test_a_link_to_it_that_is_pasted_elsewhere_says_what_it_is(
    gcc: Container, mara: Person
) -> None:
    describing.describe(gcc, text='Compilers "of ours"', by=mara.caller)
    page = Client().get(PAGE).content.decode()
    assert '<meta property="og:title" content="mara/tools/gcc">' in page
    assert 'property="og:description" content="Compilers &quot;of ours&quot;"' in page
    assert f'<meta property="og:url" content="http://registry.test{PAGE}">' in page


def test_where_nothing_is_tagged_the_newest_image_is_pulled_by_its_hash(
    gcc: Container, mara: Person
) -> None:
    make_image(gcc, by=mara)
    newest = make_image(gcc, by=mara)
    page = text_of(Client().get(PAGE))
    assert f"library://mara/tools/gcc:{newest.hash}" in page
    assert "Tag this one" not in page
    assert "Tag this one" in text_of(mara.browser.get(PAGE))


# ── tags ──
def test_all_names_are_on_the_page_of_tags_by_pages_and_by_what_is_in_them(
    gcc: Container, mara: Person
) -> None:
    image = make_image(gcc, "1.0", by=mara)
    Tag.objects.bulk_create(
        Tag(container=gcc, name=f"2.{number}", arch="amd64", image=image) for number in range(60)
    )
    first, second = (mara.browser.get(f"{PAGE}/-/tags?page={number}") for number in (1, 2))
    assert len(first.context["rows"]) == 30
    assert len(second.context["rows"]) == 30
    found = mara.browser.get(f"{PAGE}/-/tags?contains=.59")
    assert [row.name for row in found.context["rows"]] == ["2.59"]
    assert "No tag here contains" in text_of(mara.browser.get(f"{PAGE}/-/tags?contains=xyz"))


def test_a_tags_page_has_the_images_that_it_means_and_what_it_meant(
    gcc: Container, mara: Person, otto: Person
) -> None:
    before = make_image(gcc, "latest", by=mara, arch="amd64")
    now = make_image(gcc, "latest", by=otto, arch="amd64")
    other = make_image(gcc, "latest", by=mara, arch="arm64")
    page = text_of(Client().get(f"{PAGE}/-/tags/latest"))
    for image in (before, now, other):
        assert f"/-/images/{image.hash}" in page
    assert "otto" in page
    assert "apptainer pull --library http://registry.test library://mara/tools/gcc:latest" in page
    assert Client().get(f"{PAGE}/-/tags/latest?arch=arm64")["Location"] == (
        f"{PAGE}/-/images/{other.hash}"
    )
    for missing in ("latest?arch=riscv64", "nothing", "%00", "latest?arch=%00"):
        assert Client().get(f"{PAGE}/-/tags/{missing}").status_code == 404


def test_a_tag_called_as_a_page_of_ours_has_a_page_too(gcc: Container, mara: Person) -> None:
    for name in ("frozen", "remove", "tags"):
        make_image(gcc, name, by=mara)
        assert name in text_of(Client().get(f"{PAGE}/-/tags/{name}"))


def test_a_tag_is_removed_by_who_may_and_its_images_and_history_stay(
    gcc: Container, mara: Person, otto: Person
) -> None:
    image = make_image(gcc, "1.0", by=mara)
    act = f"{PAGE}/-/tags/1.0/remove"
    assert otto.browser.post(act).status_code == 403
    assert act not in forms_of(otto.browser.get(f"{PAGE}/-/tags/1.0"))
    assert act in forms_of(mara.browser.get(f"{PAGE}/-/tags/1.0"))
    assert mara.browser.post(act)["Location"] == f"{PAGE}/-/tags/1.0"
    page = text_of(mara.browser.get(f"{PAGE}/-/tags/1.0"))
    assert "It means no image any more" in page
    assert f"/-/images/{image.hash}" in page
    assert not Tag.objects.exists()
    assert "1.0" not in text_of(Client().get(f"{PAGE}/-/tags"))


def test_a_frozen_tag_is_not_offered_for_removal(gcc: Container, mara: Person) -> None:
    make_image(gcc, "1.0", by=mara)
    freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=mara.caller)
    act = f"{PAGE}/-/tags/1.0/remove"
    assert act not in forms_of(mara.browser.get(f"{PAGE}/-/tags/1.0"))
    mara.browser.post(act)
    assert Tag.objects.filter(name="1.0").exists()


def test_the_history_says_what_each_tag_meant_and_who_moved_it(
    gcc: Container, mara: Person, otto: Person
) -> None:
    first = make_image(gcc, "latest", by=mara)
    make_image(gcc, "latest", by=otto)
    rows = Client().get(f"{PAGE}/-/history").context["page"].rows
    assert [row.move.moved_by for row in rows] == ["otto", "mara"]
    assert rows[0].move.from_digest == first.digest
    assert "No tag was ever set here" in text_of(
        mara.browser.get(f"{address_of_empty(mara)}/-/history")
    )


def address_of_empty(person: Person) -> str:
    make_container(Collection.objects.get(name="tools"), "empty", person)
    return "/library/mara/tools/empty"


# ── images ──
def test_an_image_without_a_tag_is_shown_and_can_be_tagged(
    gcc: Container, mara: Person, otto: Person
) -> None:
    image = make_image(gcc, by=mara)
    address = f"{PAGE}/-/images/{image.hash}"
    assert f"/-/images/{image.hash}" in text_of(Client().get(f"{PAGE}/-/images?untagged=yes"))
    assert f"{address}/tag" in forms_of(mara.browser.get(address))
    assert f"{address}/tag" not in forms_of(otto.browser.get(address))
    assert otto.browser.post(f"{address}/tag", {"name": "1.0"}).status_code == 403
    mara.browser.post(f"{address}/tag", {"name": "1.0"})
    assert Tag.objects.get(name="1.0").image == image
    assert "Every image here has a tag" in text_of(Client().get(f"{PAGE}/-/images?untagged=yes"))


@pytest.mark.parametrize("name", ["", "a b", "x" * 200, "../x", "sha256." + "5f" * 32, "a\0"])
def test_what_can_be_no_tag_is_said_so_and_sets_none(
    gcc: Container, mara: Person, name: str
) -> None:
    address = f"{PAGE}/-/images/{make_image(gcc, by=mara).hash}"
    answer = mara.browser.post(f"{address}/tag", {"name": name}, follow=True)
    assert 'class="notice error"' in text_of(answer)
    assert not Tag.objects.exists()


def test_an_image_says_what_it_is_and_how_to_have_exactly_it(
    gcc: Container, mara: Person, store: ObjectStore
) -> None:
    pushed = wire(mara).push("mara/tools/gcc", sif_bytes(), "13.2")
    page = text_of(Client().get(f"{PAGE}/-/images/{pushed['hash']}"))
    assert "Verified" in page
    assert pushed["hash"] in page
    assert "amd64" in page
    assert "by mara" in page
    assert f"library://mara/tools/gcc:{pushed['hash']}" in page
    digest = pushed["hash"].removeprefix("sha256.")
    assert f"echo &#x27;{digest}  gcc_{digest[:8]}.sif&#x27; | sha256sum --check" in page


def test_a_download_comes_from_the_store_under_a_name_of_its_own_and_is_counted(
    gcc: Container, mara: Person, store: ObjectStore
) -> None:
    content = sif_bytes()
    pushed = wire(mara).push("mara/tools/gcc", content, "13.2")
    answer = Client().get(f"{PAGE}/-/images/{pushed['hash']}/download")
    assert (answer.status_code, answer["Cache-Control"]) == (303, "no-store")
    sent = fetch(answer["Location"])
    assert sent.body == content
    digest = pushed["hash"].removeprefix("sha256.")
    assert sent.headers["content-disposition"] == f'attachment; filename="gcc_{digest[:8]}.sif"'
    looked = Client().head(f"{PAGE}/-/images/{pushed['hash']}/download")
    assert looked.status_code == 303
    assert downloads.sum_up() == 1
    Collection.objects.update(visibility="private")
    hidden = Client().get(f"{PAGE}/-/images/{pushed['hash']}/download")
    assert hidden.status_code == 404
    assert "Location" not in hidden.headers


def test_an_image_that_is_not_proven_is_there_only_for_those_who_push_it(
    gcc: Container, mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    image = wire(mara).announce("mara/tools/gcc", content)
    assert send(wire(mara).begin_single(image["id"], content), content).status == 200
    wire(mara).complete_single(image["id"])
    address = f"{PAGE}/-/images/{image['hash']}"
    assert "being verified" in text_of(mara.browser.get(address))
    assert mara.browser.get(f"{address}/download").status_code == 503
    for visitor in (Client(), otto.browser):
        assert visitor.get(address).status_code == 404
        assert visitor.get(f"{address}/download").status_code == 404


def test_a_refused_upload_says_why_to_those_who_push_there_and_nothing_to_others(
    gcc: Container, mara: Person, otto: Person
) -> None:
    digest = "5f" * 32
    Upload.objects.create(
        container=gcc,
        kind="single",
        state="refused",
        digest=digest,
        size=100,
        part_bytes=100,
        key="blobs/x",
        reason="These are other bytes.",
        created_by=mara.user,
    )
    address = f"{PAGE}/-/images/sha256.{digest}"
    assert "These are other bytes." in text_of(mara.browser.get(address))
    assert "These are other bytes." in text_of(mara.browser.get(PAGE))
    for visitor in (Client(), otto.browser):
        assert visitor.get(address).status_code == 404
        assert "other bytes" not in text_of(visitor.get(PAGE))


def test_a_refused_image_is_verified_again_from_its_own_page_while_its_bytes_are_kept(
    gcc: Container, mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.CONDEMNED_KEEP_DAYS = 7
    script = b"#!/bin/sh\n" * 100
    image = wire(mara).announce("mara/tools/gcc", script)
    assert send(wire(mara).begin_single(image["id"], script), script).status == 200
    wire(mara).complete_single(image["id"])
    sweep()
    address = f"{PAGE}/-/images/{image['hash']}"
    shown = mara.browser.get(address)
    assert "Its bytes are kept." in text_of(shown)
    (again,) = forms_of(shown)
    assert again == f"{PAGE}/-/removed/{Upload.objects.get().public_id}/restore"

    mara.browser.post(again)
    assert "being verified" in text_of(mara.browser.get(address))
    sweep()
    assert forms_of(mara.browser.get(address)) == [again]

    Blob.objects.update(kept_until=Now())
    shown = mara.browser.get(address)
    assert forms_of(shown) == []
    assert "only another push brings it" in text_of(shown)
    assert "Its bytes are kept." not in text_of(shown)


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("", 12),
        ("/-/tags", 9),
        ("/-/tags/1.0", 9),
        ("/-/history", 8),
        ("/-/images", 7),
        ("image", 8),
    ],
)
def test_a_page_takes_as_many_queries_for_much_as_for_little(
    gcc: Container, mara: Person, address: str, most: int
) -> None:
    image = make_image(gcc, "1.0", by=mara)
    at = PAGE + (f"/-/images/{image.hash}" if address == "image" else address)
    few = queries(at)
    for number in range(12):
        make_image(gcc, f"2.{number}", by=mara, arch=("amd64", "arm64")[number % 2])
    assert queries(at) == few
    assert few <= most


def queries(address: str) -> int:
    visitor = Client()
    with CaptureQueriesContext(connection) as seen:
        assert visitor.get(address).status_code == 200
    return len(seen)


# ── removal, and its undoing ──
def test_an_image_is_removed_after_it_was_said_what_goes_and_comes_back_by_one_click(
    gcc: Container, mara: Person, otto: Person
) -> None:
    image = make_image(gcc, "1.0", "latest", by=mara, size=640_000_000)
    address = f"{PAGE}/-/images/{image.hash}/remove"
    assert otto.browser.get(address).status_code == 403
    assert otto.browser.post(address).status_code == 403
    browser = mara.browser
    page = text_of(browser.get(address))
    for word in ("2 tags", "1 image", "640\u00a0MB", "1.0, latest", "can be undone until"):
        assert word in page
    assert Tag.objects.count() == 2
    answer = browser.post(address, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    (undo,) = [act for act in forms_of(answer) if act.endswith("/restore")]
    assert Client().get(f"{PAGE}/-/images/{image.hash}").status_code == 404
    assert not Tag.objects.exists()
    assert otto.browser.post(undo).status_code in {403, 404}
    assert not Tag.objects.exists()
    browser.post(undo)
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["1.0", "latest"]
    assert Client().get(f"{PAGE}/-/images/{image.hash}").status_code == 200


def test_a_removal_that_cannot_be_undone_asks_for_the_beginning_of_the_hash(
    gcc: Container, mara: Person, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    image = make_image(gcc, "1.0", by=mara)
    address = f"{PAGE}/-/images/{image.hash}/remove"
    assert "It cannot be undone" in text_of(mara.browser.get(address))
    for wrong in ({}, {"name": "gcc"}):
        assert mara.browser.post(address, wrong).status_code == 200
        assert gcc.images.exists()
    assert mara.browser.post(address, {"name": image.digest[:8]}).status_code == 302
    assert not gcc.images.exists()
