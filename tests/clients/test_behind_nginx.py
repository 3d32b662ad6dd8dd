"""Registry and store at one address, with nginx in front: every client pulls, logged in and not.

Current clients send their token along to the registry's own scheme, host and port, and do not look
at what the store then says; older ones send it to any port of the host. So each layout is tried
with all of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.apptainer import Apptainer
from tests.clients.conftest import MakeSif, NewLibrary
from tests.clients.nginx import INNER, Front, in_front
from tests.clients.outcome import assert_done
from tests.sif_files import digest_of

pytestmark = pytest.mark.timeout(900)

MIB = 1 << 20


# For the session: pytest runs all tests of one client before those of the next, whatever their
# module, and would start what is a module's anew for each client.


@pytest.fixture(scope="session")
def stripping() -> Iterator[Front]:
    """The layout that we advise: nginx drops the token before the store."""
    with in_front(strips=True, MINIO_EXTERNAL_STRIPS_AUTHORIZATION="true") as front:
        yield front


@pytest.fixture(scope="session")
def keeping() -> Iterator[Front]:
    """The same, by an administrator who has not read that it must be dropped."""
    with in_front(strips=False) as front:
        yield front


@pytest.fixture(scope="session")
def carrying() -> Iterator[Front]:
    """Users reach no store: nginx carries every pull."""
    settings = {"STREAM_ALWAYS": "true", "NGINX_STORE_LOCATION": INNER}
    with in_front(strips=True, **settings) as front:
        yield front


@pytest.fixture(params=["stripping", "keeping", "carrying"])
def front(request: pytest.FixtureRequest) -> Front:
    found: Front = request.getfixturevalue(request.param)
    return found


def test_every_library_pushes_and_pulls_a_private_image_through_nginx(
    front: Front, new_library: NewLibrary, make_sif: MakeSif, folder: Path
) -> None:
    live = front.live
    image = make_sif(size=12 * MIB)
    ref = f"library://{live.entity}/private/container:t{image.digest[:8]}"
    owner = new_library(live.token, url=live.library)
    assert_done(owner.push(image.path, ref))
    live.make_private("private")
    pulled = folder / "pulled.sif"
    assert_done(owner.pull(ref, pulled))
    assert digest_of(pulled) == image.digest


def test_every_library_pulls_without_a_token_through_nginx(
    front: Front, new_library: NewLibrary, make_sif: MakeSif, folder: Path
) -> None:
    live = front.live
    image = make_sif(size=12 * MIB)
    ref = f"library://{live.entity}/public/container:t{image.digest[:8]}"
    assert_done(new_library(live.token, url=live.library).push(image.path, ref))
    pulled = folder / "pulled.sif"
    assert_done(new_library(url=live.library).pull(ref, pulled))
    assert digest_of(pulled) == image.digest


def test_the_cli_pulls_a_private_image_and_no_error_is_written_into_it(
    front: Front, apptainer_program: Path, make_sif: MakeSif, folder: Path
) -> None:
    live = front.live
    image = make_sif(size=12 * MIB)
    ref = f"library://{live.entity}/private/cli:t{image.digest[:8]}"
    cli = Apptainer(apptainer_program, folder / "home")
    cli.use_remote(live.url, token=live.token)
    assert_done(cli.run("push", "-U", image.path, ref))
    live.make_private("private")
    pulled = folder / "pulled.sif"
    # Without its cache it compares nothing: what arrives is what the user has.
    assert_done(cli.run("pull", "--disable-cache", pulled, ref))
    assert digest_of(pulled) == image.digest


def test_the_bytes_take_the_way_that_the_layout_is_for(
    front: Front, apptainer_program: Path, make_sif: MakeSif, folder: Path
) -> None:
    live = front.live
    image = make_sif()
    ref = f"{live.entity}/public/way:t{image.digest[:8]}"
    cli = Apptainer(apptainer_program, folder / "home")
    cli.use_remote(live.url, token=live.token)
    assert_done(cli.run("push", "-U", image.path, f"library://{ref}"))
    before = len(front.requests())
    assert_done(cli.run("pull", "--disable-cache", folder / "x.sif", f"library://{ref}"))
    asked = front.requests()[before:]
    redirected = [line for line in asked if line.endswith(" 303")]
    from_store = [line for line in asked if line.startswith(f"GET /{live.store['bucket']}/")]
    assert bool(redirected) is bool(from_store) is front.sends_to_the_store
