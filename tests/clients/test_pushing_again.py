"""A client that was killed under a push, and pushes again."""

from pathlib import Path

import pytest

from tests.clients import doors
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import MakeSif
from tests.clients.live import Live
from tests.clients.outcome import assert_done
from tests.clients.test_apptainer import THREE_PARTS, assert_pulled

PATIENCE_SECONDS = 120


def killed_push(
    cli: Apptainer, live: Live, image: Path, ref: str, *, at: str, after: int = 0
) -> None:
    """Push; kill -9 the client when it has asked for that, and nobody has heard of it."""
    with doors.silent(live.url, at=at, after=after) as door:
        cli.use_remote(door.url, token=live.token)
        client = cli.start("push", "-U", image, ref)
        assert door.reached.wait(PATIENCE_SECONDS)
        client.kill()
        client.wait(PATIENCE_SECONDS)
    cli.use_remote(live.url, token=live.token)


@pytest.mark.action("push-parts")
def test_a_client_that_was_killed_when_all_had_arrived_sends_nothing_the_second_time(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=THREE_PARTS)
    killed_push(owner, live, image.path, f"{ref}:v1", at="PUT .*_multipart_complete")
    assert live.uploads(image.digest) == [("multipart", "open", 0)]

    again = owner.run("push", "-U", image.path, f"{ref}:v1", seconds=300)
    assert_done(again)

    # No second one was begun: there was nothing to send bytes to.
    assert live.uploads(image.digest) == [("multipart", "done", 3)]
    assert_pulled(owner, f"{ref}:v1", image.digest)


@pytest.mark.action("push-parts")
def test_a_client_that_was_killed_between_parts_leaves_nothing_when_it_pushes_again(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=THREE_PARTS)
    killed_push(owner, live, image.path, f"{ref}:v1", at="PUT .*_multipart$", after=1)
    assert live.uploads(image.digest) == [("multipart", "open", 0)]
    # A while ago, so that nobody goes on with it any more.
    live.change(
        "UPDATE uploads_upload SET active_at = active_at - interval '13 minutes' WHERE digest = %s",
        image.digest,
    )
    live.change(
        "UPDATE containers_image SET created_at = created_at - interval '13 minutes'"
        " WHERE digest = %s",
        image.digest,
    )

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1", seconds=300))

    assert live.uploads(image.digest) == [("multipart", "aborted", 0), ("multipart", "done", 3)]
    assert len(live.stored(image.digest)) == 1
