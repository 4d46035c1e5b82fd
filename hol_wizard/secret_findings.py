"""Finds secrets in lines that are about to be published: by their value, their form, or the name in front of them.

A search of lines alone finds no secret that is written in two strings or encoded, so the strings of adjacent lines are
joined, and base64 is decoded. The libraries for this were compared: detect-secrets (1.5.0 of May 2024, the newest)
searches line by line, and knows neither Azure DevOps nor Databricks; gitleaks and trufflehog are programs that would
have to be installed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from hol_wizard.redaction import FORMS, has_sign_in, is_known

Line = tuple[int, str]
"""The number of a line in its file, and its text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place with a secret; the value is not part of it."""

    path: str
    number: int
    words: str
    """What was found there: `a Databricks access token`."""

    def __str__(self) -> str:
        """Return the place and what was found: `train.py, line 7: a private key`."""
        return f"{self.path}, line {self.number}: {self.words}"


# Forms

_IN_FILES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    *((form.pattern, form.words) for form in FORMS),
    (re.compile(r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"), "a private key"),
    # Also without the name: in a .env file, it has any. The hash of a package (`sha512-…`) has the same length.
    (re.compile(r"(?<![A-Za-z0-9+/-])[A-Za-z0-9+/]{86}==(?!=)"), "a storage account key"),
    # 32 bytes in base64, percent-encoded.
    (re.compile(r"(?<![\w-])sig=[A-Za-z0-9%+/]{43,128}(?:%3[Dd]|=)"), "a shared access signature"),
    # 32 bytes in base64, of Service Bus, Event Hubs and IoT Hub.
    (re.compile(r"(?i)\bSharedAccessKey=[A-Za-z0-9+/]{43}="), "a shared access key"),
    # SEC101/176 and SEC101/200 of github.com/microsoft/security-utilities.
    (
        re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}\+ACR[A-D][A-Za-z0-9+/]{5}"),
        "a password of a container registry",
    ),
    (
        re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9][A-L][A-Za-z0-9]{24}"),
        "a key of an Azure service",
    ),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,255})"), "an access token of GitHub"),
)
"""Values that are secrets regardless of the text around them, in words."""
_KEY_STORES: Final = frozenset({".pfx", ".p12", ".jks", ".keystore", ".ppk", ".kdbx"})
"""Suffixes of binary files that contain private keys."""

# Names

_WORDS: Final = r"pass(?:word|wd|phrase|code)|pwd"
_OTHER: Final = (
    r"secret|token|credential|connection[_-]?string"
    r"|(?:api|access|account|shared|storage|subscription|private|master|encryption|auth|sas)[_-]?key"
)
_NAME: Final = rf"(?:(?P<password>{_WORDS})|(?:{_OTHER}))s?"
_VALUE: Final = r"(?P<quote>[\"'`])(?P<value>(?:\\.|(?!(?P=quote))[^\\\n]){4,400})(?P=quote)"
_BY_NAME: Final = ("a password", "the value of a secret")
_ASSIGNED: Final = (
    # password = "…", "password": "…", password: str = "…", os.environ["PASSWORD"] = "…", {password => '…'}
    re.compile(
        rf"(?i){_NAME}(?![\w-])[\"'`]?\]?[ \t]{{0,9}}+(?::[ \t]{{0,9}}+(?:str|string)[ \t]{{0,9}}+)?"
        rf"(?:=>|:=|={{1,3}}|:)[ \t]{{0,9}}+\(?[ \t]{{0,9}}+[rbfu@]{{0,2}}+{_VALUE}"
    ),
    # os.environ.get("PASSWORD", "…")
    re.compile(
        rf"(?i)(?:getenv|get|setdefault)\([ \t]{{0,9}}+[\"']\w{{0,60}}?{_NAME}[\"'][ \t]{{0,9}}+,[ \t]{{0,9}}+{_VALUE}"
    ),
    # "Server=…;Password=…;"
    re.compile(rf"(?i);[ \t]{{0,9}}+{_NAME}[ \t]{{0,9}}+=[ \t]{{0,9}}+(?P<value>[^;\"'\s]{{4,400}})"),
    # --password …
    re.compile(rf"(?i)[ \t]--[\w-]{{0,60}}?{_NAME}(?:=|[ \t]{{1,9}}+)[\"']?(?P<value>[^\"'\s]{{4,400}})"),
)
"""A name and a value, in any file."""
_SETTING: Final = re.compile(
    r"(?i)^[ \t]{0,40}+(?:(?:export|set|setx|env|arg|-)[ \t]{1,9}+|\$env:)?[\"']?[\w.-]{0,80}?"
    rf"{_NAME}[\"']?[ \t]{{0,9}}+[:=][ \t]{{0,9}}+(?P<value>[^\s#\"']\S{{3,400}})[ \t]{{0,9}}+(?:#.*)?$"
)
"""A name and a value without quotation marks, in a file of settings or commands: in a program, it is an expression."""
_SETTINGS: Final = frozenset(
    {".env", ".ini", ".cfg", ".conf", ".config", ".properties", ".yml", ".yaml", ".toml", ".txt", ".md"}
    | {".sh", ".bash", ".zsh", ".ps1", ".cmd", ".bat", ""}
)
"""Suffixes of such files."""

_NO_VALUE: Final = re.compile(
    # References: $NAME, $name, ${NAME}, $(name), %NAME%, @Microsoft.KeyVault(…), <name>, and {name} in a template.
    r"\$[A-Z_]+|\$[a-z_]+|\$[{(].*|%\w+%|@\w+\.\w+\(.*|<[^>]*>|.*\{[^{}]*\}.*"
    # Signs and words instead of a value.
    r"|[*x.…_#-]+|[A-Z]+(?:_[A-Z]+)+|PASSWORD|SECRET|TOKEN|VALUE|KEY"
    r"|(?i:none|null|true|false|string|pass(?:word|wd)s?|secret|token|example|redacted|hidden)"
    r"|(?i:change[ _-]?(?:me|it|this)|(?:your|enter|insert|replace|choose|type)(?![A-Za-z0-9]).*)"
)
_EXPRESSION: Final = re.compile(r"\$.*|`.*|[\w.]*[(\[].*")
"""What a value without quotation marks is if it is not one."""
_REFERRED: Final = re.compile(r":(?:\{[^{}\n]{1,80}\}|\$\{?\w{1,80}\}?|\$\(\w{1,80}\)|<\w{1,80}>|%\w{1,80}%)@")
"""Instead of a password in an address."""
_REFERENCE: Final = re.compile(r"(?i)[a-z]+(?:[-_./ ](?:[a-z]+|[0-9]{1,4}))+")
"""The name of a secret, which is not a secret: `sp-password`. It consists of words; a secret is random."""
_SENTENCE: Final = re.compile(r"[A-Z][^ ]*(?: [^ ]+){2,}|[^ ]+ .*[.:?!…]")


def _is_secret(value: str, *, password: bool) -> bool:
    """Return whether a value is a secret, rather than a placeholder, the name of a secret, or a message.

    Args:
        value: Without quotation marks.
        password: Whether the name is that of a password, which need not look random.
    """
    value = value.strip().rstrip(",;")
    if len(value) < 4 or _NO_VALUE.fullmatch(value):
        return False
    if password:
        named = _REFERENCE.fullmatch(value) and re.search(f"(?i){_WORDS}|{_OTHER}", value)
        return not (named or _SENTENCE.fullmatch(value))
    mixed = any(each.isdigit() for each in value) and any(each.isalpha() for each in value)
    return len(value) >= 12 and mixed and " " not in value and "://" not in value and not _REFERENCE.fullmatch(value)


def _in_text(text: str, *, settings: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the position and kind of each secret in a text; `settings` if it is a line of a file of settings."""
    if is_known(text):
        yield 0, "a secret that the wizard knows"
        return
    by_form = [(found.start(), words) for pattern, words in _IN_FILES if (found := pattern.search(text))]
    if has_sign_in(_REFERRED.sub("@", text)):
        by_form.append((text.index("://"), "a password in an address"))
    if by_form:
        yield from by_form
        return
    for pattern in (*_ASSIGNED, *([_SETTING] if settings else ())):
        for found in pattern.finditer(text):
            password, value = found["password"] is not None, found["value"]
            bare = pattern is _SETTING and _EXPRESSION.fullmatch(value)
            if not bare and _is_secret(value, password=password):
                yield found.start(), _BY_NAME[0 if password else 1]


