"""What a command on a practice cluster can reach of the machine that it runs on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.kernel import confinement

linux = pytest.mark.skipif(confinement.landlock() < 1, reason="this kernel has no Landlock")
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); import confinement as c, os; folder = sys.argv[1]\n"


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    """A home with a key."""
    key = tmp_path / "home" / ".ssh" / "id_ed25519"
    key.parent.mkdir(parents=True)
    key.write_text("the owner's key", encoding="utf-8")
    return key


def run(tmp_path: Path, how: str, code: str, **environ: str) -> dict[str, Any]:
    """Run code in a process that was confined, and return what it put into `got`."""
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    body = f"{RUN}{how}\ngot = {{}}\n{textwrap.dedent(code)}\nimport json; print(json.dumps(got))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", body, str(Path(confinement.__file__).parent), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environ,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


READABLE = "[*c.python_folders(), *c.SYSTEM]"
KERNEL = f"assert c.confine({READABLE}, [folder])"
GUARD = f"c.guard({READABLE}, [folder])"
TRY = """
def tried(name, work):
    try:
        got[name] = str(work())
    except OSError as error:
        got[name] = type(error).__name__
"""


@linux
def test_the_kernel_refuses_the_owners_files(tmp_path: Path, owners: Path) -> None:
    assert owners.read_text(encoding="utf-8") == "the owner's key"
    code = f"""
    {textwrap.indent(TRY, "    ").strip()}
    import subprocess, pathlib
    key = {str(owners)!r}
    tried("open", lambda: open(key).read())
    tried("list", lambda: os.listdir(os.path.dirname(key)))
    tried("write", lambda: open(key, "w"))
    tried("make", lambda: open(key + ".new", "w"))
    tried("unlink", lambda: os.unlink(key))
    tried("link", lambda: os.link(key, folder + "/key"))
    os.symlink(key, folder + "/symbolic")
    tried("symlink", lambda: open(folder + "/symbolic").read())
    tried("child", lambda: subprocess.run(["/bin/cat", key], capture_output=True).stdout.decode())
    tried("proc", lambda: open(f"/proc/{{os.getppid()}}/environ", "rb").read())
    tried("maps", lambda: open(f"/proc/{os.getppid()}/maps", "rb").read())
    tried("root", lambda: open(f"/proc/{{os.getppid()}}/root{{key}}", "rb").read())
    tried("shadow", lambda: open("/etc/shadow").read())
    tried("truncate", lambda: os.truncate(key, 0))
    pathlib.Path(folder, "own.txt").write_text("own")
    tried("own", lambda: pathlib.Path(folder, "own.txt").read_text())
    tried("devnull", lambda: open(os.devnull, "w").write("x"))
    """
    got = run(tmp_path, KERNEL, code)
    assert owners.read_text(encoding="utf-8") == "the owner's key"
    assert (got.pop("own"), got.pop("devnull"), got.pop("child")) == ("own", "1", "")
    assert set(got.values()) <= {"PermissionError", "OSError"}, got
    assert [name for name, error in got.items() if error == "OSError"] == ["link"], "across devices, says the kernel"


@linux
def test_the_kernel_refuses_sockets_of_the_machine_signals_and_other_processes(tmp_path: Path) -> None:
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0hol-wizard-test-" + str(os.getpid()))
    abstract.listen()
    named = socket.socket(socket.AF_UNIX)
    named.bind(str(tmp_path / "agent.sock"))
    named.listen()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        code = f"""
        {textwrap.indent(TRY, "        ").strip()}
        import ctypes, socket
        libc = ctypes.CDLL(None, use_errno=True)
        tried("unix", lambda: socket.socket(socket.AF_UNIX).connect({str(tmp_path / "agent.sock")!r}))
        tried("signal", lambda: os.kill({other.pid}, 15))
        got["ptrace"] = libc.ptrace(16, {other.pid}, 0, 0)
        got["keyctl"] = libc.syscall({dict(x86_64=250, aarch64=219)[os.uname().machine]}, 0, -3, 0)
        a, b = socket.socketpair(); a.send(b"x"); got["pair"] = b.recv(1).decode()
        got["tcp"] = socket.socket().fileno() > 0
        """
        got = run(tmp_path, KERNEL, code)
        # Before kernel 6.12, Landlock lets signals pass.
        refuses_signals = confinement.landlock() >= confinement._SCOPES
        assert got.pop("signal") == ("PermissionError" if refuses_signals else "None")
        assert not refuses_signals or other.poll() is None
        if other.poll() is None:
            other.communicate(b"\n")
    abstract.close()
    named.close()
    assert got == {"unix": "PermissionError", "ptrace": -1, "keyctl": -1} | {
        "pair": "x",
        "tcp": True,
    }


def test_the_guard_refuses_the_same_files_to_python_code(tmp_path: Path, owners: Path) -> None:
    code = f"""
    {textwrap.indent(TRY, "    ").strip()}
    import pathlib, shutil, subprocess
    key = {str(owners)!r}
    tried("open", lambda: open(key).read())
    tried("path", lambda: pathlib.Path(key).read_text())
    tried("list", lambda: os.listdir(os.path.dirname(key)))
    tried("write", lambda: open(key, "w"))
    tried("unlink", lambda: os.unlink(key))
    tried("move", lambda: shutil.move(key, folder + "/key"))
    tried("child", lambda: subprocess.run([{sys.executable!r}, "-c", "0"]))
    tried("system", lambda: os.system("true"))
    pathlib.Path(folder, "own.txt").write_text("own")
    tried("own", lambda: pathlib.Path(folder, "own.txt").read_text())
    import csv, html.parser
    """
    got = run(tmp_path, GUARD, code)
    assert owners.read_text(encoding="utf-8") == "the owner's key"
    assert got.pop("own") == "own"
    assert set(got.values()) == {"PermissionError"}, got


MODEL = """
import io, warnings
warnings.simplefilter("ignore")
import numpy, pandas
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
data = pandas.DataFrame({"x": numpy.arange(100.0), "y": 2 * numpy.arange(100.0) + 1})
data.to_csv(folder + "/data.csv", index=False)
data = pandas.read_csv(folder + "/data.csv")
train, test = train_test_split(data, random_state=1)
got["score"] = round(Ridge().fit(train[["x"]], train["y"]).score(test[["x"]], test["y"]), 3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [pytest.param(KERNEL, marks=linux), GUARD])
def test_pandas_and_scikit_learn_run_all_the_same(tmp_path: Path, how: str) -> None:
    assert run(tmp_path, how, MODEL) == {"score": 1.0}
