"""What is left in the end of what was deleted or refused. Runs after the tests that say so."""

import time

import pytest

from tests.clients.live import Live

# The registry tidies up every 30 seconds.
PATIENCE_SECONDS = 90


def test_nothing_is_left_in_the_store_of_what_was_deleted_or_refused(
    live: Live, unwanted: list[str]
) -> None:
    if not unwanted:
        pytest.skip("No test before this one has deleted anything, or had it refused.")
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while left := [key for digest in unwanted for key in live.stored(digest)]:
        assert time.monotonic() < give_up_at, left
        time.sleep(0.5)
