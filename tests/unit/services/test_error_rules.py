from __future__ import annotations

import re
import string

import pytest

from hol_wizard.errors import (
    AbsenceUnclearError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)
from hol_wizard.services.error_rules import (
    BUSY,
    SERVICES,
    Rule,
    Service,
    names_absence,
    of_answer,
    of_failure,
    of_network,
    of_reply,
    of_sign_in,
    rule_for,
    rules,
)

FACTS = {"thing", "original", "host", "tenant", "policy"}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


EVERY_RULE = [rule for service in SERVICES for rule in rules(service)]


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: f"{rule.service}-{rule.code[:30]}")
def test_a_rule_is_whole(rule: Rule) -> None:
    groups = set(re.compile(rule.pattern).groupindex)
    re.compile(rule.code)
    assert placeholders(rule.message + rule.hint) <= FACTS | groups
    assert rule.hint
    assert rule.message.endswith((".", "}"))
    assert issubclass(rule.error, WizardError)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("AADSTS7000215: Invalid client secret provided.", "The client secret is wrong", "AZURE_CLIENT_SECRET"),
        ("AADSTS7000222: The provided client secret keys are expired.", "The client secret has expired", "new secret"),
        (
            "AADSTS700016: Application with identifier 'app-1' was not found",
            "no application app-1",
            "AZURE_CLIENT_ID",
        ),
        ("invalid_grant AADSTS50076: Due to a configuration change", "second factor", "<az login t-1>"),
        ("AADSTS53003: Access has been blocked by Conditional Access", "Conditional Access", "browser"),
        ("invalid_grant AADSTS700082: The refresh token has expired", "The sign-in has expired", "az login"),
        ("AADSTS50173: The provided grant has expired due to it being revoked", "revoked", "Sign in again"),
        ("User 'me' does not exist in MSAL token cache. Run `az login`.", "has expired", "Sign in again"),
        ("AADSTS90002: Tenant 'x' not found.", "no such directory (tenant): t-1", "AZURE_TENANT_ID"),
        ("authorization_declined AADSTS70018: declined", "declined", "Try again"),
        (
            "AADSTS700211: No matching federated identity record found for issuer",
            "has the issuer",
            "<step variable-group",
        ),
        ("AADSTS700213: No matching federated identity record found for subject", "has the subject", "created again"),
        ("AADSTS700212: No matching federated identity record found for audience", "matches this token", "audience"),
        ("AADSTS700223: disabled", "does not allow federated credentials for applications", "managed identity"),
        ("AADSTS700238: constrained", "with the issuer of your Azure DevOps organization", "administrator"),
        ("AADSTS70025: The client has no configured federated identity credentials", "no federated", "a minute or two"),
        ("AADSTS70052: The identity must be a managed identity", "several directories", "AzureADMyOrg"),
        ("AADSTS700024: Client assertion is not within its valid time range", "more than ten minutes", "beginning of"),
        ("expired_token", "not typed in time", "15 minutes"),
        ("something new\nsecond line", "The sign-in failed: something new", "Sign in again"),
        ("", "no reason given", "Sign in again"),
    ],
)
def test_a_sign_in_that_fails_says_what_to_do(words: str, message: str, hint: str) -> None:
    error = of_sign_in(words, tenant="t-1", thing="app-1")
    assert isinstance(error, SignInError)
    assert message in error.message
    assert hint in error.hint
    assert error.detail == words


def test_without_a_tenant_the_command_has_a_place_for_it() -> None:
    assert "<az login TENANT>" in of_sign_in("AADSTS50076: MFA").hint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
         "certificate in certificate chain (_ssl.c:1006)')",
         "not trusted (self-signed certificate in certificate chain)"),
        ("ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))", "The proxy blocks"),
        ("OSError('Tunnel connection failed: 407 Proxy Authentication Required')", "requires a name and a password"),
        ("Failed to resolve 'x' ([Errno -2] Name or service not known)", "cannot be resolved"),
        ("[Errno 11001] getaddrinfo failed", "cannot be resolved"),
        ("[WinError 10061] No connection could be made because the target machine actively refused it", "refuses"),
        ("Connection to x timed out. (connect timeout=3.0)", "did not answer in time"),
        ("('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))", "dropped"),
        ("something new", "cannot be reached"),
    ],
)  # fmt: skip
def test_a_connection_that_fails_says_why(words: str, message: str) -> None:
    error = of_network(words, "management.azure.com")
    assert isinstance(error, UnreachableError)
    assert message in error.message
    assert error.detail == words


def test_what_azure_says_in_the_details_is_kept() -> None:
    body = {"error": {"code": "Conflict", "message": "Many.", "details": [{"code": "Inner", "message": "The reason."}]}}
    assert "Inner: The reason." in of_answer("arm", 409, body, "thing").detail


