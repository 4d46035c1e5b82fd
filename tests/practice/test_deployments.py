"""Deployments of templates, as `az deployment group create` and `az ml workspace create` send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.practice.conftest import GROUPS, STORAGE, Arm, provider, user_token
from tests.practice_cloud import SPEED, PracticeCloud

VERSION = "2022-09-01"
NAMES = "uniqueString(parameters('resourceGroupName'), parameters('workspaceName'))"
TEMPLATE: dict[str, Any] = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {
        "tagValues": {"type": "object", "defaultValue": {"made": "by template"}},
        "network": {"type": "string", "defaultValue": "[if(equals(parameters('vaultOption'), 'new'), 'none', 'new')]"},
        "workspaceName": {"type": "string"},
        "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        "resourceGroupName": {"type": "string", "defaultValue": "[resourceGroup().name]"},
        "vaultOption": {"type": "string", "defaultValue": "new", "allowedValues": ["new", "existing"]},
        "secret": {"type": "securestring", "defaultValue": "hidden"},
        "vaultName": {"type": "string", "defaultValue": f"[concat('kv', {NAMES})]"},
        "accountName": {"type": "string", "defaultValue": f"[concat('sa', {NAMES})]"},
    },
    "variables": {
        "tenantId": "[subscription().tenantId]",
        "account": "[resourceId('Microsoft.Storage/storageAccounts', parameters('accountName'))]",
        "vault": "[resourceId(parameters('resourceGroupName'), 'Microsoft.KeyVault/vaults', parameters('vaultName'))]",
        "insights": "[resourceId('Microsoft.Insights/components', 'insights')]",
    },
    "resources": [
        {
            "condition": "[equals(parameters('network'), 'new')]",
            "type": "Microsoft.Network/virtualNetworks",
            "apiVersion": "2019-09-01",
            "name": "network",
        },
        {
            "type": "Microsoft.MachineLearningServices/workspaces",
            "apiVersion": "2022-01-01-preview",
            "name": "[parameters('workspaceName')]",
            "location": "[parameters('location')]",
            "tags": "[parameters('tagValues')]",
            "dependsOn": ["[variables('account')]", "[variables('vault')]", "[variables('insights')]"],
            "identity": {"type": "systemAssigned"},
            "properties": {
                "storageAccount": "[variables('account')]",
                "keyVault": "[variables('vault')]",
                "applicationInsights": "[variables('insights')]",
                "containerRegistry": "[if(not(equals('none', 'none')), 'one', json('null'))]",
            },
        },
        {
            "type": "Microsoft.Storage/storageAccounts",
            "apiVersion": "2019-04-01",
            "name": "[parameters('accountName')]",
            "location": "[parameters('location')]",
            "sku": {"name": "Standard_LRS"},
            "kind": "StorageV2",
            "properties": {"supportsHttpsTrafficOnly": True},
        },
        {
            "condition": "[equals(parameters('vaultOption'), 'new')]",
            "type": "Microsoft.KeyVault/vaults",
            "apiVersion": "2019-09-01",
            "name": "[parameters('vaultName')]",
            "location": "[parameters('location')]",
            "dependsOn": ["[resourceId('Microsoft.Network/virtualNetworks', 'network')]"],
            "properties": {
                "tenantId": "[variables('tenantId')]",
                "sku": {"name": "standard", "family": "A"},
                "accessPolicies": [],
            },
        },
        {
            "type": "Microsoft.Insights/components",
            "apiVersion": "2018-05-01-preview",
            "name": "insights",
            "location": "[toLower(parameters('location'))]",
            "kind": "web",
            "properties": {"Application_Type": "web"},
        },
    ],
    "outputs": {
        "account": {"type": "string", "value": "[reference(variables('account')).primaryEndpoints.blob]"},
        "id": {"type": "string", "value": "[variables('vault')]"},
    },
}


def path(name: str = "one", below: str = "") -> str:
    return f"/resourcegroups/lab/providers/Microsoft.Resources/deployments/{name}{below}"


def body(template: Any = None, **parameters: Any) -> dict[str, Any]:
    given = {name: {"value": value} for name, value in {"workspaceName": "labml", **parameters}.items()}
    return {"properties": {"template": template or TEMPLATE, "mode": "Incremental", "parameters": given}}


def with_resources(*resources: Any) -> dict[str, Any]:
    return {
        **TEMPLATE,
        "parameters": {"workspaceName": {"type": "string"}},
        "resources": list(resources),
        "outputs": {},
    }


def account(name: str, **more: Any) -> dict[str, Any]:
    common = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": STORAGE, "location": "westeurope"}
    return {**common, "name": name, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, **more}


def test_a_template_makes_what_it_says_in_the_order_that_it_needs(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    begun = arm.ask("PUT", path(), body(), version=VERSION)
    assert begun.status_code == 201, begun.text
    assert begun.json()["properties"]["provisioningState"] == "Accepted"
    assert arm.poll(begun).json() == {"status": "Succeeded"}
    shown = arm.ask("GET", path(), version=VERSION).json()
    properties = shown["properties"]
    assert properties["parameters"]["secret"] == {"type": "SecureString"}
    assert properties["parameters"]["location"] == {"type": "String", "value": "westeurope"}
    assert len(properties["outputResources"]) == 4
    name = properties["parameters"]["accountName"]["value"]
    assert (
        properties["outputs"]["account"]["value"].endswith(f"/{name}/")
        or name in properties["outputs"]["account"]["value"]
    )
    workspace = arm.ask("GET", provider("MachineLearningServices/workspaces", "labml"), version="2024-04-01").json()
    assert workspace["tags"] == {"made": "by template"}
    assert workspace["properties"]["provisioningState"] == "Succeeded"
    done = arm.ask("GET", "/resourcegroups/lab/deployments/one/operations", version=VERSION).json()["value"]
    assert {each["properties"]["provisioningState"] for each in done} == {"Succeeded"}
    assert len(done) == 4
    assert arm.ask("HEAD", path(), version=VERSION).status_code == 204
    exported = arm.ask("POST", path(below="/exportTemplate"), version=VERSION).json()["template"]
    assert exported["resources"][0]["name"] == "network"
    # Once more, it changes nothing.
    assert arm.poll(arm.ask("PUT", path(), body(), version=VERSION)).json() == {"status": "Succeeded"}
    removed = arm.ask("DELETE", path(), version=VERSION)
    assert removed.status_code == 202
    arm.poll(removed)
    assert arm.error("GET", path(), version=VERSION) == (404, "DeploymentNotFound")
    assert workspace["id"].endswith("labml")


def test_a_template_is_validated_without_making_anything(arm: Arm) -> None:
    arm.make_group()
    answer = arm.ask("POST", path(below="/validate"), body(), version=VERSION)
    assert answer.status_code == 200
    validated = answer.json()["properties"]["validatedResources"]
    assert {each["type"].lower() for each in validated} == {
        "microsoft.machinelearningservices/workspaces",
        "microsoft.storage/storageaccounts",
        "microsoft.keyvault/vaults",
        "microsoft.insights/components",
    }
    assert arm.ask("GET", "/resourceGroups/lab/resources", version=GROUPS).json()["value"] == []
    assert arm.error("GET", path(), version=VERSION) == (404, "DeploymentNotFound")


def test_what_is_wrong_or_not_served_is_named_before_anything_is_made(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("deployments")
    arm.make_group()
    wrong = [
        (body(vaultOption="old"), "InvalidTemplate", "'old' for the template parameter 'vaultOption' is not valid"),
        (body(unknown=1), "InvalidTemplate", "The template parameters 'unknown'"),
        (body(vaultOption="existing"), "InvalidTemplateDeployment", "Microsoft.Network/virtualNetworks"),
        (body(with_resources(account("[madeUp('a')]"))), "InvalidTemplate", "'madeUp'"),
        (body(with_resources(account("[concat('a']"))), "InvalidTemplate", "is not valid"),
        (body(with_resources(account("[variables('no')]"))), "InvalidTemplate", "'no' is not found"),
        (body(with_resources(account("[length(1)]"))), "InvalidTemplate", "function 'length'"),
        (body(with_resources(account("[parameters()]"))), "InvalidTemplate", "function 'parameters'"),
        (body(with_resources("no object")), "InvalidTemplate", "another type"),
        (
            {"properties": {**body()["properties"], "parameters": {"workspaceName": "x"}}},
            "InvalidTemplate",
            "no objects",
        ),
        ({"properties": {**body()["properties"], "mode": "Complete"}}, "InvalidTemplateDeployment", "Complete"),
        ({"properties": {"mode": "Incremental", "template": TEMPLATE}}, "InvalidTemplate", "'workspaceName'"),
    ]
    for sent, code, said in wrong:
        for method, below in (("PUT", ""), ("POST", "/validate")):
            answer = arm.ask(method, path(below=below), sent, version=VERSION)
            assert answer.status_code == 400, answer.text
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (400, code)
            assert said in error["message"]
    assert arm.error("POST", path(below="/whatIf"), body(), version=VERSION) == (400, "UnservedOperation")
    assert arm.ask("GET", "/resourceGroups/lab/resources", version=GROUPS).json()["value"] == []


def test_what_one_resource_is_refused_fails_the_deployment(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    template = with_resources(account("NotAllowed"), account("labdata9", dependsOn=["NotAllowed"]))
    begun = arm.ask("PUT", path(), body(template), version=VERSION)
    ended = arm.poll(begun).json()
    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "DeploymentFailed"
    assert "AccountNameInvalid" in ended["error"]["details"][0]["message"]
    done = arm.ask("GET", path(below="/operations"), version=VERSION).json()["value"]
    assert [each["properties"]["provisioningState"] for each in done] == ["Failed"]
    assert arm.ask("GET", "/resourceGroups/lab/resources", version=GROUPS).json()["value"] == []


def test_a_body_that_makes_no_sense_fails_the_deployment_and_nothing_else(arm: Arm) -> None:
    arm.make_group()
    for wrong in ({"properties": "none"}, {"tags": ["a"]}, {"location": 1}):
        begun = arm.ask("PUT", path(), body(with_resources(account("labdata9", **wrong))), version=VERSION)
        assert arm.poll(begun).json()["status"] == "Failed"
        assert arm.ask("GET", "/resourceGroups", version=GROUPS).status_code == 200


def test_a_deployment_is_in_the_name_of_who_began_it(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    reader = Arm(practice_cloud, user_token(practice_cloud, "reader@practice.example"))
    assert reader.error("PUT", path(), body(), version=VERSION) == (403, "AuthorizationFailed")


def test_az_writes_the_name_of_the_template_without_quotes(practice_cloud: PracticeCloud, arm: Arm) -> None:
    """Recorded: `{"properties": {"parameters": {}, "mode": "Incremental", template:{…`."""
    practice_cloud.wrong_on_purpose("deployments")
    arm.make_group()
    template = json.dumps(with_resources(account("labdata9")))
    given = '{"workspaceName": {"value": "labml"}}'
    text = f'{{"properties": {{"parameters": {given}, "mode": "Incremental", template:{template}}}}}'
    address = f"{practice_cloud.resource_manager}{arm.base}{path()}?api-version={VERSION}"
    begun = arm.http.put(address, data=text, headers={"Content-Type": "application/json"}, timeout=10)
    assert begun.status_code == 201, begun.text
    assert arm.poll(begun).json() == {"status": "Succeeded"}


HIDDEN = "[if(equals(reference('labdata8').kind, 'none'), 'x', {})]"
"""What is evaluated only when `labdata8` is there."""


@pytest.mark.parametrize(
    "hidden", ["variables('circle')", f"{'not(' * 5000}true(){')' * 5000}", "9" * 5000, "concat(parameters('big'))"]
)
def test_an_expression_that_cannot_be_evaluated_fails_its_deployment_alone(
    practice_cloud: PracticeCloud, arm: Arm, hidden: str
) -> None:
    practice_cloud.wrong_on_purpose("deployments")
    arm.make_group()
    late = account("labdata9", tags={"late": HIDDEN.format(hidden)}, dependsOn=["labdata8"])
    template = {**with_resources(account("labdata8"), late), "variables": {"circle": "[variables('circle')]"}}
    begun = arm.ask("PUT", path(), body(template), version=VERSION)
    if begun.status_code == 201:
        assert arm.poll(begun).json()["status"] == "Failed"
    else:
        assert begun.json()["error"]["code"] == "InvalidTemplate", begun.text
    assert arm.ask("GET", "/resourceGroups", version=GROUPS).status_code == 200


def test_what_resource_manager_checks_of_a_template_is_checked(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose("deployments")
    arm.make_group()
    one, two = account("labdata8", dependsOn=["labdata9"]), account("labdata9", dependsOn=["labdata8"])
    circle = {**with_resources(), "variables": {"one": "[variables('two')]", "two": "[variables('one')]"}}
    circle["resources"] = [account("[variables('one')]")]
    wrong = [
        (with_resources(one, two), "Circular dependency detected on resource"),
        (with_resources(account("labdata8", dependsOn=["labdata8"])), "Circular dependency detected on resource"),
        (with_resources(one), "The resource 'labdata9' is not defined in the template"),
        (with_resources(account("labdata8/blobServices/default")), "has incorrect segment lengths"),
        (with_resources(account("labdata8"), account("labdata8")), "is defined multiple times in a template"),
        (with_resources(account(f"[concat('{'a' * 24_576}')]")), "24576"),
        (circle, "is not valid"),
    ]
    for template, said in wrong:
        answer = arm.ask("PUT", path(), body(template), version=VERSION)
        assert answer.status_code == 400, (said, answer.text)
        assert (answer.json()["error"]["code"], said in answer.json()["error"]["message"]) == ("InvalidTemplate", True)


def test_a_deployment_that_runs_cannot_be_deleted_and_none_is_as_good_as_deleted(
    practice_cloud: PracticeCloud, arm: Arm
) -> None:
    arm.make_group()
    practice_cloud.control.settings(speed=1)
    begun = arm.ask("PUT", path(), body(), version=VERSION)
    assert arm.error("DELETE", path(), version=VERSION) == (409, "DeploymentActive")
    assert arm.ask("POST", path(below="/cancel"), version=VERSION).status_code == 204
    practice_cloud.control.settings(speed=SPEED)
    assert arm.poll(begun).json()["status"] == "Canceled"
    removed = arm.ask("DELETE", path(), version=VERSION)
    assert removed.status_code == 202
    arm.poll(removed)
    assert arm.ask("DELETE", path(), version=VERSION).status_code == 204


def test_a_secret_of_a_deployment_is_shown_and_logged_nowhere(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    template = with_resources(account("labdata9"))
    template["parameters"] |= {"word": {"type": "securestring"}, "whole": {"type": "secureObject"}}
    template["outputs"] = {"word": {"type": "securestring", "value": "[concat(parameters('word'), 'a')]"}}
    begun = arm.ask("PUT", path(), body(template, word="hidden-one", whole={"a": "hidden-two"}), version=VERSION)
    assert arm.poll(begun).json() == {"status": "Succeeded"}
    shown = arm.ask("GET", path(), version=VERSION).json()["properties"]
    assert shown["outputs"] == {"word": {"type": "SecureString"}}
    arm.ask("POST", path(below="/validate"), body(template, word="hidden-one", whole={"a": "hidden-two"}))
    assert "hidden-" not in practice_cloud.log.read_text(encoding="utf-8")
