from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from telltale_detector import checkpoint
from telltale_detector.checkpoint import Checkpoint, Position, UnreadableCheckpoint
from telltale_shared.detection.model import Model, Readings
from telltale_shared.detection.state import PLACE, Columns, Integers, Kind

MINUTE = 60_000_000


def times(first: int, count: int) -> Integers:
    return 1_767_225_600_000_000 + MINUTE * np.arange(first, first + count, dtype=np.int64)


def taught(series: int = 3, readings: int = 2_000) -> Model:
    model = Model()
    rng = np.random.default_rng(1)
    for n in range(series):
        row = model.table.row(f"s{n}", "temperature", "°C" if n else None)
        assert row is not None
        model.score(Readings(np.full(readings, row), times(0, readings), rng.normal(20, 1, readings)))
    return model


def kept(model: Model) -> Checkpoint:
    return Checkpoint(Position(7, 8, 9), model.table)


def test_a_model_that_comes_back_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    model = taught()
    path = tmp_path / "new folder" / "one.checkpoint"
    size = checkpoint.save(path, kept(model))
    assert path.stat().st_size == size
    assert [file.name for file in path.parent.iterdir()] == ["one.checkpoint"]
    loaded = checkpoint.load(path, capacity_limit=10)
    assert loaded is not None
    assert loaded.position == Position(7, 8, 9)
    again = Model(loaded.table)
    assert again.table.series == model.table.series
    assert again.table.row("s2", "temperature", "°C") == 2
    assert again.table.row("new", "temperature", None) == 3
    value = np.random.default_rng(2).normal(20, 1, 500)
    value[100:] += 15
    more = Readings(np.full(500, 1), times(2_000, 500), value)
    one, other = model.score(more), again.score(more)
    assert one.anomalies == other.anomalies != []
    assert np.array_equal(one.score, other.score)


def test_limits_come_back_too_also_those_of_series_not_seen_yet(tmp_path: Path) -> None:
    model = taught(2, 100)
    model.table.adopt({("s1", "temperature"): {Kind.SPIKE: 9.0}, ("later", "temperature"): {Kind.FLATLINE: 12.0}})
    checkpoint.save(tmp_path / "one", kept(model))
    loaded = checkpoint.load(tmp_path / "one", capacity_limit=10)
    assert loaded is not None
    table = loaded.table
    limit = Columns(table.block).limit
    assert limit[:, 0].tolist() == [6.0] * 6
    assert limit[:, 1].tolist() == [9.0, *[6.0] * 5]
    assert table.row("later", "temperature", None) == 2
    assert Columns(table.block).limit[PLACE[Kind.FLATLINE], 2] == 12.0
    table.adopt({})
    assert (Columns(table.block).limit[:, :3] == 6.0).all()


def test_there_may_be_none_yet(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "none", capacity_limit=10) is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_anywhere_is_noticed(data: st.DataObject) -> None:
    content = bytearray(checkpoint.encode(kept(taught(1, 5))))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableCheckpoint):
        checkpoint.decode(bytes(content), capacity_limit=10)
    with pytest.raises(UnreadableCheckpoint):
        checkpoint.decode(bytes(content[:place]), capacity_limit=10)


def test_an_unusable_one_is_a_warning_and_a_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "one.checkpoint"
    path.write_bytes(b"what is this?")
    with capture_logs() as logs:
        assert checkpoint.load(path, capacity_limit=10) is None
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_another_version_of_the_model_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    content = checkpoint.encode(kept(taught(1, 5)))
    monkeypatch.setattr(checkpoint, "VERSION", "another")
    with pytest.raises(UnreadableCheckpoint, match="model"):
        checkpoint.decode(content, capacity_limit=10)


def test_positions_are_plain_data() -> None:
    position = Position(1, 2, 3)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(position), type=Position) == position
