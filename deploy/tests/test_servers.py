"""What keeps the private servers from being set up."""

from pathlib import Path

import pytest
from layout import Layout, StackError
from servers import create_database_folder


def test_a_path_that_mariadb_cannot_be_set_up_in_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "my plant"
    with pytest.raises(StackError, match=f"the blank in {folder}.*; clone into a path without one"):
        create_database_folder(Layout(folder))
    assert not folder.exists()
