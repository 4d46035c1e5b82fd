"""Microsoft Entra ID: sign-in in the browser and by device code, service principals, tokens.

What clients need was determined by running MSAL, azure-identity and azure-cli-core (lab/clients.md, 2). Error numbers
and texts: "Microsoft Entra authentication and authorization error codes".
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.directory import assertions, objects
from hol_wizard.practice.entra.sign_ins import APPROVED, DECLINED, SignIns
from hol_wizard.practice.entra.tokens import ACCESS_SECONDS, CODE_SECONDS, Tokens, correlation, encoded, unsigned_jwt
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.world import World

TENANT_ALIASES = frozenset({"organizations", "common", seed.TENANT.lower(), seed.TENANT_DOMAIN})
OPENID_SCOPES = frozenset({"openid", "profile", "offline_access", "email"})
APPROVE = "hol-wizard practice approve"
"""The command with which the owner approves a sign-in."""
_OF_A_REQUEST = ("client_id", "redirect_uri", "state", "response_mode", "code_challenge", "nonce")
"""Parameters of an authorization request that its response needs."""
RESOURCES: Mapping[str, str] = {
    "https://management.core.windows.net": seed.AUDIENCES["management"],
    "https://management.azure.com": "https://management.azure.com",
    "https://graph.microsoft.com": seed.AUDIENCES["graph"],
    "https://vault.azure.net": seed.AUDIENCES["key_vault"],
    "https://storage.azure.com": seed.AUDIENCES["storage"],
    "https://containerregistry.azure.net": seed.AUDIENCES["container_registry"],
    seed.AUDIENCES["databricks"]: seed.AUDIENCES["databricks"],
    seed.AUDIENCES["devops"]: seed.AUDIENCES["devops"],
}
"""Resources for which a token can be requested, spelled as in a scope, without the trailing slash."""


class Entra(Service):
    """Entra ID of the practice tenant."""

    name = "active_directory"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.tokens = world.part(Tokens)
        self.sign_ins = world.part(SignIns)
        add = self.router.add
        add("GET", "/{tenant}/v2.0/.well-known/openid-configuration", self._configuration)
        add("GET", "/{tenant}/discovery/instance", self._instances)
        add("GET", "/{tenant}/discovery/v2.0/keys", lambda request: Response(200, {"keys": []}))
        add("POST", "/{tenant}/oauth2/v2.0/devicecode", self._device_code)
        add("GET", "/{tenant}/oauth2/v2.0/authorize", self._authorize, honors=f"scope {' '.join(_OF_A_REQUEST)}")
        add("GET", "/{tenant}/oauth2/v2.0/authorize/continue", self._continue, honors="ticket")
        add("POST", "/{tenant}/oauth2/v2.0/token", self._token)
        add("POST", "/{tenant}/oauth2/token", self._token_of_version_1)
        add("GET", "/devicelogin", lambda request: Response(200, _page(f"To approve the code, run: {APPROVE} CODE")))
        add("GET", "/{tenant}/oauth2/v2.0/logout", lambda request: Response(200, _page("You are signed out.")))

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the token endpoint's format.

        Args:
            status: The HTTP status.
            code: The OAuth error: `invalid_client`.
            message: The text, which begins with `AADSTS` and its number if it has one.
            more: Further members.
        """
        trace, related = correlation(), correlation()
        stamp = short_timestamp(self.world.clock.now()).replace("T", " ")
        number = message.removeprefix("AADSTS").partition(":")[0]
        body: JsonObject = {
            "error": code,
            "error_description": f"{message} Trace ID: {trace} Correlation ID: {related} Timestamp: {stamp}",
            "error_codes": [int(number)] if number.isdigit() else [],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": related,
            **more,
        }
        if number.isdigit():
            body["error_uri"] = f"{self.world.addresses[self.name]}/error?code={number}"
        return Response(status, body)

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return 404, or 405 if only the method is wrong."""
        if path_is_known:
            return self.error(405, "invalid_request", "AADSTS900561: The endpoint does not accept this request method.")
        return self.error(404, "invalid_request", "AADSTS90000: The requested resource was not found.")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the IDs and cache headers that Entra ID always sends."""
        return {"x-ms-request-id": correlation(), "Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}

    def issuer(self) -> str:
        """Return the issuer of this tenant's tokens."""
        return f"{self.world.addresses[self.name]}/{seed.TENANT}/v2.0"

    def _tenant(self, request: Request) -> str:
        tenant = request.match["tenant"]
        if tenant.lower() not in TENANT_ALIASES:
            raise Refused(
                self.error(
                    400,
                    "invalid_tenant",
                    f"AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID "
                    "and are signing into the correct cloud.",
                )
            )
        return tenant

    def _configuration(self, request: Request) -> Response:
        base = f"{self.world.addresses[self.name]}/{self._tenant(request)}"
        return Response(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": self.issuer(),
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "tenant_region_scope": "EU",
                "cloud_instance_name": "practice",
            },
        )

    def _instances(self, request: Request) -> Response:
        address = self.world.addresses[self.name]
        host = address.removeprefix("https://")
        return Response(
            200,
            {
                "tenant_discovery_endpoint": f"{address}/{seed.TENANT}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            },
        )

    def _device_code(self, request: Request) -> Response:
        self._tenant(request)
        self._public_client(request.form.get("client_id", ""))
        self._audience(request.form.get("scope", ""))
        device, user_code = self.sign_ins.begin(
            "device", request.form.get("client_id", ""), scope=request.form.get("scope", "")
        )
        uri = f"{self.world.addresses[self.name]}/devicelogin"
        return Response(
            200,
            {
                "user_code": user_code,
                "device_code": device,
                "verification_uri": uri,
                "expires_in": CODE_SECONDS,
                "interval": 1,
                "message": f"To sign in, use a web browser to open the page {uri} and enter the code {user_code} to "
                f"authenticate. On the practice cloud, run: {APPROVE} {user_code}",
            },
        )

    def _authorize(self, request: Request) -> Response:
        self._tenant(request)
        query = request.query
        self._public_client(query.get("client_id", ""))
        target = query.get("redirect_uri", "")
        if not target.startswith(("http://localhost", "http://127.0.0.1", "https://localhost", "https://127.0.0.1")):
            return Response(
                400, _page(f"AADSTS50011: The redirect URI '{target}' does not match the ones of the application.")
            )
        self._audience(query.get("scope", ""))
        asked = {name: query.get(name, "") for name in _OF_A_REQUEST}
        found = self.sign_ins.of_address(request.path, request.pairs)
        if found is not None:
            return self._answered(asked, found)
        ticket, code = self.sign_ins.begin("browser", asked["client_id"], target=target, request=asked)
        return self._wait(request, ticket, code)

    def _continue(self, request: Request) -> Response:
        """Handle the repeated requests of the page that waits for the owner."""
        self._tenant(request)
        ticket = request.query.get("ticket", "")
        found = self.sign_ins.find(ticket, "browser")
        if found is None or found["expires"] < self.world.clock.now():
            return Response(400, _page("AADSTS70008: This sign-in has expired. Begin again."))
        if self.sign_ins.outcome(found) not in {APPROVED, DECLINED}:
            return self._wait(request, ticket, str(found["code"]))
        self.sign_ins.end(ticket)
        return self._answered(found["request"], found)

    def _wait(self, request: Request, ticket: str, code: str) -> Response:
        """Return the page that tells the owner how to approve the sign-in, and reloads every second."""
        address = (
            f"{request.base}/{request.match['tenant']}/oauth2/v2.0/authorize/continue?{urlencode({'ticket': ticket})}"
        )
        text = f"To sign in, run this in your terminal: {APPROVE} {code}"
        # The address contains the ticket, which no page that is opened from here may learn.
        headers = {"Refresh": f"1; url={address}", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
        return Response(200, _page(text), headers)

    def _answered(self, asked: Mapping[str, str], sign_in: Mapping[str, Any]) -> Response:
        """Send the result of a browser's sign-in to the application's address."""
        target, response = asked["redirect_uri"], {"state": asked["state"]}
        if sign_in["state"] == DECLINED:
            response |= {"error": "access_denied", "error_description": "AADSTS65004: User declined to consent."}
        else:
            person = seed.PRINCIPALS[sign_in["user"]]
            response["code"] = self.tokens.issue_code(
                person, asked["client_id"], target, asked["code_challenge"], asked["nonce"]
            )
            response["client_info"] = encoded({"uid": person.id, "utid": seed.TENANT})
        if asked["response_mode"] == "form_post":
            return Response(200, _form(target, response))
        return Response(302, headers={"Location": f"{target}{'&' if '?' in target else '?'}{urlencode(response)}"})

    def _token(self, request: Request) -> Response:
        self._tenant(request)
        self.tokens.prune()
        grants = {
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device_code,
            "device_code": self._by_device_code,
            "refresh_token": self._by_refresh_token,
            "authorization_code": self._by_code,
            "client_credentials": self._by_client,
        }
        kind = request.form.get("grant_type", "")
        if kind not in grants:
            return self.error(
                400,
                "unsupported_grant_type",
                "AADSTS70003: The app requested an unsupported grant type "
                f"'{kind}'. Make sure that the grant type is supported.",
            )
        return grants[kind](request)

    def _token_of_version_1(self, request: Request) -> Response:
        """Handle version 1 of the endpoint, from which databricks-sdk requests a service principal's tokens.

        It uses a resource instead of scopes, and returns numbers as strings (azure-identity and msal-python read both
        formats; "Service to service calls using client credentials", Azure AD v1.0).
        """
        self._tenant(request)
        self.tokens.prune()
        if request.form.get("grant_type") != "client_credentials":
            return self.error(400, "unsupported_grant_type", "AADSTS70003: The practice cloud knows no other grant.")
        resource = request.form.get("resource", "")
        if not resource:
            raise Refused(self._missing("resource"))
        response = self._by_client(request, f"{resource}/.default")
        if response.status != 200 or not isinstance(response.body, dict):
            return response
        now = int(self.world.clock.now())
        times = {"expires_on": str(now + ACCESS_SECONDS), "not_before": str(now)}
        seconds = {name: str(response.body[name]) for name in ("expires_in", "ext_expires_in")}
        return Response(200, {**response.body, **seconds, **times, "resource": resource})

    def _by_device_code(self, request: Request) -> Response:
        device = request.form.get("device_code", "")
        document = self.sign_ins.find(device, "device")
        if document is None or document["client"] != request.form.get("client_id"):
            return self.error(400, "bad_verification_code", "AADSTS70001: The device code is not known.")
        if document["expires"] < self.world.clock.now():
            return self.error(400, "expired_token", "AADSTS70020: The provided value for 'device_code' has expired.")
        outcome = self.sign_ins.outcome(document)
        if outcome not in {APPROVED, DECLINED}:
            return self.error(
                400,
                "authorization_pending",
                "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
            )
        self.sign_ins.end(device)
        if outcome == DECLINED:
            return self.error(400, "authorization_declined", "AADSTS70018: The user declined the sign-in.")
        return self._signed_in(seed.PRINCIPALS[document["user"]], str(document["client"]), str(document["scope"]))

    def _by_code(self, request: Request) -> Response:
        code = request.form.get("code", "")
        document = self.tokens.find(code, "code")
        if document is None or document["client"] != request.form.get("client_id"):
            return self.error(
                400, "invalid_grant", "AADSTS70008: The provided authorization code is expired or was redeemed."
            )
        self.tokens.spend(code)
        if document["expires"] < self.world.clock.now():
            return self.error(400, "invalid_grant", "AADSTS70008: The provided authorization code has expired.")
        if document["redirect_uri"] != request.form.get("redirect_uri"):
            return self.error(
                400,
                "invalid_client",
                "AADSTS500112: The reply address does not match the one of the authorization code.",
            )
        if document["challenge"]:
            digest = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != document["challenge"]:
                return self.error(
                    400, "invalid_grant", "AADSTS501481: The Code_Verifier does not match the code_challenge."
                )
        person = seed.PRINCIPALS[document["principal"]]
        return self._signed_in(person, document["client"], request.form.get("scope", ""), document["nonce"])

    def _by_refresh_token(self, request: Request) -> Response:
        document = self.tokens.find(request.form.get("refresh_token", ""), "refresh")
        if document is None:
            return self.error(400, "invalid_grant", "AADSTS9002313: Invalid request. Request is malformed or invalid.")
        if document["expires"] < self.world.clock.now():
            return self.error(
                400,
                "invalid_grant",
                "AADSTS700082: The refresh token has expired due to inactivity. Sign in again.",
                suberror="bad_token",
            )
        # The service lets any client of the same family use it (`foci`): azure-cli is in family 1.
        return self._signed_in(
            seed.PRINCIPALS[document["principal"]], request.form.get("client_id", ""), request.form.get("scope", "")
        )

    def _by_client(self, request: Request, scope: str = "") -> Response:
        client = request.form.get("client_id", "").lower()
        seeded = next((each for each in seed.PRINCIPALS.values() if each.app_id and each.app_id == client), None)
        if not client:
            raise Refused(self._missing("client_id"))
        principal = self._made(client) if seeded is None else seeded
        if "client_assertion" in request.form:
            self._verify_assertion(request, client)
        elif "client_secret" not in request.form:
            return self.error(
                401,
                "invalid_client",
                "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or "
                "'client_secret'.",
            )
        elif seeded is None:
            self._verify_secret(request, client)
        elif not secrets.compare_digest(
            request.form["client_secret"].encode(), str(self.world.setting("ci_secret")).encode()
        ):
            return self._wrong_secret(client)
        audience = self._audience(scope or request.form.get("scope", ""))
        access = self.tokens.issue_access(principal, audience, client, self.issuer())
        return Response(
            200,
            {
                "token_type": "Bearer",
                "expires_in": ACCESS_SECONDS,
                "ext_expires_in": ACCESS_SECONDS,
                "access_token": access,
            },
        )

    def _made(self, client: str) -> seed.Principal:
        """Return the service principal of an application that was created in Graph, or of a managed identity.

        Raises:
            Refused: There is no such application, or no service principal of it.
        """
        principal = objects.service_principal_of(self.world, client)
        # A managed identity has no application.
        if objects.application_of(self.world, client) is None and (principal is None or "resource" not in principal):
            raise Refused(self._unknown_application(client))
        if principal is None:
            raise Refused(
                self.error(
                    401,
                    "invalid_client",
                    f"AADSTS7000229: The client application {client} is missing service principal in the tenant "
                    f"{seed.TENANT}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
                )
            )
        return seed.Principal(principal["id"], principal["displayName"], principal["displayName"], client)

    def _verify_assertion(self, request: Request, client: str) -> None:
        """Return if the assertion in a request proves that the application sent it.

        Raises:
            Refused: It does not.
        """
        if request.form.get("client_assertion_type") != assertions.KIND:
            raise Refused(self._missing("client_assertion_type"))
        base = f"{self.world.addresses[self.name]}/{request.match['tenant']}"
        called = f"{request.base}/{request.match['tenant']}"
        ends = ("/oauth2/v2.0/token", "/v2.0", "/oauth2/token")
        audiences = (*(f"{each}{end}" for each in (base, called) for end in ends), self.issuer())
        try:
            assertions.verify(self.world, client, request.form["client_assertion"], self.issuer(), audiences)
        except assertions.RejectedError as error:
            raise Refused(self.error(error.status, error.code, error.message)) from error

    def _missing(self, name: str) -> Response:
        return self.error(
            400,
            "invalid_request",
            f"AADSTS900144: The request body must contain the following parameter: '{name}'.",
        )

    def _verify_secret(self, request: Request, client: str) -> None:
        """Return if the secret in a request belongs to an application that was created in Graph, or to its principal.

        Raises:
            Refused: It is not.
        """
        kept = objects.client_secret(self.world, client, request.form["client_secret"])
        if kept is None:
            raise Refused(self._wrong_secret(client))
        if kept["end"] <= self.world.clock.now():
            raise Refused(
                self.error(
                    401,
                    "invalid_client",
                    f"AADSTS7000222: The provided client secret keys for app '{client}' are expired. Visit the Azure "
                    "portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using "
                    "certificate credentials for added security: https://aka.ms/certCreds.",
                )
            )

    def _wrong_secret(self, client: str) -> Response:
        return self.error(
            401,
            "invalid_client",
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the "
            f"client secret value, not the client secret ID, for a secret added to app '{client}'.",
        )

    def _signed_in(self, person: seed.Principal, client: str, scope: str, nonce: str = "") -> Response:
        audience = self._audience(scope)
        now = int(self.world.clock.now())
        claims: JsonObject = {
            "aud": client,
            "iss": self.issuer(),
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_SECONDS,
            "name": person.display_name,
            "oid": person.id,
            "preferred_username": person.name,
            "sub": person.id,
            "tid": seed.TENANT,
            "ver": "2.0",
        }
        if nonce:
            claims["nonce"] = nonce
        return Response(
            200,
            {
                "token_type": "Bearer",
                # The device-code poll does not send the scope; without an echo, every get_token would become a refresh.
                "scope": scope,
                "expires_in": ACCESS_SECONDS,
                "ext_expires_in": ACCESS_SECONDS,
                "access_token": self.tokens.issue_access(person, audience, client, self.issuer()),
                "refresh_token": self.tokens.issue_refresh(person, client),
                "id_token": unsigned_jwt(claims),
                "client_info": encoded({"uid": person.id, "utid": seed.TENANT}),
                "foci": "1",
            },
        )

    def _audience(self, scope: str) -> str:
        """Return the resource that the scopes name; Microsoft Graph if they name none."""
        for each in scope.split():
            if each in OPENID_SCOPES:
                continue
            resource = each.rpartition("/")[0].rstrip("/")
            if resource.lower() in RESOURCES:
                return RESOURCES[resource.lower()]
            if resource == self.world.addresses.get("microsoft_graph"):
                # A cloud that is registered with `az` names Graph by its address, and requests tokens by that name.
                return RESOURCES["https://graph.microsoft.com"]
            if resource == self.world.addresses.get("resource_manager"):
                # azureml-mlflow does the same with Resource Manager, according to the cloud's metadata.
                return RESOURCES["https://management.azure.com"]
            raise Refused(
                self.error(
                    400,
                    "invalid_resource",
                    f"AADSTS500011: The resource principal named {resource or each} was not found in the tenant named "
                    f"{seed.TENANT_NAME}. This can happen if the application has not been installed by the "
                    "administrator of the tenant or consented to by any user in the tenant.",
                )
            )
        return RESOURCES["https://graph.microsoft.com"]

    def _public_client(self, client: str) -> None:
        if len(client) != len(seed.TENANT):
            raise Refused(self._unknown_application(client))

    def _unknown_application(self, client: str) -> Response:
        return self.error(
            400,
            "unauthorized_client",
            f"AADSTS700016: Application with identifier '{client}' was not found in the directory "
            f"'{seed.TENANT_NAME}'. This can happen if the application has not been installed by the administrator of "
            "the tenant or consented to by any user in the tenant. You may have sent your authentication request to "
            "the wrong tenant.",
        )


def _page(text: str) -> str:
    return f"<!doctype html><meta charset='utf-8'><title>Practice cloud</title><p>{html.escape(text)}</p>"


def _form(target: str, values: Mapping[str, str]) -> str:
    """Return the page that posts itself to the client: `response_mode=form_post`, which MSAL requests since 2026."""
    fields = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}"/>'
        for name, value in values.items()
    )
    return (
        "<!doctype html><html><head><title>Working...</title></head><body>"
        f'<form method="POST" name="hiddenform" action="{html.escape(target)}">{fields}'
        "<noscript><p>Press the button to go on.</p><input type='submit' value='Submit'/></noscript></form>"
        "<script>window.setTimeout('document.forms[0].submit()', 0);</script></body></html>"
    )
