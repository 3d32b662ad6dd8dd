"""Two requests that meet: what the odd requests of many threads do by chance, on purpose.

Found by the long form: a deletion and the verification of the same image locked each other out.
"""

import random
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.faults.registry import Registry
from tests.fuzz import aftermath, sequences
from tests.fuzz.connection import Answer, Connection
from tests.fuzz.sequences import Push, Step
from tests.fuzz.world import SIF_BYTES, World
from tests.sif_files import sif_bytes

pytestmark = pytest.mark.timeout(300)

THREADS = 3
ROUNDS = 40

# From before the completion has been read to after the image is proven.
LATER_SECONDS = 0.06


def test_a_deletion_and_a_completion_of_the_same_image_both_get_an_answer(
    registry: Registry, world: World
) -> None:
    before = aftermath.take_standing(registry.live)
    failures: list[str] = []
    threads = [
        threading.Thread(target=race, args=(number, registry.live.url, world, failures))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures, f"{len(failures)} of {THREADS * ROUNDS}, as {failures[0]}"
    aftermath.assert_quiet_logs(registry)
    aftermath.assert_nothing_left(aftermath.sweep_until_quiet(registry))
    aftermath.assert_explained(registry.live, before)


def race(number: int, url: str, world: World, failures: list[str]) -> None:
    """Push one image after the other; complete and delete each at nearly the same moment."""
    chance = random.Random(number)
    address = urlsplit(url)
    one, other = (Connection(address.hostname or "", address.port or 80) for _ in range(2))
    for round_number in range(ROUNDS):
        content = sif_bytes(size=SIF_BYTES, seed=number * ROUNDS + round_number + 100)
        each = Push(chance, world, world.mara, content, ("mara", "tools", "gcc"))
        try:
            for step in (sequences.announce, sequences.begin_single, sequences.send_single):
                take(one, step, each)
            completion = threading.Thread(target=guarded, args=(one, each, failures))
            completion.start()
            completion.join(chance.uniform(0, LATER_SECONDS))
            try:
                take(other, deletion, each)
            finally:
                completion.join()
        except Exception as failure:  # noqa: BLE001  told by the test, in its own thread
            failures.append(str(failure))
    one.close()
    other.close()


def guarded(connection: Connection, each: Push, failures: list[str]) -> None:
    """The completion, in a thread of its own."""
    try:
        take(connection, sequences.complete_single, each)
    except Exception as failure:  # noqa: BLE001  told by the test, in its own thread
        failures.append(str(failure))


def deletion(each: Push) -> sequences.Steps:
    yield each.request("DELETE", f"/v1/images/mara/tools/gcc:sha256.{each.digest}?arch=amd64")


def take(
    connection: Connection, step: Step | Callable[[Push], sequences.Steps], each: Push
) -> None:
    """Take one step of a push; fail where the registry does."""
    steps = step(each)
    answer: Answer | None = None
    try:
        request = next(steps)
        while True:
            answer = connection.ask(request)
            assert answer is not None, request.target
            if answer.status >= 500:
                words = answer.body.decode(errors="replace")
                raise AssertionError(f"{request.method!r} {request.target!r}: {words}")
            request = steps.send(answer)
    except StopIteration:
        pass
