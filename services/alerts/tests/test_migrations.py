"""Migrating: it may be interrupted anywhere, and begun again."""

from collections.abc import Callable

import pytest

from telltale_shared.testing import Access, Servers
from telltale_shared.testing_migrations import described, upgrade, upgrade_in_pieces


@pytest.mark.timeout(600)
def test_interrupted_migrations_are_repeated(servers: Servers, new_database: Callable[[], Access]) -> None:
    whole, pieces = new_database(), new_database()
    upgrade("alerts", whole)
    assert upgrade_in_pieces("alerts", pieces) > 10
    assert described(servers, pieces) == described(servers, whole)
