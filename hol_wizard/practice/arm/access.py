"""Role assignments: who may do what (Azure RBAC). The data services check them too."""

from __future__ import annotations

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.roles import ROLES
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_IMAGES = frozenset(
    f"microsoft.containerregistry/registries/{each}" for each in ("pull/read", "push/write", "artifacts/delete")
)
"""The actions that AcrPull, AcrPush and AcrDelete allow."""


class Access(Register):
    """The role assignments of the tenant, by ID."""

    collection = "assignments"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        world.on_start_over(self._seed)

    def _seed(self) -> None:
        for each in seed.ASSIGNMENTS:
            name = seed.fixed_id(f"{each.principal} {each.role} {each.scope}")
            self.give_role(name, each.principal, each.role, each.scope, seed.ATTENDEE.id, works=0.0)

    def roles_of(self, principal: str, scope: str) -> list[Document]:
        """Return the assignments that give a principal a role on a scope or above it.

        Args:
            principal: An object ID.
            scope: A resource ID, or the beginning of one.
        """
        below = scope.lower().rstrip("/") + "/"
        return [
            each
            for each in self.all()
            if each["principal"] == principal and below.startswith(each["scope"].lower() + "/")
        ]

    def has_role_in(self, principal: str, scope: str) -> bool:
        """Return whether a principal has a role on a scope, above it, or below it.

        Args:
            principal: An object ID.
            scope: The ID of a subscription.
        """
        start = scope.lower().rstrip("/") + "/"
        scopes = (each["scope"].lower() + "/" for each in self.all() if each["principal"] == principal)
        return any(each.startswith(start) or start.startswith(each) for each in scopes)

    def give_role(
        self,
        name: str,
        principal: str,
        role: str,
        scope: str,
        by: str,
        description: str | None = None,
        works: float | None = None,
    ) -> Document:
        """Make a role assignment and return it.

        Args:
            name: The assignment's own GUID.
            principal: Object ID of the principal that gets the role.
            role: Its GUID.
            scope: A resource ID.
            by: Object ID of the principal that assigns it.
            description: Their description of it.
            works: When the data services begin to apply it; None: once it has propagated.
        """
        now = self._world.clock.now()
        found = self._world.principal(principal)
        assignment: Document = {
            "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
            "name": name,
            "principal": principal,
            "kind": "User" if found is not None and not found.app_id else "ServicePrincipal",
            "role": role,
            "scope": scope,
            "created": now,
            "updated": now,
            "by": by,
            "description": description,
            "works": self._world.clock.due("role assignment") if works is None else works,
        }
        self.keep(assignment)
        return assignment

    def forget_roles(self, scope: str) -> None:
        """Delete the role assignments on a resource that no longer exists, and on what was in it."""
        below = scope.lower().rstrip("/") + "/"
        for each in self.all():
            if (each["scope"].lower() + "/").startswith(below):
                self.remove(each["id"])

    def allowed(self, principal: str, action: str, scope: str, *, propagated: bool = False) -> bool:
        """Return whether a principal may perform an action: whether a role on the scope, or above it, allows it.

        In a registry with repository permissions, no action gives access to an image: AcrPull and AcrPush are ignored,
        and Owner, Contributor and Reader cover only the registry itself (Container Registry,
        "container-registry-rbac-abac-repository-permissions").

        Args:
            principal: An object ID.
            action: `Microsoft.Storage/storageAccounts/write`.
            scope: A resource ID, or the beginning of one.
            propagated: Whether only roles count that have propagated to the data services.
        """
        if action.lower() in _IMAGES:
            registry = self._world.part(Resources).find(scope)
            if registry is not None and registry["properties"].get("roleAssignmentMode") == "AbacRepositoryPermissions":
                return False
        now = self._world.clock.now()
        return any(
            ROLES[each["role"]].allows(action)
            for each in self.roles_of(principal, scope)
            if not propagated or each["works"] <= now
        )

    def allowed_data(self, principal_id: str, action: str, scope: str) -> bool:
        """Return whether a principal may perform a data action.

        A role counts only when it has propagated to the data services, a few minutes after it was assigned. A role that
        was removed stops counting immediately, which is no slower than in Azure.

        Args:
            principal_id: An object ID.
            action: `Microsoft.KeyVault/vaults/secrets/getSecret/action`.
            scope: Resource id of the vault, the account, or the container or secret in it.
        """
        now = self._world.clock.now()
        return any(
            ROLES[each["role"]].allows_data(action)
            for each in self.roles_of(principal_id, scope)
            if each["works"] <= now
        )
