"""Runs a notebook or a Python file as a job's run does: `jobs_runs.py` starts it as a separate process.

It runs the cells in one namespace, with `dbutils` (secrets, widgets, the exit value) and the part of `spark` that reads
a file from the data lake. It exchanges lines of JSON with the server, as for a command (`interpreter.py`, which this
uses). Imports nothing of `hol_wizard`.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

HEAD = "# Databricks notebook source"
CELL = "# COMMAND ----------"
MAGIC = "# MAGIC"
MOST_RESULT = 5 << 20
"""Maximum bytes of a notebook's exit value (Jobs_get_run_output: "the first 5 MB")."""
TIMEOUT = 60


def _sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class NotebookExit(BaseException):
    """`dbutils.notebook.exit` was called: the run succeeds, with a value."""


class InputWidgetNotDefined(Exception):
    """The notebook has not created the widget, and the run has no parameter for it."""


class AnalysisException(Exception):
    """Spark cannot do what the notebook asks for."""


class AbfsRestOperationException(Exception):
    """The data lake refuses a request."""


class Widgets:
    """`dbutils.widgets`: the run's parameters take precedence over the notebook's defaults."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = parameters
        self._values: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str = "") -> None:
        """Create a text widget."""
        del label
        self._values.setdefault(name, defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: Sequence[str], label: str = "") -> None:
        """Create a dropdown widget."""
        del choices
        self.text(name, defaultValue, label)

    combobox = dropdown

    def get(self, name: str) -> str:
        """Return a value."""
        if name in self._parameters:
            return self._parameters[name]
        if name not in self._values:
            raise InputWidgetNotDefined(f"No input widget named {name} is defined")
        return self._values[name]

    def getAll(self) -> dict[str, str]:
        """Return all values."""
        return {**self._values, **self._parameters}

    def remove(self, name: str) -> None:
        """Remove a widget."""
        self._values.pop(name, None)


class Notebook:
    """`dbutils.notebook`."""

    def exit(self, value: object) -> None:
        """End the run with a value."""
        raise NotebookExit(str(value))


class DbUtils:
    """The part of `dbutils` that the practice cloud has."""

    def __init__(self, secrets: Any, parameters: dict[str, str]) -> None:
        self.secrets = secrets
        self.widgets = Widgets(parameters)
        self.notebook = Notebook()


class Conf:
    """`spark.conf`."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def set(self, key: str, value: object) -> None:
        """Set a property for this session."""
        self._values[key] = str(value)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return a property."""
        if key not in self._values and default is None:
            raise AnalysisException(f"[SQL_CONF_NOT_FOUND] The SQL config {key} cannot be found.")
        return self._values.get(key, default)


class Frame:
    """A data frame in memory: the lab's data are small."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def toPandas(self) -> Any:
        """Return the rows as a pandas data frame."""
        return self._rows.copy()

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._rows.columns)

    def first(self) -> tuple[Any, ...] | None:
        """Return the first row."""
        return tuple(self._rows.iloc[0]) if len(self._rows) else None

    def limit(self, num: int) -> Frame:
        """Return the first rows."""
        return Frame(self._rows.head(num))

    def show(self, n: int = 20, *_: Any, **__: Any) -> None:
        """Print the first rows."""
        print(self._rows.head(n).to_string())  # noqa: T201  a notebook prints

    def printSchema(self) -> None:
        """Print names and types of the columns."""
        print(self._rows.dtypes.to_string())  # noqa: T201  as above


class Reader:
    """`spark.read`, for CSV files on `abfss://`."""

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._options: dict[str, str] = {}
        self._format = "csv"

    def format(self, source: str) -> Reader:
        """Choose the format."""
        self._format = source.lower()
        return self

    def option(self, key: str, value: object) -> Reader:
        """Set an option."""
        self._options[key.lower()] = str(value).lower()
        return self

    def options(self, **options: object) -> Reader:
        """Set several options."""
        for key, value in options.items():
            self.option(key, value)
        return self

    def load(self, path: str, format: str | None = None, **options: object) -> Frame:  # noqa: A002  its name is given
        """Read a file."""
        self.format(format or self._format).options(**options)
        if self._format != "csv":
            raise AnalysisException(f"The practice cloud's cluster reads csv, not {self._format}.")
        return Frame(self._rows(_fetch(path, self._conf)))

    def csv(self, path: str, **options: object) -> Frame:
        """Read a CSV file."""
        return self.load(path, "csv", **options)

    def _rows(self, content: bytes) -> Any:
        """Return rows as Spark does: without `inferSchema`, all values are strings.

        With it, a column is numeric only if all its values are numbers without surrounding spaces.
        """
        import pandas

        header = 0 if self._options.get("header") == "true" else None
        rows = pandas.read_csv(io.BytesIO(content), header=header, dtype=str, keep_default_na=False)
        if header is None:
            rows.columns = [f"_c{number}" for number in range(len(rows.columns))]
        if self._options.get("inferschema") == "true":
            for name in rows.columns:
                if rows[name].str.fullmatch(r"[+-]?\d+").all():
                    rows[name] = rows[name].astype("int64")
                elif rows[name].str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?").all():
                    rows[name] = rows[name].astype("float64")
        return rows