def test_an_answer_that_is_no_error_document_is_told_too() -> None:
    assert "HTTP 500" in of_answer("arm", 500, None, "thing").message
    assert "a page of HTML" in of_answer("arm", 500, "<html>", "thing").detail


OWN_WORDS: list[tuple[Service, str]] = [
    ("arm", "ResourceNotFound"),
    ("arm", "ResourceGroupNotFound"),
    ("arm", "ParentResourceNotFound"),
    ("arm", "ContainerNotFound"),
    ("graph", "Request_ResourceNotFound"),
    ("key_vault", "SecretNotFound"),
    ("storage", "PathNotFound"),
    ("storage", "FilesystemNotFound"),
    ("storage", "BlobNotFound"),
    ("storage", "ContainerNotFound"),
    ("databricks", "RESOURCE_DOES_NOT_EXIST"),
    ("devops", "GitRepositoryNotFoundException"),
]
FOREIGN = [
    {"error": {"code": "PageNotFound", "message": "no such page"}},
    {"code": "NotFound", "message": "The resource or one of its dependencies could not be found."},
    {"message": "no Route matched with those values"},
    {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found for 'GET /api/2.0/x'"},
    {},
    None,
    "",
    "404 page not found",
    "<html><head><title>404 Not Found</title></head><body>The page does not exist.</body></html>",
    "<!DOCTYPE html>\n<html><body>Repository 'x' not found</body></html>",
]


@pytest.mark.parametrize(("service", "code"), OWN_WORDS)
def test_a_thing_is_absent_by_the_services_own_word(service: Service, code: str) -> None:
    body = {"typeKey": code} if service == "devops" else {"error": {"code": code, "message": "It is not there."}}
    assert isinstance(of_answer(service, 404, body, "thing"), NotFoundError)


@pytest.mark.parametrize("body", FOREIGN, ids=repr)
@pytest.mark.parametrize("service", [service for service in SERVICES if service not in ("entra", "network", "git")])
def test_no_other_404_says_that_a_thing_is_absent(service: Service, body: object) -> None:
    error = of_answer(service, 404, body, "thing")
    assert isinstance(error, AbsenceUnclearError)
    assert "Cannot tell whether thing exists" in error.message
    assert "<" not in error.message


@pytest.mark.parametrize("status", sorted(BUSY))
@pytest.mark.parametrize(("service", "code"), [*OWN_WORDS, ("arm", ""), ("arm", "AuthorizationFailed")])
def test_a_service_in_trouble_says_nothing_of_what_exists(service: Service, code: str, status: int) -> None:
    error = of_answer(service, status, {"error": {"code": code, "message": "It is not there."}}, "thing")
    assert isinstance(error, UnreachableError)


@pytest.mark.parametrize("status", [403, 407])
@pytest.mark.parametrize("body", ["<html><body>Blocked by policy</body></html>", "Blocked", ""])
def test_a_proxys_page_is_not_the_services_refusal(body: str, status: int) -> None:
    error = of_reply("arm", status, {}, body, "thing", host="management.azure.com", proxy="proxy.corp:3128")
    assert isinstance(error, InconclusiveError)
    assert "proxy.corp:3128" in error.message
    assert "Blocked" not in error.message


@pytest.mark.parametrize("code", ["ResourceNotFound", "TooManyRequests", "InternalServerError", "Conflict"])
def test_an_operation_that_the_service_reports_as_failed_has_failed(code: str) -> None:
    error = of_failure("arm", {"error": {"code": code, "message": "It went wrong."}}, "thing")
    assert isinstance(error, ServiceError)
    assert not isinstance(error, NotFoundError | UnreachableError)


@pytest.mark.parametrize("code", ["", ".*", ".*NotFound", "404", "NOT_KNOWN|NOT_FOUND"])
def test_a_rule_that_would_take_any_404_for_absence_does_not_load(code: str) -> None:
    rule = Rule(service="arm", error=NotFoundError, message="", hint="", code=code)
    assert not names_absence(rule)


def test_braces_in_azures_words_do_no_harm() -> None:
    body = {"error": {"code": "ScopeLocked", "message": "{0} is {locked}"}}
    assert "{0} is {locked}" in of_answer("arm", 409, body, "thing").message


def test_only_what_passes_by_itself_is_worth_another_try() -> None:
    again = rule_for("arm", "AnotherOperationInProgress", "")
    never = rule_for("arm", "QuotaExceeded", "")
    assert again is not None
    assert again.retry
    assert never is not None
    assert not never.retry


@pytest.mark.parametrize("below", ["", "/providers/Microsoft.Authorization/roleAssignments/0a1b"])
def test_who_may_not_give_roles_is_told_where_and_who_may(below: str) -> None:
    scope = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/lake{below}"
    words = (
        "The client 'me' with object id 'o' does not have authorization to perform action "
        f"'Microsoft.Authorization/roleAssignments/write' over scope '{scope}' or the scope is invalid."
    )
    error = of_answer("arm", 403, {"error": {"code": "AuthorizationFailed", "message": words}}, "0a1b")
    assert error.message == "Your account may not assign or remove roles on lake."
    assert "Privileged Identity Management" in error.hint


@pytest.mark.parametrize("number", ["AADSTS50020", "AADSTS51004", "AADSTS90072", "AADSTS50105"])
@pytest.mark.parametrize("word", ["invalid_grant: ", "interaction_required: ", ""])
def test_a_number_is_told_with_its_own_words_and_not_with_those_of_the_general_word(number: str, word: str) -> None:
    original = f"{word}{number}: The account 'a@b.c' is not in the tenant 'Contoso'. Trace ID: 1 Timestamp: 2"
    error = of_sign_in(original)
    assert "Contoso" in error.message
    assert "expired" not in error.message
    assert "second factor" not in error.message


@pytest.mark.parametrize("word", ["invalid_grant", "interaction_required", "access_denied", "invalid_tenant"])
def test_a_number_without_a_rule_never_falls_to_the_general_word(word: str) -> None:
    error = of_sign_in(f"{word}: AADSTS99999: What nobody knows. Trace ID: 1 Correlation ID: 2 Timestamp: 3\nmore")
    assert error.message == f"The sign-in failed: {word}: AADSTS99999: What nobody knows."
    assert error.code == "AADSTS99999"
    assert "Correlation ID: 2" in error.detail


def test_a_region_that_azure_does_not_offer_is_not_a_missing_role() -> None:
    words = (
        "Resource 'lake' was disallowed by Azure: This policy maintains a set of best available regions where your "
        "subscription can deploy resources."
    )
    error = of_answer("arm", 403, {"error": {"code": "RequestDisallowedByAzure", "message": words}}, "lake")
    assert "Choose another region" in error.hint
    assert "Contributor" not in error.hint


def test_the_right_that_is_missing_on_a_linked_scope_is_not_the_one_that_the_account_has() -> None:
    words = (
        "The client 'jane' with object id '1' has permission to perform action 'Microsoft.Databricks/workspaces/write' "
        "on scope '/subscriptions/s/resourceGroups/a'; however, it does not have permission to perform action(s) "
        "'Microsoft.Network/virtualNetworks/join/action' on the linked scope(s) '/subscriptions/s/b' (respectively) or "
        "the linked scope(s) are invalid."
    )
    error = of_answer("arm", 403, {"error": {"code": "LinkedAuthorizationFailed", "message": words}}, "it")
    assert error.message.startswith("Your account may not Microsoft.Network/virtualNetworks/join/action on /subscri")
    assert "Contributor" not in error.hint


def test_a_quota_of_compute_is_not_a_missing_right() -> None:
    words = "Operation could not be completed as it results in exceeding approved standardDDSv5Family Cores quota."
    error = of_answer("arm", 409, {"error": {"code": "OperationNotAllowed", "message": words}}, "it")
    assert "request more quota" in error.hint


def test_a_sign_in_that_is_only_too_old_was_not_revoked() -> None:
    error = of_sign_in("invalid_grant: AADSTS70043: The refresh token has expired or is invalid.")
    assert "sign-in frequency" in error.message
    assert "revoked" not in error.message


@pytest.mark.parametrize("service", [each for each in SERVICES if each not in {"entra", "network", "git"}])
def test_no_remedy_is_better_than_a_wrong_one(service: Service) -> None:
    unknown = of_answer(service, 403, {"error": {"code": "NewsToUs", "message": "No."}}, "it")
    assert "Ask " not in unknown.hint
    assert "details" in unknown.hint


@pytest.mark.parametrize(
    "original",
    [
        "SOCKSHTTPSConnectionPool(host='a.b', port=443): Max retries exceeded (Caused by NewConnectionError("
        "'<urllib3.contrib.socks.SOCKSHTTPSConnection object at 0x7f>: Failed to establish a new connection: "
        "[Errno 111] Connection refused'))",
        "<urllib3.contrib.socks.SOCKSHTTPSConnection object at 0x7f>: Failed to establish a new connection: 0x05: "
        "Connection refused",
        "Error connecting to SOCKS5 proxy 127.0.0.1:9: [Errno 111] Connection refused",
    ],
)
def test_a_socks_proxy_that_refuses_is_not_the_host(original: str) -> None:
    assert of_network(original, "a.b").message == "The proxy blocks a.b, or cannot be reached."
