"""What a deployment has wrong in its settings is said before it starts, and nothing else is."""

import pytest
from django.core import checks

CODES = ("shub.E005", "shub.E006", "shub.E007", "shub.E008", "shub.E009", "shub.W005")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"MINIO_BUCKET": "v2"}, "shub.E005"),
        ({"MINIO_BUCKET": "static"}, "shub.E005"),
        ({"MINIO_BUCKET": "library", "MINIO_EXTERNAL_SERVER": "registry.example:443"}, "shub.E005"),
        ({"MINIO_BUCKET": "library", "MINIO_EXTERNAL_SERVER": "store.example"}, ""),
        ({"NGINX_STORE_LOCATION": "/-/store"}, "shub.E006"),
        ({"NGINX_STORE_LOCATION": "-/store/"}, "shub.E006"),
        ({"NGINX_STORE_LOCATION": "/-/store/"}, ""),
        ({"MINIO_EXTERNAL_SERVER": "https://store.example"}, "shub.E007"),
        ({"MINIO_EXTERNAL_SERVERS": {"a.example": "store.example/x"}}, "shub.E007"),
        ({"MINIO_EXTERNAL_SSL": False}, "shub.E008"),
        ({"MINIO_EXTERNAL_SERVER": "store.example", "MINIO_EXTERNAL_SSL": False}, "shub.W005"),
        ({"MINIO_CA_FILE": "/nowhere/ca.crt"}, "shub.E009"),
        ({"MINIO_CA_FILE": __file__}, "shub.E009"),
        ({}, ""),
    ],
)
def test_what_a_deployment_cannot_be_is_found_before_it_starts(
    settings: pytest.FixtureRequest, given: dict[str, object], found: str
) -> None:
    settings.PUBLIC_URL = "https://registry.example"
    settings.SERVED_BY_TLS = True
    settings.MINIO_SERVER = "minio:9000"
    settings.MINIO_EXTERNAL_SERVER = "registry.example"
    settings.MINIO_EXTERNAL_SSL = True
    for name, value in given.items():
        setattr(settings, name, value)
    said = [message.id for message in checks.run_checks(include_deployment_checks=True)]
    assert [code for code in CODES if code in said] == ([found] if found else [])
