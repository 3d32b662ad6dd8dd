"""The words that no bucket under the registry's host can be called are read off the URL map."""

from django.urls import get_resolver

from shub.operations import route_words as module
from shub.operations.route_words import route_words


def test_every_route_begins_with_a_word_that_is_known() -> None:
    """A route that begins with an open name would be one that a bucket can hide."""
    patterns = list(module._patterns(get_resolver()))
    assert len(patterns) > 200
    open_ones = [each for each in patterns if each and not set(module._first_words(each))]
    assert not open_ones


def test_the_words_of_all_doors_are_among_them() -> None:
    assert {
        "v1",
        "v2",
        "api",
        "container",
        "pks",
        "admin",
        "static",
        "-",
        "library",
    } <= route_words()
    assert "sregistry" not in route_words()