class Spark:
    """The part of `spark` that the practice cloud has: no engine, one machine, files in the data lake."""

    def __init__(self, user: str) -> None:
        self.conf = Conf()
        self._user = user

    @property
    def read(self) -> Reader:
        """The reader of files."""
        return Reader(self.conf)

    def sql(self, query: str) -> Frame:
        """Run `SELECT current_user()`; no other query is supported."""
        import pandas

        if re.fullmatch(r"select\s+current_user\(\)\s*;?", query.strip(), re.IGNORECASE):
            return Frame(pandas.DataFrame({"current_user()": [self._user]}))
        raise AnalysisException("The practice cloud's cluster has no Spark SQL: it knows SELECT current_user() only.")

    def createDataFrame(self, data: Any) -> Frame:
        """Return a pandas data frame as a Spark one."""
        return Frame(data)


def _fetch(address: str, conf: Conf) -> bytes:
    """Return a file from the data lake, signing in with the credentials in `spark.conf` for its account.

    The texts are those of hadoop-azure (`AbfsRestOperationException`, `ConfigurationPropertyNotFoundException`).
    """
    found = re.fullmatch(r"abfss://([^@/]+)@([^/]+)/(.+)", address)
    if not found:
        raise AnalysisException(f"The practice cloud's cluster reads abfss://CONTAINER@ACCOUNT/PATH, not {address}")
    container, host, path = found.groups()
    account = host.partition(".")[0]

    def setting(name: str) -> str:
        value = conf.get(f"fs.azure.account.{name}.{host}", "")
        if not value:
            raise AbfsRestOperationException(
                f"Failure to initialize configuration for storage account {host}: Invalid configuration value detected "
                f"for fs.azure.account.key"
            )
        return value

    if setting("auth.type") != "OAuth":
        raise AbfsRestOperationException(f"The practice cloud's cluster signs in to {host} with OAuth only.")
    form = {
        "grant_type": "client_credentials",
        "client_id": setting("oauth2.client.id"),
        "client_secret": setting("oauth2.client.secret"),
        "resource": "https://storage.azure.com/",
    }
    endpoint = setting("oauth2.client.endpoint")
    status, _, _, content = _ask("POST", endpoint, urllib.parse.urlencode(form).encode())
    if status != 200:
        raise AbfsRestOperationException(
            f"HTTP Error {status}; url='{endpoint}' AADToken: HTTP connection to {endpoint} failed for getting token "
            f"from AzureAD. {content.decode('utf-8', 'replace')}"
        )
    token = json.loads(content)["access_token"]
    where = f"{os.environ['PRACTICE_DFS_URL']}/{account}/{container}/{urllib.parse.quote(path)}"
    sent = {"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"}
    status, reason, headers, content = _ask("GET", where, headers=sent)
    if status == 404:
        raise AnalysisException(f"[PATH_NOT_FOUND] Path does not exist: {address}. SQLSTATE: 42K03")
    if status != 200:
        shown, code = f"https://{host}/{container}/{path}", headers.get("x-ms-error-code") or ""
        raise AbfsRestOperationException(f'Operation failed: "{reason}", {status}, GET, {shown}, {code}')
    return content


def _ask(
    method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, Any, bytes]:
    """Return status, reason, headers and body of a response."""
    request = urllib.request.Request(address, body, headers or {}, method=method)  # noqa: S310 - the lab's own
    try:
        with urllib.request.build_opener().open(request, timeout=TIMEOUT) as response:
            return response.status, response.reason, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.reason, error.headers, error.read()


class Absent(importlib.abc.MetaPathFinder):
    """Blocks packages that are on this machine but not on a cluster without the lab's library."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Raise ModuleNotFoundError for a blocked package."""
        del path, target
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)
        return None


