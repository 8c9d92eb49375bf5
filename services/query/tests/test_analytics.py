"""Analytics by hand: clocks that change, readings that are gone, units side by side, nothing and very little."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from telltale_query.analytics import percentiles
from telltale_shared.instants import EPOCH

from .conftest import Api, now, rfc3339

pytestmark = pytest.mark.anyio

MIDNIGHT = now().replace(hour=0, minute=0, second=0) - timedelta(days=1)
PATHS = ("summary", "categories", "sources", "timeseries", "top", "distribution")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_nothing_has_no_numbers(api: Api) -> None:
    summary = await api.get("/analytics/summary", {"compare": True})
    assert summary["count"] == 0
    assert [summary[name] for name in ("mean", "p99", "first", "last", "previous")] == [None] * 5
    assert summary["gaps"] == {"resolution_seconds": 60, "missing": 0, "series_with_gaps": 0}
    for path in ("categories", "sources", "top", "distribution"):
        assert (await api.get(f"/analytics/{path}"))["items"] == []
    found = await api.get("/analytics/timeseries", {"compare": True})
    assert (found["series"], found["series_total"]) == ([], 0)


async def test_one_reading_is_all_of_its_numbers(api: Api) -> None:
    await api.store([("a", "temperature", MIDNIGHT, 21.5)])
    for exact in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(percentiles, "FEW", int(exact))
            summary = await api.get("/analytics/summary")
        numbers = [summary[name] for name in ("mean", "min", "max", "p50", "p90", "p95", "p99")]
        assert numbers == [21.5] * 7
        assert (summary["count"], summary["stddev"]) == (1, 0)
    assert summary["first"] == summary["last"]
    found = await api.get("/analytics/timeseries")
    assert found["series"][0]["points"] == [
        {"at": rfc3339(MIDNIGHT), "count": 1, "mean": 21.5, "min": 21.5, "max": 21.5}
    ]
    bins = (await api.get("/analytics/distribution"))["items"]
    assert bins == [{"unit": "°C", "low": 21.5, "high": 21.5, "count": 1}]


async def test_units_are_kept_apart(api: Api) -> None:
    await api.store(
        [("a", "temperature", MIDNIGHT, 20.0), ("a", "pressure", MIDNIGHT, 2.0), ("b", "level", MIDNIGHT, 7.0)]
    )
    summary = await api.get("/analytics/summary")
    assert {one["unit"]: one["mean"] for one in summary["by_unit"]} == {None: 7, "bar": 2, "°C": 20}
    units = {one["source"]: one["unit"] for one in (await api.get("/analytics/sources"))["items"]}
    assert units == {"a": None, "b": None}
    bins = (await api.get("/analytics/distribution"))["items"]
    assert [(one["unit"], one["low"]) for one in bins] == [(None, 7), ("bar", 2), ("°C", 20)]
    top = await api.get("/analytics/top", {"of": "series", "by": "max", "n": 2})
    assert [(one["source"], one["category"], one["value"]) for one in top["items"]] == [
        ("a", "temperature", 20), ("b", "level", 7),
    ]  # fmt: skip
    assert top["total"] == 3
    assert "several units" in top["notes"][0]
    assert (await api.get("/analytics/top", {"of": "series", "by": "count"}))["notes"] == []


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Europe/Berlin", "2025-10-24T21:10:30", "2025-10-27T03:00"),
        ("Europe/Berlin", "2025-03-28T20:00", "2025-03-31T04:59:59"),
        ("Australia/Lord_Howe", "2025-04-04T20:00", "2025-04-06T20:20"),
        ("Australia/Lord_Howe", "2025-10-03T21:17", "2025-10-05T20:00"),
        ("Asia/Kathmandu", "2025-10-03T21:17", "2025-10-05T20:00"),
    ],
)
@pytest.mark.parametrize("bucket", ["minute", "hour", "day", "week", "month"])
async def test_the_database_cuts_time_as_the_clock_on_the_wall_does(
    api: Api, zone: str, start: str, end: str, bucket: str
) -> None:
    """Every five minutes a reading that says which bucket it belongs to."""
    begins, length = at(start), min(at(end) - at(start), timedelta(hours=20 if bucket == "minute" else 100))
    instants = [begins + timedelta(minutes=5 * n) for n in range(length // timedelta(minutes=5))]

    def label(instant: datetime) -> tuple[Any, ...]:
        local = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        return {
            "minute": (instant.replace(second=0),),
            # The same hour with another offset is another hour.
            "hour": (local.date(), local.hour, local.utcoffset()),
            "day": (local.date(),),
            "week": tuple(local.isocalendar()[:2]),
            "month": (local.year, local.month),
        }[bucket]

    labels = list(dict.fromkeys(label(instant) for instant in instants))
    await api.store([("a", "level", instant, float(labels.index(label(instant)))) for instant in instants])
    params = {"from": rfc3339(begins), "to": rfc3339(begins + length), "bucket": bucket, "time_zone": zone}
    found = await api.get("/analytics/timeseries", params)
    points = found["series"][0]["points"]
    assert [(point["min"], point["max"]) for point in points] == [(float(n), float(n)) for n in range(len(labels))]
    assert sum(point["count"] for point in points) == len(instants)
    by_category = await api.get("/analytics/timeseries", {**params, "group_by": "category"})
    assert by_category["series"][0]["points"] == points


async def test_gaps_are_silent_minutes_between_readings(api: Api) -> None:
    minute = timedelta(minutes=1)
    some = [("a", "level", MIDNIGHT + n * minute, 1.0) for n in (0, 1, 5, 6, 9)]
    await api.store([*some, *(("b", "level", MIDNIGHT + n * minute, 1.0) for n in range(3, 6))])
    summary = await api.get("/analytics/summary")
    assert summary["gaps"] == {"resolution_seconds": 60, "missing": 5, "series_with_gaps": 1}
    ragged = {"from": rfc3339(MIDNIGHT + 1.5 * minute), "to": rfc3339(MIDNIGHT + 5.5 * minute)}
    assert (await api.get("/analytics/summary", ragged))["gaps"]["missing"] == 3
    assert (await api.get("/analytics/summary", {"min_value": 0}))["gaps"] is None


@pytest.fixture
async def aged(api: Api) -> datetime:
    """An hour of readings before midnight of which only rollups are left, and one after it; the horizon between."""
    await api.store([("a", "level", MIDNIGHT + timedelta(seconds=n), float(n)) for n in range(-3_600, 3_600)])
    await api.run("DELETE FROM records WHERE observed_at < :horizon", {"horizon": MIDNIGHT})
    await api.run("INSERT INTO horizons VALUES ('records', :horizon)", {"horizon": MIDNIGHT})
    return MIDNIGHT


def since(horizon: datetime, start: float, end: float) -> dict[str, Any]:
    """A range in seconds from the horizon on."""
    return {"from": rfc3339(horizon + timedelta(seconds=start)), "to": rfc3339(horizon + timedelta(seconds=end))}


async def test_where_readings_are_gone_the_range_is_rounded_outwards(api: Api, aged: datetime) -> None:
    summary = await api.get("/analytics/summary", {**since(aged, -1_799, -1_201), "compare": True})
    assert (summary["count"], summary["min"], summary["max"]) == (600, -1_800, -1_201)
    assert summary["previous"]["count"] == 600
    assert summary["percentiles_relative_error"] == 0.01
    assert abs(summary["p50"] - -1_501) <= 15.01
    assert "rounded outwards" in summary["notes"][0]
    assert (summary["first"], summary["last"]) == (None, None)
    # One end is still exact.
    summary = await api.get("/analytics/summary", since(aged, -61, 30))
    assert (summary["count"], summary["min"], summary["max"]) == (150, -120, 29)
    whole = await api.get("/analytics/summary", since(aged, -120, 30))
    assert (whole["count"], whole["notes"]) == (150, [])
    later = await api.get("/analytics/summary", since(aged, 5, 30))
    assert (later["count"], later["percentiles_relative_error"], later["notes"]) == (25, 0, [])


async def test_where_readings_are_gone_the_other_answers_hold(api: Api, aged: datetime) -> None:
    params = since(aged, -61, 30)
    points = (await api.get("/analytics/timeseries", {**params, "bucket": "minute"}))["series"][0]["points"]
    assert [(one["at"], one["count"]) for one in points] == [
        (rfc3339(aged + timedelta(minutes=n)), count) for n, count in ((-2, 60), (-1, 60), (0, 30))
    ]
    found = await api.get("/analytics/timeseries", {**params, "bucket": "second"})
    assert [one["count"] for one in found["series"][0]["points"]] == [1] * 30
    assert "not shown in seconds" in found["notes"][-1]
    found = await api.get("/analytics/timeseries", {**params, "bucket": "auto"})
    assert sum(one["count"] for one in found["series"][0]["points"]) == 150
    spread = await api.get("/analytics/distribution", params)
    assert (sum(one["count"] for one in spread["items"]), spread["is_complete"]) == (150, True)
    filtered = await api.get("/analytics/summary", {**params, "max_value": 1_000})
    assert filtered["count"] == 30
    assert "only" in filtered["notes"][0]
    assert (await api.get("/analytics/categories", params))["items"][0]["count"] == 150


async def test_anomalies_outlive_their_readings_behind_the_horizon_only(api: Api, aged: datetime) -> None:
    async with api.engine.connect() as connection:
        series_id = (await connection.exec_driver_sql("SELECT id FROM series")).scalar_one()
    await api.run(
        "INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low,"
        " expected_high, explanation, detected_at) VALUES (:series, :at, 'd', '1', 'spike', 1, 5, 0, 1, '', :at)",
        [{"series": series_id, "at": aged + timedelta(seconds=n)} for n in (-60, 10, 20.5)],
    )
    # The last one judged a reading that was deleted since.
    assert (await api.get("/analytics/summary"))["anomalies"] == 2


async def test_without_sketches_percentiles_come_from_readings_or_are_missing(api: Api) -> None:
    """Rollups from before the migration have none until they were filled in."""
    await api.store([("a", "level", MIDNIGHT + timedelta(seconds=n), float(n)) for n in range(300)])
    await api.store([("b", "temperature", MIDNIGHT + timedelta(seconds=n), float(n)) for n in range(300)])
    for tier in ("minute", "hour", "day"):
        await api.run(f"DELETE FROM sketches_{tier} WHERE series_id = (SELECT MIN(id) FROM series)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles, "FEW", 0)
        found = await api.get("/analytics/summary")
        assert (found["percentiles_relative_error"], found["p50"]) == (0, 149.5)
        patch.setattr(percentiles, "FILTERED", 0)
        found = await api.get("/analytics/summary")
        assert (found["percentiles_relative_error"], found["p50"], found["count"]) == (None, None, 600)
        assert found["notes"] == [percentiles.INCOMPLETE]
        items = (await api.get("/analytics/categories"))["items"]
        assert {one["category"]: one["percentiles_relative_error"] for one in items} == {
            "level": None, "temperature": 0.01,
        }  # fmt: skip


async def test_many_series_are_shown_as_lines_up_to_the_limit(api: Api) -> None:
    await api.store([(f"s{n:03}", "level", MIDNIGHT + timedelta(seconds=n), float(n)) for n in range(120)])
    found = await api.get("/analytics/timeseries")
    assert [one["source"] for one in found["series"]] == [f"s{n:03}" for n in range(50)]
    assert found["series_total"] == 120
    found = await api.get("/analytics/timeseries", {"limit": 200})
    assert len(found["series"]) == found["series_total"] == 120
    (line,) = (await api.get("/analytics/timeseries", {"group_by": "category"}))["series"]
    assert (line["source"], line["category"], sum(one["count"] for one in line["points"])) == (None, "level", 120)


async def test_the_period_before_is_laid_over_by_its_shift(api: Api) -> None:
    await api.store([("a", "level", MIDNIGHT + timedelta(minutes=n), float(n)) for n in range(60)])
    params = since(MIDNIGHT, 1_800, 3_600)
    found = await api.get("/analytics/timeseries", {**params, "bucket": "minute", "compare": True})
    assert found["previous_shift_seconds"] == 1_800
    (line,) = found["series"]
    shifted = [
        (datetime.fromisoformat(one["at"]) + timedelta(seconds=1_800)).replace(tzinfo=None) for one in line["previous"]
    ]
    assert [rfc3339(one) for one in shifted] == [one["at"] for one in line["points"]]
    assert [one["mean"] for one in line["previous"]] == [float(n) for n in range(30)]


async def test_what_would_cost_too_much_is_refused_with_a_hint(api: Api) -> None:
    await api.store([("a", "level", MIDNIGHT, 1.0), ("a", "level", MIDNIGHT + timedelta(days=1), 1.0)])
    response = await api.call("GET", "/analytics/timeseries", params={"bucket": "second"})
    assert response.status_code == 422
    assert "choose auto" in response.json()["errors"][0]["message"]
    for wrong in ({"time_zone": "Mars/Phobos"}, {"bucket": "year"}, {"limit": 201}, {"n": 0}, {"compare": "maybe"}):
        path = "top" if "n" in wrong else "timeseries"
        assert (await api.call("GET", f"/analytics/{path}", params=wrong)).status_code == 422


async def test_an_unbounded_range_ends_with_its_readings(api: Api) -> None:
    await api.store([("a", "level", EPOCH + timedelta(days=400 * n), 1.0) for n in range(40)])
    for zone in ("UTC", "America/New_York"):
        found = await api.get("/analytics/timeseries", {"time_zone": zone})
        assert sum(point["count"] for point in found["series"][0]["points"]) == 40
        assert found["bucket"] == "1mo"
    for path in PATHS:
        assert (await api.call("GET", f"/analytics/{path}")).status_code == 200


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("bucket", ["auto", "month", "day"])
async def test_ranges_at_the_ends_of_time_are_answered(api: Api, zone: str, bucket: str) -> None:
    await api.store([("a", "level", MIDNIGHT, 1.0), ("a", "level", EPOCH, 2.0)])
    first, last = "1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z"
    for start, end, count in (
        (first, last, 2),
        ("1970-01-01T00:00:00.000001Z", "9999-12-30T23:59:59.999999Z", 1),
        ("9999-12-30T00:00:00Z", last, 0),
        ("9999-12-30T00:00:00Z", "9999-12-30T01:00:00Z", 0),
        ("1980-01-01T00:00:00Z", "9000-01-01T00:00:00Z", 1),
        ("5000-01-01T00:00:00Z", "9000-01-01T00:00:00Z", 0),
        (first, "1970-01-01T00:00:01Z", 1),
    ):
        params = {"from": start, "to": end, "compare": True}
        found = await api.get("/analytics/summary", params)
        assert found["count"] == count
        over_time = {**params, "time_zone": zone, "bucket": bucket}
        response = await api.call("GET", "/analytics/timeseries", params=over_time)
        if response.status_code == 422 and bucket == "day":
            continue  # fifty years of days are too many
        assert response.status_code == 200, response.text
        assert sum(one["count"] for line in response.json()["series"] for one in line["points"]) == count


async def test_the_interface_says_units_and_limits(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for name in ("Figures", "Summary", "CategoryFigures", "SourceFigures", "TopItem"):
        assert "relative to it" in schemas[name]["properties"]["percentiles_relative_error"]["description"]
    assert "first and the last" in schemas["Point"]["properties"]["at"]["description"]
    parameters = {
        path: {one["name"]: one for one in document["paths"][f"/api/v1/analytics/{path}"]["get"]["parameters"]}
        for path in PATHS
    }
    assert "1,500" in parameters["timeseries"]["bucket"]["description"]
    assert parameters["timeseries"]["limit"]["schema"]["maximum"] == 200
    assert all("description" in one for some in parameters.values() for one in some.values())