# Whole files

_SEAM: Final = re.compile(
    r"[\"'][ \t+&\\]{0,80}+\n?[ \t+&]{0,80}+[rbfuRBFU]{0,2}[\"']|\\\n[ \t]{0,80}+"
    r"|\([ \t]{0,80}+\n[ \t]{0,80}+(?=[rbfuRBFU]{0,2}[\"'])"
)
"""Between two parts of one string: `"abc" "def"`, `"abc" + "def"`, and the end of a line that is continued."""
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{20,}+\n?)++[A-Za-z0-9+/_-]{0,19}={0,2}")
_CONTROL: Final = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")


def findings(path: str, lines: Sequence[Line]) -> list[Finding]:
    """Return the secrets in lines of a file, each kind once a line.

    Args:
        path: The file's path in the repository.
        lines: New lines, in their order in the file.
    """
    file = PurePosixPath(path.lower())
    if file.suffix in _KEY_STORES:
        return [Finding(path, 1, "a file with private keys")]
    suffix = ".env" if file.name.startswith(".env") else "" if file.name.startswith("dockerfile") else file.suffix
    # Without zero bytes, text in UTF-16 reads like any other.
    clean = [(number, _source(text.replace("\0", ""), file.suffix)) for number, text in lines]
    found: dict[tuple[int, str], None] = {}
    for number, text in clean:
        found |= {(number, words): None for _, words in _in_text(text, settings=suffix in _SETTINGS)}
    alone = frozenset(found)
    for block in _blocks(clean):
        found |= {place: None for place in _across(block) if not _is_reported(place, alone)}
    precise = {number for number, words in found if words not in _BY_NAME}
    return [Finding(path, *place) for place in sorted(found) if place[0] not in precise or place[1] not in _BY_NAME]


