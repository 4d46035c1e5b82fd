"""Users who are invited by wizards that are killed again and again: nobody twice, and everybody out at the end.

A user carries no mark: if the answer to their invitation is lost to a kill, nobody can tell who invited them. Such a
user is taken as found, or adopted, by the next solve, and left in the organization by a teardown.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.resources.devops_user import USER
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.practice.test_devops import as_user

GUESTS = ("robin@elsewhere.example", "sam@elsewhere.example", "kim@elsewhere.example")
STEP = "devops-project/invite-the-users"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_users_are_invited_once_and_removed_unless_a_kill_hid_who_invited_them(machine: Machine) -> None:
    machine.more |= {"HOL_WIZARD_DEVOPS_USERS": " ".join(GUESTS[:2])}
    with Ground.of(machine, speed=4.0) as ground:
        ground.cloud.control.settings(user=seed.ATTENDEE.name)
        assert [*ground.kill_again_and_again((STEP,), kills=5, lines=3)][-1] == "teardown"
        # One more, as the kills may have left nobody to invite.
        machine.more |= {"HOL_WIZARD_DEVOPS_USERS": " ".join(GUESTS)}
        kill_while_an_invitation_is_answered(ground)
        last = ground.run("solve", STEP, "--yes")
        assert last.returncode == 0, last.stdout + last.stderr

        invited = invitations(ground.cloud.exchanges())
        assert invited.twice == []
        assert set(invited.standing.values()) == set(GUESTS)
        users = [entry for entry in ground.ledger() if entry["kind"] == USER]
        noted = {entry["detail"] for entry in users if entry["fact"] == "created"}
        lost = {mail for identity, mail in invited.all.items() if identity not in noted}
        assert lost, "the kill while an invitation is answered takes at least one answer"
        assert noted <= set(invited.all)
        assert invited.removed <= noted, "the wizard removed a user of whom it did not see that it invited them"
        adopted = {entry["resource"].rpartition("/")[2] for entry in users if entry["fact"] == "adopted"}
        assert adopted <= lost
        assert adopted_without_an_open_intent(users) == []
        assert "adopted" not in {entry["fact"] for entry in ground.ledger() if entry["kind"] != USER}

        removed = ground.run("teardown", "--yes")
        assert removed.returncode == 0, removed.stdout + removed.stderr
        by_hand = as_user(ground.cloud)
        assert "practice-hol" not in {each["name"] for each in by_hand.ask("GET", "/projects").json()["value"]}
        base = ground.cloud.endpoints["devops_entitlements"]
        answer = by_hand.http.get(f"{base}/practice/_apis/userentitlements", params={"api-version": "7.1"}, timeout=10)
        assert {each["user"]["mailAddress"] for each in answer.json()["items"]} & set(GUESTS) == lost


def kill_while_an_invitation_is_answered(ground: Ground) -> None:
    """Kill a solve after its first invitation was carried out, and before its answer has come."""
    control = ground.cloud.control
    control.fault("drip", service="devops_entitlements", method="POST", path="userentitlements", times=1)
    process = ground.start("solve", STEP, "--yes")
    end = time.monotonic() + 60
    while control.faults():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.communicate()


@dataclass
class Invitations:
    """What the organization has seen of its guests."""

    all: dict[str, str] = field(default_factory=dict)
    """The mail address of every user who was ever invited, by their id."""
    standing: dict[str, str] = field(default_factory=dict)
    """Those who are in."""
    removed: set[str] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    """Addresses that were invited although they were in."""


def invitations(exchanges: list[dict[str, Any]]) -> Invitations:
    found = Invitations()
    for each in exchanges:
        if (each["status"] or 500) >= 300:
            continue
        path = str(each["url"]).partition("?")[0]
        if each["method"] == "POST" and path.endswith("/userentitlements") and each["response_body"]["isSuccess"]:
            identity = each["response_body"]["operationResult"]["userId"]
            mail = each["request_body"]["user"]["principalName"]
            if mail in found.standing.values():
                found.twice.append(mail)
            found.all[identity] = found.standing[identity] = mail
        if each["method"] == "DELETE" and "/userentitlements/" in path:
            identity = path.rpartition("/")[2]
            del found.standing[identity]
            found.removed.add(identity)
    return found


def adopted_without_an_open_intent(entries: list[dict[str, str]]) -> list[str]:
    """Return who was adopted although the ledger knew of no invitation, or knew how it had ended."""
    before: dict[str, str] = {}
    found = []
    for entry in entries:
        fact, key = entry["fact"], entry["resource"]
        if fact == "adopted" and before.get(key) not in {"intent", "adopted"}:
            found.append(f"{key}: adopted after {before.get(key, 'nothing')}")
        if fact != "left":  # by a teardown that found them with the intent open
            before[key] = fact
    return found
