"""Legal names of entities, collections, containers and tags, said once for every door.

The rule for names is the clients' own (wire: every release since 3.0 checks it on push); the one
for tags is the OCI distribution-spec's, which the library's door narrows further.

Case is handled one way on all doors. Names are lower case: a door folds what it is asked for, and
nothing else is ever kept, so no two rows have names that a client thinks equal. Tags are exact, as
they are in OCI; the library's clients refuse any but lower-case ones, and so does its door.
"""

import re
import string

from shub.errors import Invalid

NAME_LENGTH = 128
TAG_LENGTH = 128

NAME_PATTERN = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"

# What a client takes for a hash cannot be a tag: it would never be looked up as one.
HASH_REF_PATTERN = (
    r"^(sha256\.[a-f0-9]{64}|sif\.[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})$"
)

# What cannot be an entity, and why: `/v2/imagefile/…` and `/v2/tags/…` are addresses of the Library
# API, and an OCI client asks for an entity's images at `/v2/ENTITY/…`.
RESERVED_ENTITIES = {
    "imagefile": "the Library API has the addresses /v2/imagefile/…",
    "tags": "the Library API has the addresses /v2/tags/…",
}

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_name = re.compile(NAME_PATTERN)
_tag = re.compile(TAG_PATTERN)
_hash_ref = re.compile(HASH_REF_PATTERN)


def folded(name: str) -> str:
    """The name in lower case, as it is kept and looked for.

    Letters of ASCII only: another alphabet's must not become one of a legal name.

    >>> folded("GCC"), folded("\u212a") == "k"
    ('gcc', False)
    """
    return name.translate(_LOWER)


def is_legal_name(name: str) -> bool:
    """Whether an entity, collection or container may be called so.

    >>> [is_legal_name(name) for name in ("a", "gcc-13.2_x", "a--b", "-a", "A", "")]
    [True, True, False, False, False, False]
    """
    return len(name) <= NAME_LENGTH and not name.endswith("\n") and bool(_name.match(name))


def check_name(name: str, what: str) -> None:
    """Invalid, with the rule in words, unless the name is legal and free to be given."""
    if what == "entity" and name in RESERVED_ENTITIES:
        raise Invalid(
            f"No entity can be called {name!r}: {RESERVED_ENTITIES[name]}. Choose another name."
        )
    if not is_legal_name(name):
        raise Invalid(
            f"{name!r} is not a legal {what} name: expected lower-case letters and digits, in "
            f"groups joined by a single '.', '_' or '-', at most {NAME_LENGTH} characters."
        )


def is_hash_ref(text: str) -> bool:
    """Whether the client means an image by its hash or its SIF id rather than by a tag."""
    return bool(_hash_ref.match(text)) and not text.endswith("\n")


def check_tag(tag: str) -> None:
    """Invalid unless the library's clients can push and pull by this tag.

    >>> for tag in ("latest", "1.0-rc.2"):
    ...     check_tag(tag)
    """
    if is_hash_ref(tag):
        raise Invalid(f"{tag!r} reads as a hash, not as a tag. Choose another tag.")
    if len(tag) > TAG_LENGTH or tag.endswith("\n") or not _name.match(tag):
        raise Invalid(
            f"{tag!r} is not a legal tag: expected lower-case letters and digits, in groups joined "
            f"by a single '.', '_' or '-', at most {TAG_LENGTH} characters."
        )
