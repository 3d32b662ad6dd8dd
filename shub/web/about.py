"""What the administrator says of this registry: REGISTRY_ABOUT, typeset for the home page."""

from django.conf import settings
from django.utils.safestring import SafeString

from shub.web.markdown import render


def about() -> SafeString:
    """The text as HTML that may stand on our pages; empty where none is set."""
    return render(settings.REGISTRY_ABOUT) if settings.REGISTRY_ABOUT else SafeString("")
