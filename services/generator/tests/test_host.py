"""The host source: what the machine says, at the instants of the grid."""

from collections.abc import Mapping

from telltale_generator.sources.host import UNITS, HostSource, Machine
from telltale_shared.validation import check_series, check_value

SECOND = 1_000_000
START = 1_795_000_000 * SECOND + 500_000


def test_one_reading_of_each_category_when_an_instant_has_passed() -> None:
    load = iter(range(100))

    def measure() -> Mapping[str, float]:
        return {"cpu": 12.5, "load": float(next(load))}

    source = HostSource(name="here", rate=1, measure=measure)
    source.begin(START)
    assert source.due(START + SECOND // 4) == []
    assert source.next_due(START) == START + SECOND // 2
    late = source.due(START + 3 * SECOND)
    assert [(one.category, one.unit) for one in late] == [("cpu", "%"), ("load", None)]
    assert {one.observed_at for one in late} == {START + 5 * SECOND // 2}
    source.set_rate(10)
    assert source.next_due(START + 3 * SECOND) == START + 3 * SECOND + SECOND // 10


def test_this_machine_tells_real_values() -> None:
    machine = Machine()
    values = machine()
    assert {"cpu", "memory", "load", "disk"} <= values.keys() <= UNITS.keys()
    assert 0 < values["memory"] < 100
    assert 0 <= values["cpu"] <= 100
    for category, value in values.items():
        assert check_series("host", category, UNITS[category]) is None
        assert check_value(value) is None
