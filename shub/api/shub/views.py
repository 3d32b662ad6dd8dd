"""`/api/container/COLLECTION/NAME:TAG`, which a pull of `shub://HOST/COLLECTION/NAME:TAG` asks.

The old registry had no entities: its collections are those of the default entity. Nobody says who
they are by a token here, so this door leads to public images only.
"""

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shub.accounts.callers import NOBODY
from shub.api.description import ARCH, described
from shub.containers import images, refs
from shub.errors import NotFound
from shub.sif.layout import arch_named


class OldContainerAnswer(serializers.Serializer[None]):
    """What the old registry said of an image; bare, without an envelope."""

    id = serializers.CharField()
    name = serializers.CharField()
    tag = serializers.CharField()
    collection = serializers.CharField()
    image = serializers.URLField(help_text="Where its bytes are.")
    version = serializers.CharField(help_text="Its hash.")
    add_date = serializers.DateTimeField()
    frozen = serializers.BooleanField()
    metadata = serializers.DictField()
    metrics = serializers.DictField()


class OldContainerView(APIView):
    """`/api/container/COLLECTION/NAME:TAG`"""

    authentication_classes = ()

    @described(
        "The image that an old reference means",
        answers={200: OldContainerAnswer},
        refusals=[404],
        parameters=[ARCH],
    )
    def get(self, request: Request, collection: str, name: str) -> Response:
        """The image, and where its bytes are: the address that a pull by the library asks.

        A version behind an `@` was a commit of the old hub's; it is not looked at.
        """
        ref = refs.parse(f"{settings.DEFAULT_ENTITY}/{collection}/{name.partition('@')[0]}")
        arch = arch_named(request.query_params.get("arch", ""))
        image = images.find_image(ref, arch=arch, by=NOBODY)
        return Response(
            {
                "id": image.public_id,
                "name": ref.container,
                "tag": ref.tag,
                "collection": ref.collection,
                "image": f"{settings.PUBLIC_URL}/v1/imagefile/{ref.path}:{image.hash}",
                "version": image.hash,
                "add_date": image.created_at.isoformat(),
                "frozen": image.container.is_frozen,
                "metadata": {},
                "metrics": {},
            }
        )


class NothingHereView(APIView):
    """Everything else that the old registry had below these prefixes."""

    authentication_classes = ()
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound(
            "This registry has no such address; docs/reference/old-registry.md says what it has."
        )
