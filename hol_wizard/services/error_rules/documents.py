"""Parses the body of an error: code and message, in each of the formats that the services use."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Form = Literal["document", "text", "page", "nothing"]
"""`document`: a service's error format; `text`: a message without a code; `page`: HTML, which only a proxy, a load
balancer or a web server sends to a program; `nothing`: an empty body."""

_SCIM_ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:error"
"""RFC 7644, section 3.12; its `status` is a string."""
_CODE_AND_WORDS = re.compile(r"([A-Z][A-Za-z0-9_]+): (\S.*)", re.DOTALL)
"""databricks-sdk, errors/deserializer.py, `_StringErrorDeserializer`; Command Execution API (`ContextNotFound: …`)."""
_PAGE = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MOST = 20_000
"""Maximum length of a body that is parsed."""


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """The contents of an error."""

    form: Form
    code: str = ""
    words: str = ""
    details: tuple[tuple[str, str], ...] = ()
    """Codes and messages of nested errors."""
    policies: tuple[str, ...] = ()
    """Display names of the policies that refused (`additionalInfo[].info.policyDefinitionDisplayName`)."""

    @classmethod
    def read(cls, body: Any, header_code: str = "") -> ErrorDocument:
        """Parse a body.

        Args:
            body: Parsed if it is JSON, otherwise text, or None.
            header_code: Code from the headers (`x-ms-error-code`); the only information for a HEAD request.
        """
        found = cls._of(body)
        if header_code and not found.code:
            return cls("document", header_code, found.words, found.details, found.policies)
        return found

    @classmethod
    def _of(cls, body: Any) -> ErrorDocument:
        if isinstance(body, Mapping):
            return _of_json(body)
        if isinstance(body, bytes):
            body = body.decode("utf-8", "replace")
        if not isinstance(body, str) or not body.strip("\ufeff \t\r\n"):
            return cls("nothing")
        text = body.lstrip("\ufeff")[:_MOST]
        if _PAGE.match(text):
            return cls("page")
        if code := re.search(r"<Code>([^<]*)</Code>", text):
            words = re.search(r"<Message>([^<]*)</Message>", text)
            return cls("document", html.unescape(code[1]).strip(), html.unescape(words[1]).strip() if words else "")
        if found := _CODE_AND_WORDS.match(text.strip()):
            return cls("document", found[1], found[2])
        return cls("text", words=text.strip())


@dataclass(slots=True)
class _Members:
    """The members of a JSON object by their names in lowercase: services use both `code` and `Code`."""

    members: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> _Members:
        return cls({str(name).lower(): each for name, each in value.items()} if isinstance(value, Mapping) else {})

    def text(self, *names: str) -> str:
        """Return the first of the members that has a value, as text."""
        for name in names:
            value = self.members.get(name)
            if isinstance(value, Mapping):
                # OData's format of messages: {"lang": "en", "value": "..."}.
                value = _Members.of(value).members.get("value")
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value).strip()
        return ""

    def each(self, name: str) -> Iterable[_Members]:
        """Return the objects of a list; none if it is something else."""
        value = self.members.get(name)
        return [_Members.of(each) for each in value if isinstance(each, Mapping)] if isinstance(value, list) else ()


def _of_json(body: Mapping[str, Any]) -> ErrorDocument:
    outer = _Members.of(body)
    if isinstance(outer.members.get("errorresponse"), Mapping):
        outer = _Members.of(outer.members["errorresponse"])
    errors = list(outer.each("errors"))
    error = outer.members.get("error", outer.members.get("odata.error"))
    if isinstance(error, str):
        if description := outer.text("error_description"):
            return ErrorDocument("document", error, description)
        # The Command Execution API returns only a message.
        found = _CODE_AND_WORDS.match(error)
        code, words = found.groups() if found else (outer.text("error_code"), error)
        return ErrorDocument("document", code, words)
    inner = _Members.of(error) if isinstance(error, Mapping) else (errors[0] if errors else outer)
    code = _narrower(inner) or inner.text("code", "error_code", "typekey") or _scim_code(inner)
    details = tuple((each.text("code"), each.text("message")) for each in inner.each("details"))
    words = inner.text("message", "detail", "error_description")
    if words == code or not words:
        words = next((said for _, said in details if said), "")
    if results := _validation_results(inner):
        words = f"{words} {results}"
    policies = tuple(_policies(inner))
    return ErrorDocument("document" if code or words else "nothing", code, words, details, policies)


def _narrower(error: _Members) -> str:
    """Return Key Vault's reason (`ForbiddenByRbac`); Microsoft Graph's `innerError` has none."""
    return _Members.of(error.members.get("innererror")).text("code")


def _validation_results(error: _Members) -> str:
    """Return why Azure DevOps does not queue a build, which its message omits (azure-devops-cli-extension issue
    1032)."""
    results = _Members.of(error.members.get("customproperties")).each("validationresults")
    return "; ".join(filter(None, (each.text("message") for each in results)))


def _scim_code(error: _Members) -> str:
    """Return the code of a SCIM error: its `scimType`, otherwise databricks-sdk's name for it (`SCIM_404`)."""
    schemas = error.members.get("schemas")
    if isinstance(schemas, list) and _SCIM_ERROR in {str(schema).lower() for schema in schemas}:
        kind, status = error.text("scimtype"), error.text("status")
        return kind or (f"SCIM_{status}" if status else "")
    return ""


def _policies(error: _Members) -> Iterable[str]:
    for entry in error.each("additionalinfo"):
        info = _Members.of(entry.members.get("info"))
        if name := info.text("policydefinitiondisplayname", "policyassignmentdisplayname"):
            yield name
