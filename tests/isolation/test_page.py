"""The page that people read is the table that the tests hold."""

from tests.isolation import page


def test_the_page_is_what_the_table_says() -> None:
    assert page.PAGE.read_text() == page.text(), "write it anew: python -m tests.isolation.page"
