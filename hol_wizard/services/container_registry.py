"""Images in Azure Container Registry, by the OCI distribution API.

A token of Azure Resource Manager is exchanged for the registry's refresh token, and that for one with a scope
(Azure/acr, AAD-OAuth.md; recorded of the Azure CLI).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from hol_wizard.errors import AccessDeniedError, InconclusiveError
from hol_wizard.services.answers import Document
from hol_wizard.services.rest import Reply, RestClient

_MANIFESTS: Final = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class ContainerRegistries:
    """The registries that the signed-in account may pull from."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def has_image(self, server: str, repository: str, reference: str) -> bool:
        """Return whether a registry has an image (`digest`)."""
        return bool(self.digest(server, repository, reference))

    def digest(self, server: str, repository: str, reference: str) -> str:
        """Return the digest of an image; empty if the registry does not have it.

        Args:
            server: The registry's login server.
            repository: The image's name in it.
            reference: A digest or a tag.

        Raises:
            AccessDeniedError: The account may not pull from the registry.
            InconclusiveError: The registry did not answer as a registry.
        """
        token = self._token(server, f"repository:{repository}:pull")
        headers = {"Authorization": f"Bearer {token}", "Accept": _MANIFESTS}
        reply = self._send("HEAD", server, f"/v2/{repository}/manifests/{reference}", headers)
        if reply.status == 404:
            return ""
        if reply.status == 401:
            raise _denied(server)
        if reply.status != 200:
            raise _strange(server, reply)
        # Each registry must name it (OCI distribution specification, "Checking if content exists in the registry").
        if not (found := reply.headers.get("docker-content-digest", "")):
            raise _strange(server, reply)
        return found

    def _token(self, server: str, scope: str) -> str:
        mine = self._rest.token().reveal()
        form = {"grant_type": "access_token", "service": server, "access_token": mine}
        refresh = self._exchanged(server, "/oauth2/exchange", form, "refresh_token")
        form = {"grant_type": "refresh_token", "service": server, "scope": scope, "refresh_token": refresh}
        return self._exchanged(server, "/oauth2/token", form, "access_token")

    def _exchanged(self, server: str, path: str, form: dict[str, str], wanted: str) -> str:
        reply = self._send("POST", server, path, _FORM, urlencode(form).encode())
        if reply.status in {401, 403}:
            raise _denied(server)
        if reply.status != 200 or not isinstance(reply.body, dict):
            raise _strange(server, reply)
        return Document(reply.body, reply.source).text(wanted)

    def _send(
        self, method: str, server: str, path: str, headers: dict[str, str], content: bytes | None = None
    ) -> Reply:
        url, thing = f"https://{server}{path}", f"the registry {server}"
        return self._rest.send(method, url, thing=thing, headers=headers, content=content, signed=False)


def _denied(server: str) -> AccessDeniedError:
    return AccessDeniedError(
        f"Your account may not pull from the registry {server}.", "Ask its owner for the role AcrPull."
    )


def _strange(server: str, reply: Reply) -> InconclusiveError:
    return InconclusiveError(f"The registry {server} answered with HTTP {reply.status}.", "Check again in a minute.")
