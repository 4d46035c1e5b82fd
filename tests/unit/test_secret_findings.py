"""What must not be published is found in lines, across lines and encoded; what only looks like it is not."""

from __future__ import annotations

import base64
import json
import textwrap
from pathlib import Path

import pytest

from hol_wizard import redaction
from hol_wizard.secret_findings import findings

DATABRICKS = f"dapi{'0123456789abcdef' * 2}"
DEVOPS = "abcdefghijklmnopqrstuvwxyz234567" + "abcdefghijklmnopqrst"
NEW_DEVOPS = f"{'Ab1' * 25}xAZDO1a2B"
STORAGE = f"{'Ab1/' * 21}Zz=="
SIGNATURE = f"{'Ab1' * 14}c%3D"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"


def kinds(text: str, path: str = "Project_One/train.py") -> list[tuple[int, str]]:
    return [(each.number, each.words) for each in findings(path, list(enumerate(text.split("\n"), 1)))]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "a private key"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "a private key"),
        (f"AccountName=x;AccountKey={STORAGE};", "a storage account key"),
        (f"STORAGE={STORAGE}", "a storage account key"),
        (f"https://x.blob.core.windows.net/c?sv=2024-11-04&sig={SIGNATURE}&se=2027", "a shared access signature"),
        (f"https://x.blob.core.windows.net/c?sig={'Ab1' * 12}%2Fabc%2Bde%3D", "a shared access signature"),
        (f"Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey={'Ab1' * 14}c=", "a shared access key"),
        (f"https://me:{DEVOPS}@dev.azure.com/o/p", "a personal access token of Azure DevOps"),
        (f"pat {DEVOPS}", "a personal access token of Azure DevOps"),
        (f"pat {NEW_DEVOPS}", "a personal access token of Azure DevOps"),
        (f"x = '{DATABRICKS}-3'", "a Databricks access token"),
        (f"Authorization: Bearer {JWT}", "a token (JWT)"),
        ("x = 'abc8Q~abcdefghijklmnopqrstuvwxyzABCDEFGH'", "a client secret of Microsoft Entra ID"),
        (f"docker login -p {'Ab1' * 14}+ACRAabcd1", "a password of a container registry"),
        (f"x = '{'Ab12' * 13}JQQJ99aA{'Ab12' * 6}'", "a key of an Azure service"),
        (f"ghp_{'Ab1' * 12}", "an access token of GitHub"),
        ('password = "hunter2"', "a password"),
        ("PASSWORD = 'correct horse battery staple'", "a password"),
        ('db_password: str = "Pa(ss{w0rd"', "a password"),
        ('{"password": "$ecret123"}', "a password"),
        ("connect(user='me', pwd=r'swordfish')", "a password"),
        ('os.environ["DB_PASSWORD"] = "swordfish"', "a password"),
        ('os.environ.get("DB_PASSWORD", "swordfish")', "a password"),
        ('text = "Server=x;Database=y;User ID=me;Password=swordfish;"', "a password"),
        ("az login --username me --password hunter2", "a password"),
        ('subscription_key = "0123456789abcdef0123456789abcdef"', "the value of a secret"),
        ('token: "q9X-73kd_Plm2"', "the value of a secret"),
    ],
)
def test_a_line_with_a_secret_says_which_kind(line: str, words: str) -> None:
    assert words in [found for _, found in kinds(line)]


@pytest.mark.parametrize("path", [".env", "Project_One/settings.env", "app.ini", "a/b.yaml", "run.sh", "dockerfile"])
@pytest.mark.parametrize(
    "line",
    ["PASSWORD=hunter2", "export DB_PASSWORD=hunter2 # mine", "  password: swordfish", "ENV SP_PASSWORD=swordfish"],
)
def test_a_file_of_settings_needs_no_quotation_marks(path: str, line: str) -> None:
    assert kinds(line, path) == [(1, "a password")]
    assert kinds(line) == []


