"""Backups of a small store: whole, checked before anything is touched, and the same again after a restore."""

import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import backup
import keeping
import pytest
from engines import Database
from layout import ROOT, StackError

from telltale_shared.testing import Access, Servers

DATA = """
INSERT INTO {db}.series VALUES (1, 'press-3', 'temp', '°C', 1.5, '2026-11-24 00:00:00'), (2, 'ж', 'x', NULL, 0, NOW(6));
ALTER TABLE {db}.records ADD PARTITION (PARTITION later VALUES LESS THAN ('2030-01-01'));
INSERT INTO {db}.records (series_id, observed_at, value, note)
  SELECT 1, '2026-11-24 10:00:00' + INTERVAL seq SECOND, seq * 0.1, IF(seq % 7, NULL, 'a "note"\\n') FROM {db}.numbers;
INSERT INTO {db}.rollups_minute
  SELECT series_id, DATE_FORMAT(observed_at, '%Y-%m-%d %H:%i:00'), COUNT(*), SUM(value), 0, MIN(value), MAX(value)
  FROM {db}.records GROUP BY 1, 2;
INSERT INTO {db}.rollups_day SELECT series_id, DATE(bucket), SUM(`count`), SUM(total), 0, MIN(minimum), MAX(maximum)
  FROM {db}.rollups_minute GROUP BY 1, 2;
INSERT INTO {db}.sketches_minute VALUES (1, '2026-11-24 10:00:00', x'00ff271c0a0d5c');
INSERT INTO {db}.producers
  (id, producer, service, published, confirmed, watermark, stored, dead, first_seen_at, seen_at)
  VALUES (1, 'gen-1', 'generator', 1005, 1002, 1002, 1000, 2, NOW(6), NOW(6));
INSERT INTO {db}.producer_days (producer_id, day, published, confirmed, stored, repeated, dead)
  VALUES (1, '2026-11-24', 1005, 1002, 1000, 0, 2);
INSERT INTO {db}.dead_letters (reason, detail, payload, fingerprint, arrived_at)
  VALUES ('malformed', 'not JSON', x'fffe00271a', REPEAT('x', 32), NOW(6));
"""


@pytest.fixture
def database(servers: Servers) -> Iterator[Database]:
    """A store with some data, as the only databases that begin with its name."""
    prefix = f"keep{secrets.token_hex(4)}"
    access = Access(f"{servers.mariadb_url}{prefix}", servers.mariadb_password)
    servers.run_sql(f"CREATE DATABASE {prefix} CHARACTER SET utf8mb4; CREATE DATABASE {prefix}_auth;")
    environment = {
        **os.environ,
        "WRITER_MIGRATION_DATABASE_URL": access.url,
        "WRITER_MIGRATION_DATABASE_PASSWORD": access.password,
    }
    subprocess.run([sys.executable, "-m", "telltale_writer.migrate"], env=environment, check=True)
    servers.run_sql(
        f"USE {prefix};"
        f"CREATE TABLE {prefix}.numbers AS SELECT seq FROM seq_1_to_1000;"
        f"CREATE TABLE {prefix}_auth.users (id INT PRIMARY KEY, email TEXT);"
        f"INSERT INTO {prefix}_auth.users VALUES (1, 'a');" + DATA.format(db=prefix)
    )
    client = servers.mariadb_client
    yield Database(client, ["mariadb-dump", *client[1:]], prefix)
    names = backup.databases(Database(client, [], prefix))
    servers.run_sql("".join(f"DROP DATABASE IF EXISTS `{name}`;" for name in [*names, f"{prefix}_restoring"]))


def checksums(database: Database) -> dict[str, str]:
    """Of every table with everything in it."""
    found = {}
    for name in backup.databases(database):
        for (table,) in database.query(f"SHOW TABLES FROM `{name}`"):
            checksum = database.query(f"CHECKSUM TABLE `{name}`.`{table}`")[0][1]
            found[f"{name.removeprefix(database.prefix)}.{table}"] = checksum
    return found


def steps(done: list[str]) -> keeping.Steps:
    def note(what: str) -> Callable[[], None]:
        return lambda: done.append(what)

    return keeping.Steps(note("start"), note("stop"), note("migrate"))


