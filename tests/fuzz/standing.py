"""What stands in the registry before the first odd request: people, and images of one of them."""

import random
import time
from urllib.parse import urlsplit

from tests.clients.live import Live
from tests.fuzz import sequences
from tests.fuzz.connection import Answer, Connection
from tests.fuzz.world import SIF_BYTES, Hidden, Person, World
from tests.sif_files import sif_bytes

PEOPLE = ("mara", "otto", "watched")

PROVEN_SECONDS = 30


def make_world(live: Live) -> World:
    """Three people; `watched` has an image for all to see, and one for nobody else."""
    mara, otto, watched = (Person(name, live.register(name)) for name in PEOPLE)
    world = World(mara, otto, watched, Hidden((), "", "0" * 64))
    push(live, world, watched, "public/container", seed=1)
    # Of the site, for old references.
    push(live, world, Person("library", live.token), "tools/gcc", seed=3)
    hidden = push(live, world, watched, "private/container", seed=2)
    met = live.change(
        "UPDATE containers_collection SET visibility = 'private' WHERE name = 'private'"
    )
    assert met == 1
    # Its ids are asked for like all others: there is something to find.
    world.hidden = await_proven(live, hidden)
    return world


def push(live: Live, world: World, person: Person, path: str, *, seed: int) -> sequences.Push:
    """ENTITY/COLLECTION/CONTAINER:v1, in the entity of the person's name."""
    collection, container = path.split("/")
    each = sequences.Push(
        random.Random(0),
        world,
        person,
        sif_bytes(size=SIF_BYTES, seed=seed),
        (person.name, collection, container),
    )
    address = urlsplit(live.url)
    connection = Connection(address.hostname or "", address.port or 80)
    try:
        for step in (sequences.announce, *sequences.PARTS[:4]):
            _run(connection, step(each))
        tag = {"Arch": "amd64", "Tag": "v1", "ImageID": each.image_id}
        answer = connection.ask(each.request("POST", f"/v2/tags/{each.container_id}", tag))
        assert answer is not None, "no answer"
        assert answer.status == 200, answer
    finally:
        connection.close()
    return each


def await_proven(live: Live, each: sequences.Push) -> Hidden:
    """What is to stay hidden of a push, once its bytes are proven and it has its tag."""
    give_up_at = time.monotonic() + PROVEN_SECONDS
    while time.monotonic() < give_up_at:
        found = live.rows(
            "SELECT image.public_id, container.public_id, collection.public_id, blob.public_id,"
            " blob.key FROM containers_image image"
            " JOIN containers_container container ON container.id = image.container_id"
            " JOIN containers_collection collection ON collection.id = container.collection_id"
            " JOIN containers_blob blob ON blob.id = image.blob_id"
            " JOIN containers_tag tag ON tag.image_id = image.id"
            " WHERE image.digest = %s AND blob.state = 'proven'",
            each.digest,
        )
        if found:
            *ids, key = found[0]
            return Hidden(tuple(map(str, ids)), str(key), each.digest)
        time.sleep(0.1)
    raise AssertionError(f"{each.path} was not proven within {PROVEN_SECONDS} s.")


def _run(connection: Connection, steps: sequences.Steps) -> None:
    answer: Answer | None = None
    try:
        request = next(steps)
        while True:
            answer = connection.ask(request)
            assert answer is not None, request.target
            assert answer.status in {200, 404}, answer
            request = steps.send(answer)
    except StopIteration:
        pass
