"""The API's description is held against a live registry, by requests that are made from it."""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.clients import live as registry
from tests.clients.live import Live
from tests.described import DESCRIPTION, assert_described

pytestmark = pytest.mark.timeout(600)

# For each operation; `make fuzz` has more.
EXAMPLES = int(os.environ.get("DESCRIPTION_EXAMPLES") or 25)

described = schemathesis.openapi.from_path(DESCRIPTION)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with registry.started() as running:
        yield running


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.parametrize("with_token", [True, False])
def test_every_answer_is_one_that_is_described(case: Case, live: Live, with_token: bool) -> None:
    headers = {"Authorization": f"Bearer {live.token}"} if with_token else {}
    answer = case.call(base_url=live.url, headers=headers, allow_redirects=False, timeout=30)
    is_json = answer.headers.get("content-type", [""])[0].startswith("application/json")
    assert_described(
        case.method,
        case.formatted_path,
        answer.status_code,
        answer.headers.get("content-type", [""])[0],
        answer.json() if is_json and answer.content else answer.content,
    )
    case.validate_response(
        answer,
        checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
    )
