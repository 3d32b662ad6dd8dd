"""Writing a README: looked at before it is kept, by those who may change it."""

import pytest
from django.test import Client

from shub.containers import describing, freezing, granting
from shub.containers.models import Collection, Container, Readme, Role
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db

PLACES = ("/library/mara", "/library/mara/tools", "/library/mara/tools/gcc")
TEXT = "# Compilers\r\n\r\nThe *old* ones. <script>alert(1)</script>\r\n"


@pytest.fixture
def gcc(mara: Person) -> Container:
    return make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


def test_it_is_written_and_read_and_removed_on_its_page(mara: Person, gcc: Container) -> None:
    for place in PLACES:
        answer = mara.browser.post(f"{place}/-/readme", {"text": TEXT})
        assert answer["Location"] == place
        assert "# Compilers\n" in text_of(mara.browser.get(f"{place}/-/readme"))
        assert "Edit README" in text_of(mara.browser.get(f"{place}/-/settings"))
    assert describing.readme_of(gcc) == TEXT.replace("\r\n", "\n")
    mara.browser.post(f"{PLACES[2]}/-/readme", {"text": "  "})
    assert Readme.objects.count() == 2
    assert "Write a README" in text_of(mara.browser.get(f"{PLACES[2]}/-/settings"))


def test_a_preview_is_typeset_and_stores_nothing(mara: Person, gcc: Container) -> None:
    describing.write_readme(gcc, text="As it was.", by=mara.caller)
    for place in PLACES:
        page = mara.browser.post(f"{place}/-/readme/preview", {"text": TEXT})
        assert "<em>old</em>" in text_of(page)
        assert "<script" not in text_of(page)
        assert "HX-Request" in page["Vary"]
        # What was written is still in the form, to go on with.
        assert "# Compilers" in text_of(page)
    assert [(each.text, each.container) for each in Readme.objects.all()] == [("As it was.", gcc)]


def test_a_script_gets_the_preview_alone(mara: Person, gcc: Container) -> None:
    address = f"{PLACES[2]}/-/readme/preview"
    part = mara.browser.post(address, {"text": TEXT}, headers={"HX-Request": "true"})
    assert "<em>old</em>" in part.content.decode()
    for whole in ("<html", "<form", "<main"):
        assert whole not in part.content.decode()
    assert not Readme.objects.exists()


def test_what_is_too_long_is_neither_typeset_nor_kept(mara: Person, gcc: Container) -> None:
    text = "x" * 100_001
    for address in (f"{PLACES[2]}/-/readme/preview", f"{PLACES[2]}/-/readme"):
        page = text_of(mara.browser.post(address, {"text": text}))
        assert "A README has 100,000 characters at most." in page
        assert "<p>xxx" not in page
    # A line's end counts once, however the browser sends it.
    fits = "\r\n" * 50_000 + "x"
    assert mara.browser.post(f"{PLACES[2]}/-/readme", {"text": fits}).status_code == 302


def test_neither_is_for_those_who_may_not_change_it(
    mara: Person, otto: Person, gcc: Container
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for browser in (otto.browser, make_auditor().browser):
        for place in PLACES:
            assert browser.get(f"{place}/-/readme").status_code == 403
            for address in (f"{place}/-/readme", f"{place}/-/readme/preview"):
                page = text_of(browser.post(address, {"text": TEXT}), status=403)
                assert "Only a maintainer or owner of mara" in page
                assert "Compilers" not in page
                assert Client().post(address, {"text": TEXT}).status_code == 302
    assert not Readme.objects.exists()


def test_a_hidden_place_has_none(mara: Person, otto: Person, gcc: Container) -> None:
    describing.write_readme(gcc, text="As it was.", by=mara.caller)
    Collection.objects.update(visibility="private")
    for place in PLACES[1:]:
        for address in (f"{place}/-/readme", f"{place}/-/readme/preview"):
            hidden = otto.browser.post(address, {"text": TEXT})
            missing = otto.browser.post(address.replace("tools", "none"), {"text": TEXT})
            assert hidden.status_code == missing.status_code == 404
        assert otto.browser.get(f"{place}/-/readme").status_code == 404
    assert Readme.objects.get().text == "As it was."


def test_while_the_site_is_read_only_nothing_is_kept(mara: Person, gcc: Container) -> None:
    freezing.set_read_only("moving house", by=None)
    page = text_of(mara.browser.post(f"{PLACES[2]}/-/readme", {"text": TEXT}), status=503)
    assert "moving house" in page
    assert not Readme.objects.exists()
