"""Who we are to Salesforce: the client credentials of an app, and a token of it that is asked for anew when it has ended."""

from collections.abc import Generator

import httpx

from features.errors import UnreachableError
from pipelines.crm.connector import Address
from pipelines.crm.http import SAID

KEY, KEY_SECRET = "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"


class Login(httpx.Auth):
    """Adds a token to each request.

    Parameters
    ----------
    address : Address
        The organisation's own domain, which alone gives tokens for client credentials.
    """

    requires_response_body = True

    def __init__(self, address: Address, client_id: str, client_secret: str) -> None:
        self.name, self.place = address.name, f"{address.base}/services/oauth2/token"
        self._told = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is None:
            yield from self._ask()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:  # a session ends by itself after some hours
            yield from self._ask()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _ask(self) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield httpx.Request("POST", self.place, data=self._told)
        try:
            told = response.json()
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        if not response.is_success or "access_token" not in told:
            why = str(told.get("error_description") or told.get("error") or response.reason_phrase)[:SAID]
            raise UnreachableError(
                f"{self.name} gives us no token ({response.status_code}: {why}); are {KEY} and {KEY_SECRET} in the environment "
                "still valid, and may the app use the client credentials flow?"
            )
        self._token = told["access_token"]
