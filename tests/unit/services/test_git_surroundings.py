"""Settings of the person that would send the wizard's git elsewhere, or stop it: it works, or says which it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hol_wizard.errors import AccessDeniedError, InconclusiveError, ServiceError, UnreachableError, WizardError
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.program import Ended, Git, meaning, run
from hol_wizard.services.git.remote import File, GitRemote, Person
from hol_wizard.services.secrets import Secret
from tests.unit.services.tls_server import Reply, Server

WHO = Person("Alex", "alex@contoso.com")


def write_settings(text: str, encoding: str = "utf-8") -> Path:
    """Add to the settings of the person whose git this is."""
    file = Path(os.environ["GIT_CONFIG_GLOBAL"]) if "GIT_CONFIG_GLOBAL" in os.environ else Path.home() / ".gitconfig"
    content = text if encoding != "utf-8" or not file.exists() else file.read_text("utf-8") + text
    file.write_text(content, encoding)
    return file


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "lab.git"
    folder.mkdir()
    assert run(folder, ["init", "--quiet", "--bare", "--initial-branch=main"]).code == 0
    return folder


@pytest.fixture
def remote(bare: Path) -> GitRemote:
    return GitRemote(bare.as_uri(), lambda: Secret(""))


def seed(remote: GitRemote, name: str = "one", *, onto: bool = False) -> str:
    files = {f"{name}.txt": File(name.encode())}
    return remote.push(files, "main", name, WHO, onto=onto, settle=lambda path, content: None)


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("[user]\n\tname = Alex\n[unclosed\n", "utf-8", "bad config line"),
        ("[user]\n\tname = Alex\n", "utf-16", "bad config line 1 in file"),
        ("[core]\n\tabbrev = many\n\tbare = perhaps\n", "utf-8", ""),
    ],
)
def test_settings_that_git_cannot_read_are_named_with_file_and_line(
    text: str, encoding: str, told: str, remote: GitRemote
) -> None:
    file = write_settings(text, encoding)
    found = Git().probe()
    if told:
        assert found.version is None
        assert told in found.problem
        assert str(file) in found.problem
        assert "UTF-8" in found.remedy
    with pytest.raises(ServiceError) as refused:
        seed(remote)
    assert "git cannot read its settings: bad " in refused.value.message
    assert "Correct this file" in refused.value.hint


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_clone_of_another_user_is_not_read_as_an_empty_one(remote: GitRemote, tmp_path: Path) -> None:
    seed(remote)
    clone = Clone(tmp_path / "clone", remote)
    clone.make(lambda text: None, "the id", "the lab")
    subprocess.run(["chown", "-R", "1234", clone.folder], check=True)
    for read in (
        lambda: clone.lab,
        lambda: clone.origin,
        lambda: clone.repository,
        lambda: clone.is_whole,
        lambda: clone.stems_from("origin/main"),
        lambda: clone.common_commit("HEAD", "origin/main"),
        lambda: clone.commit("HEAD"),
        lambda: clone.tree("HEAD", ""),
        lambda: clone.contains("HEAD"),
        lambda: clone.state(),
        lambda: clone.has_remote_branch("main"),
        lambda: clone.settle("the id", "helper", None),
    ):
        with pytest.raises(AccessDeniedError, match="belongs to another user") as refused:
            read()
        assert f"--add safe.directory '{clone.folder}'" in refused.value.hint
    write_settings(f"[safe]\n\tdirectory = {clone.folder.as_posix()}\n")
    assert (clone.lab, clone.repository, clone.is_whole) == ("the lab", "the id", True)


def test_a_damaged_clone_is_not_read_as_an_empty_one(remote: GitRemote, tmp_path: Path) -> None:
    seed(remote)
    clone = Clone(tmp_path / "clone", remote)
    clone.make(lambda text: None, "the id", "the lab")
    with (clone.folder / ".git" / "config").open("a") as config:
        config.write("[unclosed\n")
    for read in (lambda: clone.lab, lambda: clone.origin, lambda: clone.is_whole, lambda: clone.commit("HEAD")):
        with pytest.raises(ServiceError, match="bad config line"):
            read()


def test_what_is_not_there_is_nothing(remote: GitRemote, tmp_path: Path) -> None:
    clone = Clone(tmp_path, remote)
    assert run(tmp_path, ["init", "--quiet"]).code == 0
    unknown = "1234567890" * 4
    assert (clone.lab, clone.origin, clone.commit("HEAD"), clone.tree("HEAD", "x")) == ("", "", "", "")
    assert not clone.is_whole
    assert not clone.stems_from("origin/main")
    assert not clone.contains(unknown)


SETTINGS = {
    "another name for the remote": "[clone]\n\tdefaultRemoteName = upstream\n",
    "push options": "[push]\n\tpushOption = ci.skip\n",
    "bare repositories refused": "[safe]\n\tbareRepository = explicit\n",
    "submodules": "[submodule]\n\trecurse = true\n[push]\n\trecurseSubmodules = only\n",
    "colors": "[color]\n\tui = always\n[column]\n\tui = always\n",
    "diffs": "[diff]\n\tnoprefix = true\n\texternal = false\n\tmnemonicPrefix = true\n",
    "status": "[status]\n\trelativePaths = false\n\tshowUntrackedFiles = no\n\tshort = true\n\tbranch = true\n",
    "signatures": "[push]\n\tgpgSign = true\n[log]\n\tshowSignature = true\n",
    "upstreams": "[branch]\n\tautoSetupMerge = false\n[push]\n\tdefault = nothing\n[remote]\n\tpushDefault = other\n",
    "merges": "[merge]\n\tff = false\n[pull]\n\trebase = true\n",
    "protocols": "[protocol]\n\tallow = never\n",
    "line ends": "[core]\n\tautocrlf = true\n\tsafecrlf = false\n\teol = crlf\n",
    "names": "[core]\n\tquotePath = true\n\tignoreCase = true\n\tprecomposeUnicode = true\n\tabbrev = 4\n",
    "templates": "[commit]\n\tverbose = true\n\tcleanup = scissors\n\tstatus = false\n[init]\n\tdefaultBranch = x\n",
    "checks of objects": "[transfer]\n\tfsckObjects = true\n[fetch]\n\tprune = true\n\tpruneTags = true\n",
    "an ignore file": "[core]\n\texcludesFile = /dev/null\n\tattributesFile = /dev/null\n\tpager = false\n",
    "encodings": "[i18n]\n\tcommitEncoding = latin-1\n\tlogOutputEncoding = latin-1\n",
    "a monitor": "[core]\n\tfsmonitor = true\n\tuntrackedCache = true\n[feature]\n\tmanyFiles = true\n",
    "a bare one": "[core]\n\tbare = true\n",
    "a work tree": "[core]\n\tworktree = /nowhere\n",
    "identities": "[user]\n\tuseConfigOnly = true\n",
    "rebases": "[branch]\n\tautoSetupRebase = always\n[rebase]\n\tautoStash = true\n[pull]\n\tff = only\n",
    "shallow clones": "[clone]\n\trejectShallow = true\n\tfilterSubmodules = true\n[push]\n\tfollowTags = true\n",
    "hooks": "[core]\n\thooksPath = /nowhere\n",
    "an old protocol": "[protocol]\n\tversion = 0\n[fetch]\n\tnegotiationAlgorithm = noop\n\toutput = compact\n",
    "an editor": "[core]\n\teditor = false\n[merge]\n\tconflictStyle = diff3\n\tlog = true\n",
    "dates": "[log]\n\tdate = relative\n\tdecorate = full\n\tmailmap = true\n[format]\n\tpretty = oneline\n",
    "default reflogs": "[core]\n\tlogAllRefUpdates = false\n\tsharedRepository = group\n\tcompression = 0\n",
    "a mirror": '[remote]\n\tpushDefault = all\n[remote "origin"]\n\tmirror = true\n\tskipDefaultUpdate = true\n',
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_of_the_person_changes_what_the_wizard_does(name: str, remote: GitRemote, tmp_path: Path) -> None:
    write_settings(SETTINGS[name])
    seed(remote)
    clone = Clone(tmp_path / "clone", remote)
    clone.make(lambda text: None, "the id", "the lab")
    assert clone.origin == remote.url
    clone.switch("alex", "origin/main")
    (clone.folder / "one.txt").write_text("changed\n", "utf-8")
    (clone.folder / "new.txt").write_text("new\n", "utf-8")
    state = clone.state()
    assert (state.branch, state.changed, state.untracked) == ("alex", ("one.txt",), ("new.txt",))
    assert clone.changed_lines() == {"one.txt": [(1, "changed")]}
    assert "1 insertion" in clone.summary()
    clone.commit_all(["new.txt"], "Change it")
    assert clone.messages("origin/main") == ("Change it",)
    clone.push("alex")
    clone.fetch()
    assert clone.has_remote_branch("alex")
    assert clone.state().upstream == "origin/alex"
    clone.switch("main", "origin/main")
    seed(remote, "two", onto=True)
    assert clone.pull() == "1 new commit taken in"


@pytest.mark.parametrize(
    ("text", "told", "advice"),
    [
        (
            "schannel: next InitializeSecurityContext failed: CRYPT_E_NO_REVOCATION_CHECK (0x80092012)",
            "cannot check whether its certificate is revoked",
            "http.schannelCheckRevoke false",
        ),
        ("Unsupported SSL backend 'schannel'. Supported SSL backends: gnutls", "names schannel", "http.sslBackend"),
        ("unable to access 'https://x/': Could not resolve proxy: p", "does not find your proxy", "HTTPS_PROXY"),
        ("error: unable to create file a: Filename too long", "too long for Windows", "core.longpaths true"),
        ("error: file write error: No space left on device", "The disk is full", "Free some space"),
        (
            "error: insufficient permission for adding an object to repository database .git/objects",
            "may not write in your clone",
            "chown",
        ),
        ("git: 'remote-https' is not a git command. See 'git --help'.", "git-remote-https, is missing", "Install git"),
        ("fatal: cannot exec '.git/hooks/pre-commit': Permission denied", "hook .git/hooks/pre-commit", "chmod +x"),
    ],
)
def test_what_git_says_on_other_machines_has_words_and_a_remedy(text: str, told: str, advice: str) -> None:
    found = meaning("fetch", Ended(128, b"", f"fatal: {text}\n"), "https://dev.azure.com/c/p/_git/r")
    assert told in found.message
    assert advice in found.hint


def test_a_commit_that_cannot_be_signed_says_so(remote: GitRemote, tmp_path: Path) -> None:
    write_settings("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n")
    seed(remote)
    clone = Clone(tmp_path / "clone", remote)
    clone.make(lambda text: None, "the id", "the lab")
    (clone.folder / "one.txt").write_text("changed\n", "utf-8")
    with pytest.raises(ServiceError, match="cannot be signed, as your setting") as refused:
        clone.commit_all([], "Change it")
    assert "git config commit.gpgSign false" in refused.value.hint


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
@pytest.mark.parametrize("how", ["the host", "the whole address"])
def test_a_setting_that_rewrites_the_address_is_overruled_or_named(
    key: str, how: str, remote: GitRemote, tmp_path: Path
) -> None:
    seed(remote)
    file = write_settings(
        f'[url "ssh://git@ssh.example.invalid/"]\n\t{key} = '
        + ("file://\n" if how == "the host" else f"{remote.url}\n")
    )
    if how == "the host":
        seed(remote, "two", onto=True)
        return
    with pytest.raises(ServiceError) as refused:
        seed(remote, "two", onto=True)
    assert "sends it to ssh://git@ssh.example.invalid/" in refused.value.message
    assert str(file) in refused.value.message
    assert f"git config --global --unset-all url.ssh://git@ssh.example.invalid/.{key.lower()}" in refused.value.hint


@pytest.mark.parametrize("whose", ["", ' "BASE"', ' "BASE/contoso/lab"'])
def test_a_setting_that_trusts_any_server_does_not_count(whose: str, server: Server) -> None:
    write_settings(f"[http{whose.replace('BASE', server.base)}]\n\tsslVerify = false\n")
    server.replies = [Reply(404)]
    remote = GitRemote(f"{server.base}/contoso/lab", lambda: Secret("Basic CANARY"))
    with pytest.raises(WizardError, match="certificate"):
        seed(remote, onto=True)
    assert server.asked == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_plain_git_in_a_clone_of_a_cloud_on_this_machine_needs_no_proxy(
    variable: str, server: Server, tmp_path: Path
) -> None:
    url = f"{server.base}/contoso/lab"
    assert run(tmp_path, ["init", "--quiet"]).code == 0
    assert run(tmp_path, ["remote", "add", "origin", url]).code == 0
    bundle = server.endpoints.ca_bundle
    Clone(tmp_path, GitRemote(url, lambda: Secret(""), bundle)).settle("the id", "helper", bundle)
    server.replies = [Reply(404)]
    environment = {**os.environ, variable: "http://127.0.0.1:9", "GIT_TERMINAL_PROMPT": "0"}
    ended = subprocess.run(
        ["git", "fetch"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert "not found" in ended.stderr
    assert server.asked


CUT = (
    "error: RPC failed; curl 56 GnuTLS recv error (-110): The TLS connection was non-properly terminated.\n"
    "send-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly"
)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (CUT, InconclusiveError, "ended before git was done"),
        ("error: RPC failed; curl 92 HTTP/2 stream 0 was not closed cleanly: CANCEL", InconclusiveError, "ended"),
        ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", InconclusiveError, "ended"),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", InconclusiveError, "ended"),
        ("fatal: unable to access 'https://x/': Empty reply from server", InconclusiveError, "ended"),
        ("fatal: unable to access 'https://x/': CONNECT tunnel failed, response 407", UnreachableError, "The proxy"),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 407", UnreachableError, "The proxy"),
        ("fatal: protocol error: bad line length character: <htm", InconclusiveError, "instead of https://x"),
        ("fatal: https://x/info/refs not valid: is this a git repository?", InconclusiveError, "instead of"),
    ],
)  # fmt: skip
def test_a_transfer_that_is_cut_or_answered_by_somebody_else_leaves_open_what_happened(
    said: str, kind: type[WizardError], told: str
) -> None:
    error = meaning("push", Ended(128, b"", said), "https://x")
    assert type(error) is kind
    assert told in error.message


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, content=b"<html>Sign in to the network</html>"),
        Reply(drop=True),
        Reply(502, content=b"<html>"),
        Reply(200, content=b"001e# service=git-upload-pack", cut=10),
    ],
    ids=["a page", "dropped", "502", "cut"],
)
def test_a_server_that_breaks_off_or_is_not_git_leaves_open_what_happened(reply: Reply, server: Server) -> None:
    server.replies = [reply]
    remote = GitRemote(f"{server.base}/contoso/lab", lambda: Secret("Basic CANARY"), server.endpoints.ca_bundle)
    with pytest.raises(UnreachableError):
        seed(remote, onto=True)
