"""Who may call what: the detector answers for its health alone. See ``telltale_shared.security.access``."""

from telltale_detector.app import create_app
from telltale_detector.settings import Settings
from telltale_shared.testing_access import check_table


def test_every_route_is_in_the_table() -> None:
    check_table("detector", create_app(Settings()))
