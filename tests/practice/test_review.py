"""The second person whom `practice review` plays."""

from __future__ import annotations

import json

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.process import commands
from tests.practice.test_devops import as_user
from tests.practice.test_pull_requests import TITLE, Place, body, place

__all__ = ["place"]
SECOND = member_id("practice", seed.ORGANIZER.id)


def review(place: Place, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = commands.main(["review", *words], state=place.cloud.state, environ={})
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.slow
def test_a_second_person_rejects_with_a_comment_then_approves(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.policy()
    place.create()
    code, told = review(place, capsys, "--reject", "Test the scaler.")
    assert (code, json.loads(told)) == (
        0,
        {
            "pull_request": 1,
            "title": TITLE,
            "reviewer": "Olga Organizer",
            "vote": "rejected",
            "comment": "Test the scaler.",
        },
    )
    assert place.evaluations() == {"Minimum number of reviewers": "rejected"}
    assert [(each["id"], each["vote"]) for each in place.get()["reviewers"]] == [(SECOND, -10)]
    (thread,) = place.ask("GET", "/1/threads").json()["value"]
    assert (thread["status"], thread["comments"][0]["content"]) == ("active", "Test the scaler.")
    assert json.loads(review(place, capsys, "--approve")[1])["vote"] == "approved"
    assert place.evaluations() == {"Minimum number of reviewers": "approved"}
    assert place.ask("GET", "/1/threads").json()["value"][0]["status"] == "fixed"
    assert json.loads(review(place, capsys, "--wait", "One more.")[1])["vote"] == "waits for the author"


@pytest.mark.slow
def test_the_second_person_may_do_only_what_the_service_lets_them_do(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.cloud.wrong_on_purpose("pull[rR]equests")
    assert review(place, capsys, "--approve") == (1, "There is no pull request in the organization practice.\n")
    place.create(isDraft=True)
    code, told = review(place, capsys, "--approve")
    assert (code, "cannot vote on a draft" in told) == (1, True)
    assert "There is no pull request 7" in review(place, capsys, "--approve", "--pull-request", "7")[1]
    stranger = review(place, capsys, "--approve", "--user", seed.STRANGER.name)[1]
    assert "not in the organization" in stranger
    reader = review(place, capsys, "--approve", "--user", seed.READER_USER.name)[1]
    assert "no pull request" in reader
    assert "There is no user nobody" in review(place, capsys, "--approve", "--user", "nobody")[1]
    assert place.ask("PATCH", "/1", {"status": "abandoned"}).status_code == 200
    for words in ((), ("--pull-request", "1")):
        told = review(place, capsys, "--approve", *words)[1]
        assert "Pull request 1 is abandoned; only an active one can be reviewed." in told


@pytest.mark.slow
def test_somebody_other_than_the_creator_reviews(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    organizer = as_user(place.cloud, seed.ORGANIZER.name)
    assert place.ask("POST", "", body(), by=organizer).status_code == 201
    assert json.loads(review(place, capsys, "--approve")[1])["reviewer"] == seed.ATTENDEE.display_name
    place.push("other", "three.txt")
    place.create("other")
    assert "several active pull requests: 2, 1" in review(place, capsys, "--approve")[1]