def test_a_restored_store_is_the_same_again(database: Database, tmp_path: Path) -> None:
    before, line = checksums(database), backup.ledger_line(database)
    assert line == "1,005 published, 1,000 stored, 0 missing, 0 repeated, 2 dead"
    path = tmp_path / "new" / "one.backup"
    assert keeping.make_backup(database, path) == 0
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in path.parent.iterdir()] == ["one.backup"]
    database.query(f"DROP DATABASE {database.prefix}")
    database.query(f"DROP DATABASE {database.prefix}_auth")
    done: list[str] = []
    assert keeping.restore(database, path, steps(done), replace=False) == 0
    assert done == ["start", "stop", "migrate"]
    assert checksums(database) == before
    assert backup.ledger_line(database) == line
    assert f"{database.prefix}_restoring" not in [row[0] for row in database.query("SHOW DATABASES")]


def test_a_stack_that_holds_data_is_left_alone_unless_told(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "one.backup"
    keeping.make_backup(database, path)
    database.query(f"DELETE FROM {database.prefix}.records WHERE observed_at > '2026-11-24 10:05:00'")
    before = checksums(database)
    with pytest.raises(StackError, match="REPLACE=yes"):
        keeping.restore(database, path, steps([]), replace=False)
    assert checksums(database) == before
    assert keeping.restore(database, path, steps([]), replace=True) == 0
    assert database.query(f"SELECT COUNT(*) FROM {database.prefix}.records") == [["1000"]]
    with pytest.raises(StackError, match="exists already"):
        keeping.make_backup(database, path)


def test_a_store_that_does_not_add_up_is_named(database: Database, tmp_path: Path) -> None:
    database.query(f"DELETE FROM {database.prefix}.records LIMIT 3")
    database.query(f"UPDATE {database.prefix}.producers SET published = 1000")
    path = tmp_path / "one.backup"
    keeping.make_backup(database, path)
    assert keeping.restore(database, path, steps([]), replace=True) == 1
    assert backup.check(database) == [
        "1 producers whose numbers do not add up", "1 series whose rollups hold other counts than their records",
    ]  # fmt: skip


def rewritten(path: Path, **changed: object) -> Path:
    """A copy of a backup with another manifest."""
    copy = path.with_name("changed.backup")
    with tarfile.open(path) as source, tarfile.open(copy, "w") as target:
        for member in source.getmembers():
            file = source.extractfile(member)
            assert file is not None
            body = file.read()
            if member.name == backup.MANIFEST:
                body = json.dumps(json.loads(body) | changed).encode()
                member.size = len(body)
            target.addfile(member, io.BytesIO(body))
    return copy


def test_what_is_damaged_foreign_or_newer_is_refused_before_anything_is_touched(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "one.backup"
    keeping.make_backup(database, path)
    body = path.read_bytes()
    flipped = tmp_path / "flipped.backup"
    middle = len(body) // 2
    flipped.write_bytes(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])
    short = tmp_path / "short.backup"
    short.write_bytes(body[: len(body) // 2])
    other = tmp_path / "other.backup"
    other.write_text("no backup")
    newer = rewritten(path, migrations={database.prefix: "2099_01_01_future"})
    refusals = [
        (flipped, "damaged"), (short, "damaged"), (other, "no backup"), (tmp_path / "nothing", "no file"),
        (newer, "newer one"),
    ]  # fmt: skip
    for file, why in refusals:
        done: list[str] = []
        with pytest.raises(StackError, match=why):
            keeping.restore(database, file, steps(done), replace=True)
        assert done == []
    with pytest.raises(StackError, match="format 99"):
        keeping.restore(database, rewritten(path, format=99), steps([]), replace=True)


def test_nothing_starts_on_half_a_restore(
    database: Database, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.backup"
    keeping.make_backup(database, path)

    def broken(_: object, __: object) -> None:
        raise StackError("the machine went away")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "load", broken)
        with pytest.raises(StackError, match="went away"):
            keeping.restore(database, path, steps([]), replace=True)
    script = Path(ROOT / "deploy" / "mariadb" / "accounts.sh").read_text()
    refusing = script.replace("telltale\\\\_restoring", f"{database.prefix}\\\\_restoring").split("\n{\n")[0]
    assert database.prefix in refusing
    command = ["sh", "-c", refusing, "accounts.sh", str(tmp_path), *servers.mariadb_client[1:]]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, "interrupted" in refused.stderr) == (1, True), refused
    assert keeping.restore(database, path, steps([]), replace=False) == 0
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0


def test_make_passes_the_file_and_its_options_on() -> None:
    asked = ["make", "restore", "FILE=no-such.backup", "REPLACE=yes", "RUNTIME=native"]
    answer = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode != 0
    assert "there is no file" in answer.stderr
    assert "no-such.backup" in answer.stderr
