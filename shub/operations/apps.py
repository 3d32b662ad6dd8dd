"""The operations app: its system checks run with every `manage.py check`."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "shub.operations"

    def ready(self) -> None:
        from shub.operations import checks  # noqa: F401  importing registers them
