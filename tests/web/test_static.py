"""Static files come from the tree, without a collecting step."""

import pytest
from django.test import Client


@pytest.mark.parametrize("file", ["web/pages.css", "admin/css/base.css"])
@pytest.mark.django_db(transaction=True)  # closing the answer closes the connection as well
def test_the_stylesheet_is_served(file: str) -> None:
    style = Client().get(f"/static/{file}")
    assert style.status_code == 200
    assert style["Content-Type"].startswith("text/css")
    style.close()
