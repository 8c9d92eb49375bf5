"""What a signed-in user may ask of auth: their own account and, for administrators, those of others."""

from telltale_ui.http_calls import Json, Page, Params, UserCalls
from telltale_ui.sessions import User


class AccountCalls(UserCalls):
    """Calls of the account and users pages."""

    def me(self) -> User:
        """Whose calls these are, as auth knows them now."""
        return User.from_json(self._object(f"{self._auth}/auth/me"))

    def change_password(self, current: str, new: str) -> None:
        """Give oneself another password; ends every other session."""
        body = {"current_password": current, "new_password": new}
        self._call("POST", f"{self._auth}/auth/password", body=body)

    def sessions(self) -> list[Json]:
        """Where one is signed in, last used first."""
        return self._page(f"{self._auth}/auth/sessions", {}).items

    def end_one_session(self, session_id: str) -> None:
        """Sign out one of one's own sessions."""
        self._call("DELETE", f"{self._auth}/auth/sessions/{session_id}")

    def end_all_sessions(self) -> None:
        """Sign out everywhere, here too."""
        self._call("DELETE", f"{self._auth}/auth/sessions")

    def api_keys(self) -> list[Json]:
        """One's own API keys, newest first."""
        return self._page(f"{self._auth}/auth/api-keys", {}).items

    def create_api_key(self, name: str, scopes: list[str], days: int) -> str:
        """A new API key. Returns its secret, which nobody can look up again."""
        body = {"name": name, "scopes": scopes, "expires_in_days": days}
        return str(self._send("POST", f"{self._auth}/auth/api-keys", body)["key"])

    def revoke_api_key(self, key_id: str) -> None:
        """Make an API key worthless."""
        self._call("DELETE", f"{self._auth}/auth/api-keys/{key_id}")

    def users(self, params: Params) -> Page:
        """One page of accounts."""
        return self._page(f"{self._auth}/users", params)

    def change_user(self, user_id: str, body: Json) -> Json:
        """Change ``role`` or ``is_active`` of an account."""
        return self._send("PATCH", f"{self._auth}/users/{user_id}", body)

    def sessions_of(self, user_id: str) -> list[Json]:
        """Where an account is signed in, last used first."""
        return self._page(f"{self._auth}/users/{user_id}/sessions", {}).items

    def end_sessions_of(self, user_id: str) -> None:
        """Sign an account out everywhere."""
        self._call("DELETE", f"{self._auth}/users/{user_id}/sessions")
