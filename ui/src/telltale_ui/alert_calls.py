"""What a signed-in user may ask of alerts."""

from telltale_ui.http_calls import Json, Page, Params, UserCalls


class AlertCalls(UserCalls):
    """Calls of the page that shows alerts."""

    def alert_status(self) -> Json:
        """How many alerts are in which state, and what cannot be told right now."""
        return self._object(f"{self._alerts}/alerts/status")

    def alerts(self, params: Params) -> Page:
        """One page of alerts, newest first."""
        return self._page(f"{self._alerts}/alerts", params)

    def alert(self, alert_id: str) -> Json:
        """One alert with its history."""
        return self._object(f"{self._alerts}/alerts/{alert_id}")

    def acknowledge_alert(self, alert_id: str, note: str) -> None:
        """Say that one looks after an alert."""
        self._send("POST", f"{self._alerts}/alerts/{alert_id}/acknowledgement", {"note": note})

    def give_alert_back(self, alert_id: str) -> None:
        """Say that nobody looks after an alert any more."""
        self._call("DELETE", f"{self._alerts}/alerts/{alert_id}/acknowledgement")

    def rules(self) -> list[Json]:
        """Every rule."""
        return self._page(f"{self._alerts}/rules", {}).items

    def create_rule(self, body: Json) -> None:
        """Watch by a new rule."""
        self._send("POST", f"{self._alerts}/rules", body)

    def change_rule(self, rule_id: str, body: Json, version: int) -> None:
        """Change a rule, unless somebody else did since ``version``."""
        self._call("PUT", f"{self._alerts}/rules/{rule_id}", body=body, headers={"if-match": f'"{version}"'})

    def delete_rule(self, rule_id: str) -> None:
        """Watch by a rule no more."""
        self._call("DELETE", f"{self._alerts}/rules/{rule_id}")

    def try_rule(self, rule: Json, start: str, end: str) -> Json:
        """What a rule would have done between two instants; changes nothing."""
        return self._send("POST", f"{self._alerts}/rules/try", {"rule": rule, "from": start, "to": end})

    def silences(self) -> list[Json]:
        """The silences that last."""
        return self._page(f"{self._alerts}/silences", {"limit": 1000}).items

    def begin_silence(self, body: Json) -> None:
        """Keep alerts quiet."""
        self._send("POST", f"{self._alerts}/silences", body)

    def end_silence(self, silence_id: str) -> None:
        """End a silence now."""
        self._call("DELETE", f"{self._alerts}/silences/{silence_id}")

    def webhooks(self) -> list[Json]:
        """Every webhook."""
        return self._page(f"{self._alerts}/webhooks", {}).items

    def create_webhook(self, body: Json) -> Json:
        """A new webhook, with the secret that is shown this once."""
        return self._send("POST", f"{self._alerts}/webhooks", body)

    def change_webhook(self, webhook_id: str, body: Json) -> None:
        """Change all of a webhook but its secret."""
        self._call("PUT", f"{self._alerts}/webhooks/{webhook_id}", body=body)

    def delete_webhook(self, webhook_id: str) -> None:
        """Tell a webhook nothing more."""
        self._call("DELETE", f"{self._alerts}/webhooks/{webhook_id}")

    def try_webhook(self, webhook_id: str) -> Json:
        """Send a trial message: ``delivered`` and ``problem``."""
        return self._send("POST", f"{self._alerts}/webhooks/{webhook_id}/try", {})

    def deliveries(self, webhook_id: str, params: Params) -> Page:
        """One page of what was sent to a webhook, newest first."""
        return self._page(f"{self._alerts}/webhooks/{webhook_id}/deliveries", params)
