"""Who may call what: every operation that the service describes, tried by everyone."""

import pytest

from telltale_shared.security import Role

from .conftest import Api

pytestmark = pytest.mark.anyio

NEEDS = {
    "GET /series": Role.VIEWER,
    "GET /records": Role.VIEWER,
    "GET /records/export": Role.VIEWER,
    "POST /records": Role.USER,
    "GET /records/{record_id}": Role.VIEWER,
    "PATCH /records/{record_id}": Role.USER,
    "DELETE /records/{record_id}": Role.USER,
    "GET /analytics/summary": Role.VIEWER,
    "GET /analytics/categories": Role.VIEWER,
    "GET /analytics/timeseries": Role.VIEWER,
    "GET /anomalies": Role.VIEWER,
    "PATCH /anomalies/{anomaly_id}": Role.USER,
    "GET /ledger": Role.VIEWER,
    "GET /dead-letters": Role.ADMIN,
    "GET /jobs": Role.VIEWER,
    "GET /jobs/{job_id}": Role.VIEWER,
    "POST /jobs/{job_id}/cancel": Role.VIEWER,
    "GET /status": Role.VIEWER,
    "GET /logs": Role.ADMIN,
    "GET /audit": Role.ADMIN,
}


async def test_every_operation_asks_for_its_role(api: Api) -> None:
    paths = (await api.http.get("/openapi.json")).json()["paths"]
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/")
    }
    assert operations == NEEDS.keys()
    for operation, needed in NEEDS.items():
        method, path = operation.split()
        path = path.format(record_id="1-1", anomaly_id="1", job_id="1") if "{" in path else path
        anonymous = await api.http.request(method, f"/api/v1{path}")
        assert anonymous.status_code == 401, operation
        assert anonymous.headers["content-type"] == "application/problem+json"
        for role in Role:
            refused = (await api.call(method, path, role=role, json={})).status_code == 403
            assert refused is not role.includes(needed), f"{operation} as {role}"