def _is_reported(place: tuple[int, str], alone: frozenset[tuple[int, str]]) -> bool:
    """Return whether the secret there was already found in a single line; the joined text contains it again."""
    number, words = place
    return any(words == other and abs(number - line) <= 1 for line, other in alone)


def _source(line: str, suffix: str) -> str:
    """Return the line of a program that a line of a notebook's JSON contains; else the line."""
    if suffix == ".ipynb":
        try:
            text = json.loads(line.strip().removesuffix(","))
        except (ValueError, RecursionError):
            return line
        if isinstance(text, str):
            return text.removesuffix("\n")
    return line


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield the runs of adjacent lines."""
    block: list[Line] = []
    for number, text in lines:
        if block and number != block[-1][0] + 1:
            yield block
            block = []
        block.append((number, text))
    if block:
        yield block


def _across(block: Sequence[Line]) -> Iterator[tuple[int, str]]:
    """Yield the line and kind of secrets that are in several strings, or encoded."""
    text = "\n".join(line for _, line in block)
    begins, at = [], 0
    for _, line in block:
        begins.append(at)
        at += len(line) + 1

    def line_at(position: int) -> int:
        return block[bisect_right(begins, position) - 1][0]

    seams = list(_SEAM.finditer(text))
    if seams:
        # Where each part begins in the joined text, and in the original one.
        parts, joined, originals, last = [], [0], [0], 0
        for seam in seams:
            parts.append(text[last : seam.start()])
            last = seam.end()
            joined.append(joined[-1] + len(parts[-1]))
            originals.append(last)
        parts.append(text[last:])
        whole, at = "".join(parts), 0
        for line in whole.split("\n"):
            for position, words in _in_text(line):
                part = bisect_right(joined, at + position) - 1
                yield line_at(originals[part] + at + position - joined[part]), words
            at += len(line) + 1
    for run in _BASE64.finditer(text):
        # Also without the last line, and each line by itself: what looks like the next one need not belong to it.
        for letters in dict.fromkeys((run[0], run[0].rpartition("\n")[0], *run[0].split("\n"))):
            yield from ((line_at(run.start() + run[0].index(letters)), words) for words in _encoded(letters))


def _encoded(run: str) -> Iterator[str]:
    """Yield the kinds of secrets in text that is encoded in base64."""
    letters = run.replace("\n", "").rstrip("=")
    try:
        content = base64.b64decode(
            letters + "=" * (-len(letters) % 4), altchars=b"-_" if set("-_") & set(letters) else None
        )
        text = content.decode("utf-8").replace("\0", "")
    except (binascii.Error, UnicodeDecodeError):
        return
    if _CONTROL.search(text):
        return
    for line in text.splitlines():
        for _, words in _in_text(line, settings=True):
            yield f"{words}, in base64"
