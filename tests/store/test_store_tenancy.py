from pathlib import Path

import pytest

from asdstream.store.database import StoreError
from asdstream.store.tenancy import Tenancy


def test_a_second_daemon_on_a_database_is_refused_in_a_sentence_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "state" / "asdstream.db"
    with Tenancy(path):
        with (
            pytest.raises(StoreError, match=r"Another daemon works with .*asdstream\.db already"),
            Tenancy(path),
        ):
            pass
        with Tenancy(path.with_name("other.db")):
            pass
    with Tenancy(path):
        pass


def test_where_no_lock_can_be_made_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Tenancy(tmp_path / "file" / "asdstream.db"):
        pass
