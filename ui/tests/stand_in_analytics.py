"""The stand-in's statistics: made up, but of the shapes and sizes of true ones."""

import math
from typing import Any

import stand_in_replies as replies
from starlette.datastructures import QueryParams

POINTS = 120
RANGED = 3_600_000_000


def _figures(scale: float, count: int, anomalies: int) -> dict[str, Any]:
    shares = {"mean": 1.0, "min": 0.9, "max": 1.12, "stddev": 0.03, "p50": 1.0, "p90": 1.04, "p95": 1.06, "p99": 1.08}
    return {
        **{name: scale * share for name, share in shares.items()},
        "count": count,
        "percentiles_relative_error": 0.01,
        "anomalies": anomalies,
    }


def chosen(asked: QueryParams) -> list[int]:
    which: list[int] = replies.choose(asked.getlist("source"), asked.getlist("category"))
    return which


def bounds(asked: QueryParams) -> tuple[int, int]:
    """The range in µs; the last hour where none is asked for."""
    end = replies.us(asked["to"]) if "to" in asked else replies.now_us()
    return (replies.us(asked["from"]) if "from" in asked else end - RANGED), end


def summary(asked: QueryParams) -> dict[str, Any]:
    which = chosen(asked)
    start, end = bounds(asked)
    units = sorted({replies.SERIES[n][2] for n in which})
    moments = [
        {
            "source": replies.SERIES[which[0]][0],
            "category": replies.SERIES[which[0]][1],
            "observed_at": replies.iso(at),
            "value": replies.value_at(which[0], at),
        }
        if which
        else None
        for at in (start, end)
    ]
    return {
        **_figures(52.31, 28_800 if which else 0, 2),
        "first": moments[0],
        "last": moments[1],
        "gaps": {"resolution_seconds": 60, "missing": 3, "series_with_gaps": 1},
        "by_unit": [{"unit": unit, "count": 1, "mean": 1.0, "min": 0.0, "max": 2.0, "stddev": 0.1} for unit in units],
        "previous": _figures(51.9, 28_750, 1) if asked.get("compare") == "true" else None,
        "notes": [],
    }


def _side(asked: QueryParams, place: int, name: str) -> dict[str, Any]:
    seen: dict[str, dict[str, Any]] = {}
    for n in chosen(asked):
        one = replies.SERIES[n]
        seen.setdefault(
            one[place],
            {name: one[place], "unit": one[2], **_figures(one[3], 7_200 + n, n % 3), "previous": None},
        )
        if asked.get("compare") == "true":
            seen[one[place]]["previous"] = _figures(one[3] * 0.98, 7_100, 0)
    return {"items": list(seen.values())}


def categories(asked: QueryParams) -> dict[str, Any]:
    return _side(asked, 1, "category")


def sources(asked: QueryParams) -> dict[str, Any]:
    return _side(asked, 0, "source")


def timeseries(asked: QueryParams) -> dict[str, Any]:
    start, end = bounds(asked)
    step = max(1, (end - start) // POINTS)
    by_category = asked.get("group_by") == "category"
    series = []
    for which in chosen(asked):
        source, category, unit, _ = replies.SERIES[which]

        def points(shift: float, which: int = which) -> list[dict[str, Any]]:
            first = start if shift == 1.0 else 2 * start - end
            return [
                {
                    "at": replies.iso(first + n * step),
                    "count": 30,
                    "mean": value * shift,
                    "min": value * 0.98 * shift,
                    "max": value * 1.02 * shift,
                }
                for n in range(POINTS)
                if not 40 <= n <= 44
                for value in [replies.value_at(which, start + n * step)]
            ]

        series.append(
            {
                "source": None if by_category else source,
                "category": category,
                "unit": unit,
                "points": points(1.0),
                "previous": points(0.97) if asked.get("compare") == "true" else None,
            }
        )
    seconds = max(1, step // 1_000_000)
    return {
        "bucket": f"{seconds}s",
        "bucket_seconds": seconds,
        "time_zone": asked.get("time_zone", "UTC"),
        "previous_shift_seconds": (end - start) / 1e6 if asked.get("compare") == "true" else None,
        "series": series,
        "series_total": len(series),
        "notes": [],
    }


def top(asked: QueryParams) -> dict[str, Any]:
    place = {"series": None, "source": 0, "category": 1}[asked["of"]]
    items: dict[str, dict[str, Any]] = {}
    for n in chosen(asked):
        source, category, unit, base = replies.SERIES[n]
        row = {"source": source, "category": category, "unit": unit, "value": base}
        items[f"{n}" if place is None else replies.SERIES[n][place]] = row
    ranked = sorted(items.values(), key=lambda one: -one["value"])
    return {"items": ranked[: int(asked.get("n", 10))], "total": len(ranked), "notes": []}


def distribution(asked: QueryParams) -> dict[str, Any]:
    items = []
    for n in chosen(asked)[:3]:
        _, _, unit, base = replies.SERIES[n]
        width = base * 0.01
        for k in range(40):
            low = base * 0.8 + k * width
            count = int(1000 * math.exp(-(((k - 20) / 7) ** 2)))
            items.append({"unit": unit, "low": low, "high": low + width, "count": count})
    return {"items": items}