@pytest.mark.parametrize("path", ["train.py", "settings.env", "azure-pipelines.yml", "notes.md", "run.cmd"])
@pytest.mark.parametrize(
    "line",
    [
        f'"integrity": "sha512-{STORAGE}"',
        f'"image/png": "{"Ab1/" * 60}Zz=="',
        "--hash=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "https://x.blob.core.windows.net/c?sv=2024-11-04&sig=$SIGNATURE",
        'password = dbutils.secrets.get(scope="lab", key="sp-password")',
        'password = os.environ["PASSWORD"]',
        'password = os.environ.get("PASSWORD", "")',
        'password = getpass("Password: ")',
        'password = "<your password>"',
        'password = "your-password"',
        'password = "***"',
        'password_of = "swordfish"',
        'passwords = "sp-password"',
        'PASSWORD="$PASSWORD"',
        "PASSWORD=${PASSWORD}",
        "set PASSWORD=%PASSWORD%",
        "password: $(sp-password)",
        "password: ${{ parameters.password }}",
        "PASSWORD=$(az keyvault secret show --name sp-password --query value)",
        'f"http://{user}:{secret}@{host}"',
        'secret = "data-lake-account-key"',
        'tokens = "q9X-73kd Plm2 words"',
        'token = "https://login.example/0123456789"',
        'max_tokens = "4096"',
        'raise ValueError("The password: it is missing.")',
        "az login --password PASSWORD",
        "az login --password $PASSWORD",
    ],
)
def test_references_placeholders_and_digests_are_no_secrets(line: str, path: str) -> None:
    assert kinds(line, path) == []


@pytest.mark.parametrize(
    "text",
    [
        f'token = ("{DATABRICKS[:20]}"\n         "{DATABRICKS[20:]}")\n',
        f"token = '{DATABRICKS[:20]}' + '{DATABRICKS[20:]}'",
        f"token = '{DATABRICKS[:9]}' + \\\n    f'{DATABRICKS[9:20]}' \\\n    + '{DATABRICKS[20:]}'",
        f"TOKEN={DATABRICKS[:20]}\\\n{DATABRICKS[20:]}",
    ],
)
def test_a_secret_in_several_strings_is_found_where_it_begins(text: str) -> None:
    assert kinds(f"first\n\n{text}\nlast") == [(3, "a Databricks access token")]
    assert kinds("password = (\"sword\"\n  'fish')", "a.py") == [(1, "a password")]


def test_lines_that_are_not_adjacent_are_not_joined() -> None:
    lines = [(1, f'a = "{DATABRICKS[:20]}"'), (9, f'"{DATABRICKS[20:]}"')]
    assert findings("a.py", lines) == []


@pytest.mark.parametrize("line", [f"TOKEN = '{DATABRICKS}'", "password: hunter2", "-----BEGIN PRIVATE KEY-----"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_secret_in_base64_is_found(line: str, encoding: str) -> None:
    encoded = base64.b64encode(f"something before it\n{line}\n".encode(encoding)).decode()
    for text in (f"data = '{encoded}'", "\n".join(["data:", *textwrap.wrap(encoded, 76), "more = 1"])):
        ((number, words),) = kinds(text)
        assert number in (1, 2)
        assert words.endswith(", in base64")
    assert kinds(base64.b64encode(b"\x89PNG\r\n" + DATABRICKS.encode() * 9).decode()) == []


def test_a_known_secret_is_found_encoded_and_in_parts_too() -> None:
    redaction.remember(["correct horse battery staple"])
    try:
        known = "a secret that the wizard knows"
        assert kinds("x = 'correct horse battery staple'") == [(1, known)]
        assert kinds("x = ('correct horse '\n'battery staple')") == [(1, known)]
        assert kinds(f"x = '{base64.b64encode(b'me:correct horse battery staple').decode()}'") == [
            (1, f"{known}, in base64")
        ]
    finally:
        redaction.forget_all()


def test_a_notebook_is_searched_as_the_program_that_it_contains() -> None:
    source = [f'token = ("{DATABRICKS[:20]}"\n', f'         "{DATABRICKS[20:]}")\n', "password = 'hunter2'\n"]
    text = json.dumps({"cells": [{"cell_type": "code", "source": source}]}, indent=1)
    first = next(number for number, line in enumerate(text.split("\n"), 1) if "token" in line)
    assert kinds(text, "a.ipynb") == [(first, "a Databricks access token"), (first + 2, "a password")]


def test_utf_16_is_searched_and_a_store_of_keys_needs_no_search() -> None:
    text = f"x = 1\nTOKEN = '{DATABRICKS}'\n".encode("utf-16").decode("utf-8", "replace")
    assert kinds(text) == [(2, "a Databricks access token")]
    assert kinds("", "Project_One/me.pfx") == [(1, "a file with private keys")]


def test_the_starter_contains_nothing_that_looks_like_a_secret() -> None:
    starter = Path(redaction.__file__).parent / "starter"
    files = [file for file in starter.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert len(files) > 20
    assert [found for file in files for found in kinds(file.read_text(encoding="utf-8"), file.as_posix())] == []
