"""Steps that many scenarios have: what holds in the end, and what is done on the way there."""

import sys
from collections.abc import Callable

from shub.uploads.models import Upload
from tests.crash_points.breaking import Step
from tests.crash_points.world import PATH, World, digest_of

State = Upload.State

NO_SIGNING = {"MINIO_SIGN_CONTENT_SHA256": False}
SCRIPT = b"#!/bin/sh\n" * 4000


# ── what holds in the end ──
def there(content: bytes, *tags: str, path: str = PATH) -> Step:
    """The image is there, proven, and the tags mean it."""

    def ends(world: World) -> None:
        image = world.image(content, path)
        assert image is not None, "no image"
        assert image.is_proven, "not proven"
        for tag in tags:
            assert world.tags(path).get(tag) == digest_of(content), world.tags(path)

    return ends


def not_there(content: bytes, path: str = PATH) -> Step:
    """Neither the image nor its bytes are there."""

    def ends(world: World) -> None:
        assert world.image(content, path) is None
        assert not any(digest_of(content) in key for key in world.objects())

    return ends


def refused(content: bytes, words: str) -> Step:
    """The upload was refused for that reason, and nothing of it is left."""

    def ends(world: World) -> None:
        not_there(content)(world)
        upload = Upload.objects.filter(digest=digest_of(content)).latest("id")
        assert upload.state == State.REFUSED, upload
        assert words in upload.reason

    return ends


def ended(state: str) -> Step:
    """The only upload is in that state, and the store has nothing of it."""

    def ends(world: World) -> None:
        upload = Upload.objects.get()
        assert upload.state == state, upload
        assert world.objects() == {}
        none_open(world)

    return ends


def none_open(world: World) -> None:
    """The store has no upload in parts."""
    assert world.open_parts() == [], "the store still has parts"


def sweeping(*acts: Callable[[], object]) -> Step:
    """Some of what the sweep process does."""

    def act(world: World) -> None:
        for each in acts:
            # As it is called now: tests of the judge put another in its place.
            getattr(sys.modules[each.__module__], each.__name__)()

    return act


def all_of(*steps: Step) -> Step:
    """One step after the other."""

    def step(world: World) -> None:
        for each in steps:
            each(world)

    return step


def pushed_again(content: bytes, *tags: str) -> Step:
    """The client pushes again, from the beginning."""

    def again(world: World) -> None:
        world.push(content, *tags)

    return again
