"""Users who are invited by wizards that are killed again and again: nobody twice, and everybody out at the end."""

from __future__ import annotations

import pytest

from hol_wizard.practice import seed
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.practice.test_devops import as_user

GUESTS = ("robin@elsewhere.example", "sam@elsewhere.example")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_project_and_its_users_are_made_once_however_often_the_wizard_is_killed(machine: Machine) -> None:
    machine.more |= {"HOL_WIZARD_DEVOPS_USERS": " ".join(GUESTS)}
    with Ground.of(machine, speed=4.0) as ground:
        ground.cloud.control.settings(user=seed.ATTENDEE.name)
        steps = ("devops-project/invite-the-users",)
        ground.kill_again_and_again(steps, kills=5, shortest=1.5, longest=4.0)
        last = ground.run("solve", *steps, "--yes")
        assert last.returncode == 0, last.stdout + last.stderr
        done = [each for each in ground.cloud.exchanges() if (each["status"] or 500) < 300]
        standing: set[str] = set()
        known: dict[str, str] = {}
        for each in done:
            path, body = str(each["url"]).partition("?")[0], each["request_body"]
            if each["method"] == "POST" and path.endswith("/userentitlements") and each["response_body"]["isSuccess"]:
                mail = body["user"]["principalName"]
                assert mail not in standing
                standing.add(mail)
                known[each["response_body"]["operationResult"]["userId"]] = mail
            if each["method"] == "DELETE" and "/userentitlements/" in path:
                standing.remove(known[path.rpartition("/")[2]])
        assert standing == set(GUESTS)
        assert "adopted" not in {entry["fact"] for entry in ground.ledger()}
        removed = ground.run("teardown", "--yes")
        assert removed.returncode == 0, removed.stdout + removed.stderr
        by_hand = as_user(ground.cloud)
        assert "practice-hol" not in {each["name"] for each in by_hand.ask("GET", "/projects").json()["value"]}
        base = ground.cloud.endpoints["devops_entitlements"]
        answer = by_hand.http.get(f"{base}/practice/_apis/userentitlements", params={"api-version": "7.1"}, timeout=10)
        assert not {each["user"]["mailAddress"] for each in answer.json()["items"]} & set(GUESTS)
