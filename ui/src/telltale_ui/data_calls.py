"""What a signed-in user may ask of query about data: records, files, statistics and anomalies."""

from telltale_ui.http_calls import Json, Page, Params, UserCalls


class DataCalls(UserCalls):
    """Calls of the pages that show data."""

    # --- series and records

    def series(self) -> list[Json]:
        """Every series with its newest reading, by source and category."""
        items = self._page(f"{self._query}/series", {"limit": 1000}).items
        return sorted(items, key=lambda one: (one["source"], one["category"]))

    def records(self, params: Params) -> Page:
        """One page of records."""
        return self._page(f"{self._query}/records", params)

    def record(self, record_id: str) -> tuple[Json, str]:
        """One record and its ETag."""
        response = self._call("GET", f"{self._query}/records/{record_id}")
        return response.json(), response.headers.get("etag", "")

    def create_record(self, body: Json) -> Json:
        """Store one reading by hand."""
        return self._send("POST", f"{self._query}/records", body)

    def edit_record(self, record_id: str, body: Json, etag: str) -> None:
        """Change a record, unless somebody else did since ``etag`` was read."""
        self._call("PATCH", f"{self._query}/records/{record_id}", body=body, headers={"if-match": etag} if etag else {})

    def delete_record(self, record_id: str, etag: str) -> None:
        """Delete a record, unless somebody else changed it since ``etag`` was read."""
        self._call("DELETE", f"{self._query}/records/{record_id}", headers={"if-match": etag} if etag else {})

    def preview_deletion(self, chosen: Json) -> Json:
        """How many records a filter chooses: ``count``, ``count_is_exact``, and the ``filter`` with an end."""
        return self._send("POST", f"{self._query}/records/deletions/preview", chosen)

    def delete_records(self, chosen: Json, expected_count: int) -> Json:
        """Start to delete what a filter chooses, provided it is still ``expected_count`` records. Returns the job."""
        body = {"filter": chosen, "expected_count": expected_count}
        return self._send("POST", f"{self._query}/records/deletions", body)

    # --- jobs, imports and exports

    def job(self, job_id: str) -> Json:
        """How far a job is."""
        return self._object(f"{self._query}/jobs/{job_id}")

    def cancel_job(self, job_id: str) -> None:
        """Ask a job to stop at its next step."""
        self._call("POST", f"{self._query}/jobs/{job_id}/cancel")

    def preview_import(self, file_name: str, head: bytes, params: Params) -> Json:
        """What the first bytes of a file say: delimiter, header, suggested mapping, first rows, problems."""
        files = {"file": (file_name, head)}
        body: Json = self._call("POST", f"{self._query}/imports/preview", params=params, files=files).json()
        return body

    def imports(self, params: Params) -> Page:
        """One page of imports, newest first."""
        return self._page(f"{self._query}/imports", params)

    def import_(self, import_id: str) -> Json:
        """One import and its job."""
        return self._object(f"{self._query}/imports/{import_id}")

    def import_errors(self, import_id: str, params: Params) -> Page:
        """One page of what was wrong in a file: ``line``, ``column``, ``value``, ``reason``."""
        return self._page(f"{self._query}/imports/{import_id}/errors", params)

    def apply_import(self, import_id: str) -> None:
        """Store the rows of a file that was checked."""
        self._call("POST", f"{self._query}/imports/{import_id}/apply")

    def undo_import(self, import_id: str) -> None:
        """Take an import back, or forget one that was only checked."""
        self._call("DELETE", f"{self._query}/imports/{import_id}")

    def start_export(self, params: Params) -> Json:
        """Have a file made of the records that ``params`` choose."""
        body: Json = self._call("POST", f"{self._query}/exports", params=params).json()
        return body

    def exports(self, params: Params) -> Page:
        """The user's own exports, newest first."""
        return self._page(f"{self._query}/exports", params)

    def delete_export(self, export_id: str) -> None:
        """Stop an export, or delete its file."""
        self._call("DELETE", f"{self._query}/exports/{export_id}")

    # --- analytics and anomalies

    def summary(self, params: Params) -> Json:
        """A range in a few numbers."""
        return self._object(f"{self._query}/analytics/summary", params)

    def categories(self, params: Params) -> Json:
        """The same numbers side by side, per category."""
        return self._object(f"{self._query}/analytics/categories", params)

    def sources(self, params: Params) -> Json:
        """The same numbers side by side, per source."""
        return self._object(f"{self._query}/analytics/sources", params)

    def timeseries(self, params: Params) -> Json:
        """The values of a range, in as many points as a chart can show."""
        return self._object(f"{self._query}/analytics/timeseries", params)

    def top(self, params: Params) -> Json:
        """The series, sources or categories with most or least of something."""
        return self._object(f"{self._query}/analytics/top", params)

    def distribution(self, params: Params) -> Json:
        """How often which values were measured, in bins of equal width per unit."""
        return self._object(f"{self._query}/analytics/distribution", params)

    def anomalies(self, params: Params) -> Page:
        """One page of anomalies, newest first."""
        return self._page(f"{self._query}/anomalies", params)

    def judge_anomaly(self, anomaly_id: str, verdict: str | None) -> None:
        """Record a person's verdict: ``confirmed``, ``dismissed`` or ``None``."""
        self._call("PATCH", f"{self._query}/anomalies/{anomaly_id}", body={"verdict": verdict})

    def sensitivity(self, source: str, category: str) -> Json:
        """How sensitive a series is watched, and what verdicts taught."""
        return self._object(f"{self._query}/sensitivity", {"source": source, "category": category})

    def set_sensitivity(self, source: str, category: str, chosen: Json, *, forget_verdicts: bool = False) -> None:
        """Watch a series with ``level`` or ``threshold``, as ``chosen`` says."""
        body = {"source": source, "category": category, "forget_verdicts": forget_verdicts, **chosen}
        self._call("PUT", f"{self._query}/sensitivity", body=body)

    def try_sensitivity(self, trial: Json) -> Json:
        """What a sensitivity would have marked among stored readings; changes nothing."""
        return self._send("POST", f"{self._query}/anomalies/try", trial)

    def generator(self) -> Json:
        """What the generator does right now: its ``source``, ``rate`` and ``series``."""
        return self._object(f"{self._generator}/generator")

    def inject_anomaly(self, body: Json) -> Json:
        """Have the generator produce one anomaly, to see it caught."""
        return self._send("POST", f"{self._generator}/generator/anomalies", body)