def cells(source: str) -> list[str]:
    """Return the cells of a notebook that are Python.

    Raises:
        SyntaxError: One is in another language, or a magic command of Databricks.
    """
    found = []
    for cell in source.removeprefix(HEAD).split(CELL):
        lines = [line for line in cell.splitlines() if line.strip()]
        if not lines:
            continue
        if lines[0].startswith(MAGIC):
            magic = lines[0].removeprefix(MAGIC).strip().partition(" ")[0]
            if not magic.startswith("%md"):
                raise SyntaxError(f"The practice cloud's cluster runs Python cells, not {magic or 'magic'} cells.")
            continue
        found.append(cell)
    return found


class Told(io.TextIOBase):
    """The output: passed on line by line, with secrets redacted."""

    def __init__(self, sending: TextIO, secrets: Any) -> None:
        self._sending, self._secrets, self._line = sending, secrets, ""

    def write(self, text: str) -> int:
        """Send complete lines."""
        *whole, self._line = (self._line + text).split("\n")
        for line in whole:
            self._send(line)
        return len(text)

    def _send(self, line: str) -> None:
        self._sending.write(json.dumps({"printed": self._secrets.redacted(line)}) + "\n")
        self._sending.flush()

    def finish(self) -> None:
        """Send the rest."""
        if self._line:
            self._send(self._line)
            self._line = ""


def run(order: dict[str, Any], secrets: Any, told: Told) -> dict[str, Any]:
    """Carry out the order and return the outcome: a value, or an error with its traceback."""
    names: dict[str, Any] = {"__name__": "__main__"}
    names["dbutils"] = DbUtils(secrets, order["parameters"])
    names["spark"] = Spark(order["user"])
    names["display"] = lambda value, *_, **__: print(value)  # noqa: T201  a notebook prints
    file = order["file"]
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            source = Path(file).read_text(encoding="utf-8")
            if order["notebook"]:
                for number, cell in enumerate(cells(source), 1):
                    _cell(cell, f"{Path(file).stem}, cell {number}", names)
            else:
                sys.argv = [file, *order["arguments"]]
                exec(compile(source, file, "exec"), names)  # noqa: S102  running it is what this is for
    except NotebookExit as exited:
        value = secrets.redacted(str(exited))
        return {"value": value[:MOST_RESULT], "truncated": len(value) > MOST_RESULT}
    except SystemExit as ended:
        if ended.code not in (None, 0):
            return {"error": f"SystemExit: {ended.code}", "trace": f"SystemExit: {ended.code}"}
    except Exception as error:  # noqa: BLE001  whatever a notebook raises is its result
        summary = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))[-(1 << 16) :]
        return {"error": secrets.redacted(summary), "trace": secrets.redacted(trace)}
    return {"value": None, "truncated": False}


def _cell(text: str, name: str, names: dict[str, Any]) -> None:
    """Run a cell, and show the value of its last line as a notebook does."""
    tree = ast.parse(text, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)  # noqa: S102  running it is what this is for
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307  as above
        if value is not None:
            print(repr(value))  # noqa: T201  a notebook prints


def _keep_sign_ins_here() -> None:
    """Keep MSAL from looking up the practice cloud's sign-in address.

    It asks login.microsoftonline.com about every authority that is not Microsoft's own.
    """
    with contextlib.suppress(ImportError):
        application: Any = importlib.import_module("msal").ClientApplication
        make = application.__init__

        def make_here(self: Any, *given: Any, **named: Any) -> None:
            make(self, *given, **{**named, "instance_discovery": False})

        application.__init__ = make_here


def main() -> None:
    """Read the order from standard input, and write the events to standard output."""
    answering = os.fdopen(os.dup(0), encoding="utf-8")
    asking = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    interpreter = _sibling("interpreter")
    order = json.loads(answering.readline())
    secrets = interpreter.SecretsUtil(asking, answering)
    told = Told(asking, secrets)
    sys.stdin = io.StringIO()
    # Modules beside the notebook are found first.
    sys.path.insert(0, order["folder"])
    os.chdir(order["folder"])
    _keep_sign_ins_here()
    sys.meta_path.insert(0, Absent(order["absent"]))
    result = run(order, secrets, told)
    told.finish()
    asking.write(json.dumps({"result": result}) + "\n")
    asking.flush()
    # Threads of libraries must not keep a run alive.
    os._exit(0)


if __name__ == "__main__":
    main()
