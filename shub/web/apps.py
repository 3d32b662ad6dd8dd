"""The pages' app: what is done at the door is written to the audit trail."""

from importlib import import_module

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "shub.web"

    def ready(self) -> None:
        import_module("shub.web.signin.events")
