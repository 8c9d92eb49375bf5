"""Every operation of every service, with whatever its description allows and does not allow, as everyone.

Nothing may answer 5xx, nor otherwise than it is described. TELLTALE_SCHEMA_EXAMPLES says how many calls are made of
each operation; `make fuzz` makes 100.
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.conftest import Stack

from telltale_shared.security import KEY_PREFIX
from telltale_shared.security.access import ACCESS

EXAMPLES = int(os.environ.get("TELLTALE_SCHEMA_EXAMPLES", "2"))
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance, status_code_conformance]
SERVICES = (*(service for service in ACCESS if service not in ("auth", "ui")), "auth")
"""All that describe themselves; last the one where somebody may take the rights from the others."""
KINDS = ("nobody", "viewer", "user", "key", "admin")
"""In this order: whoever comes last may take rights from the others."""


class Caller:
    """Somebody who signs in again when a call before has ended the session."""

    def __init__(self, stack: Stack, kind: str) -> None:
        self._stack = stack
        self._kind = kind
        self._bearer = ""

    def call(self, case: Any) -> Any:
        """Make one call, signed in or not."""
        if self._kind != "nobody" and not self._bearer:
            self._bearer = self._key() if self._kind == "key" else self._stack.token(self._kind)
        headers = {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}
        response = case.call(headers=headers, timeout=60)
        if response.status_code == 401 and self._kind != "key":  # what takes no keys answers 401 to a good one, too
            self._bearer = ""
        return response

    def _key(self) -> str:
        with self._stack.client("auth", "user") as auth:
            wanted = {"name": "fuzz", "scopes": ["read", "readings:write"], "expires_in_days": 1}
            key = str(auth.post("/auth/api-keys", json=wanted).raise_for_status().json()["key"])
        assert key.startswith(KEY_PREFIX)
        return key


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_answers_as_it_is_described(stack: Stack, service: str, kind: str) -> None:
    schema = schemathesis.openapi.from_url(f"{stack.url(service)}/openapi.json")
    caller = Caller(stack, kind)
    failed = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                call_often(operation.as_strategy(generation_mode=mode), caller)
            except Unsatisfiable:  # nothing can be wrong with a call that takes nothing
                continue
            except Exception as error:  # noqa: BLE001 - one test tells of all operations
                failed.append(f"{operation.method.upper()} {operation.path}: {error}")
    assert not failed, "\n\n".join(failed)


def call_often(cases: SearchStrategy[Any], caller: Caller) -> None:
    """Make ``EXAMPLES`` calls, each compared with the description."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def call(case: Any) -> None:
        case.validate_response(caller.call(case), checks=CHECKS)

    call()
