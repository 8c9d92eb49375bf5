"""Who may call what: the writer answers for its health alone. See ``telltale_shared.security.access``."""

from telltale_shared.testing_access import check_table
from telltale_writer.app import create_app
from telltale_writer.settings import Settings


def test_every_route_is_in_the_table() -> None:
    check_table("writer", create_app(Settings()))
