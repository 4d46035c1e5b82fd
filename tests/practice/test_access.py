"""Who may pull from and push to a registry, by its mode for role assignments."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.arm import roles
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World

REGISTRY = (
    f"/subscriptions/{seed.SUBSCRIPTION.id}/resourceGroups/lab/providers/Microsoft.ContainerRegistry/registries/r1"
)
PULL, PUSH, READ = (f"Microsoft.ContainerRegistry/registries/{each}" for each in ("pull/read", "push/write", "read"))


@pytest.mark.parametrize(
    ("role", "legacy"),
    [
        (None, (False, False)),
        (roles.ACR_PULL, (True, False)),
        (roles.ACR_PUSH, (True, True)),
        (roles.ACR_IMPORTER, (True, False)),
        (roles.READER, (True, False)),
        (roles.CONTRIBUTOR, (True, True)),
        (roles.OWNER, (True, True)),
    ],
)
def test_no_role_opens_images_of_a_registry_with_repository_permissions(
    tmp_path: Path, role: str | None, legacy: tuple[bool, bool]
) -> None:
    store = Store(tmp_path / "cloud.sqlite")
    try:
        world = World(store, Clock())
        access, stranger = world.part(Access), seed.STRANGER.id
        with store.transaction():
            registry = {"id": REGISTRY, "properties": {"roleAssignmentMode": "LegacyRegistryPermissions"}}
            world.part(Resources).keep(registry)
            if role is not None:
                access.give_role("assignment", stranger, role, REGISTRY, seed.ATTENDEE.id)
            assert (access.allowed(stranger, PULL, REGISTRY), access.allowed(stranger, PUSH, REGISTRY)) == legacy
            before = access.allowed(stranger, READ, REGISTRY)
            world.part(Resources).keep({**registry, "properties": {"roleAssignmentMode": "AbacRepositoryPermissions"}})
            assert not access.allowed(stranger, PULL, REGISTRY)
            assert not access.allowed(stranger, PUSH, REGISTRY)
            assert access.allowed(stranger, READ, REGISTRY) is before
    finally:
        store.close()


def test_who_may_push_may_not_import() -> None:
    importing = "Microsoft.ContainerRegistry/registries/importImage/action"
    allowed = {each: roles.ROLES[each].allows(importing) for each in (roles.ACR_PUSH, roles.ACR_IMPORTER)}
    assert allowed == {roles.ACR_PUSH: False, roles.ACR_IMPORTER: True}
    assert [roles.ROLES[each].allows(READ) for each in allowed] == [False, True]
