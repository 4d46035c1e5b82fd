# ruff: noqa: E501 - a mistake and what is told of it read best on one line
from pathlib import Path

import pytest

from hol_wizard.engine.kinds import Kind
from hol_wizard.engine.ownership import Resource
from hol_wizard.errors import ContentError
from hol_wizard.lab import loader
from hol_wizard.lab.folder import default_folder
from hol_wizard.lab.lint import lint
from hol_wizard.lab.loader import Known, load, read, slug
from hol_wizard.lab.model import Environment, Role

KNOWN = Known({"groups.exist"}, {"groups.create"}, {"groups.delete"}, {"groups.lock", "groups.unlock"})

SET_UP = """\
+++
id = "set-up"
title = "Set up"
role = "everyone"
minutes = 5

[steps.sign-in]
human = "Only you can."
keep = true
+++
Who you are.

## Sign in
Do it.
"""

GROUPS = """\
+++
id = "groups"
title = "Create the groups"
role = "organizer"
minutes = 5
needs = ["set-up"]

[steps.create-the-groups]
for_each = ["dev", "prod"]
check = "groups.exist"
solve = "groups.create"
undo = "groups.delete"
portal = "resource_group"
inputs = ["location"]
minutes = 0.5
hints = [
  "Each has its own.",
  "az group create --name {resource_group}",
]

[steps.look-at-them]
needs = ["create-the-groups"]
+++
They hold everything, `{{prefix}}` is literal.

## Create the groups
Make {resource_group} and {prod.container_registry}.

```bash
## not a heading
az group show --name {resource_group}
```

### A heading within

## Look at them!
Look.
"""


def write(folder: Path, **changes: str) -> Path:
    """Write the two documents, changed as told: `groups='old=>new'`."""
    (folder / "lab.toml").write_text('title = "Two sections"\nintroduction = "Short."\n', encoding="utf-8")
    for name, text in (("01-set-up", SET_UP), ("02-groups", GROUPS)):
        for each in filter(None, changes.get(name[3:].replace("-", "_"), "").split("\n---\n")):
            old, _, new = each.partition("=>")
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def told(folder: Path, known: Known | None = KNOWN) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in read(folder, known)[1]]


def test_a_document_becomes_a_section_with_steps(tmp_path: Path) -> None:
    lab = load(write(tmp_path), KNOWN)
    assert [(section.number, section.id) for section in lab.sections] == [(1, "set-up"), (2, "groups")]
    section = lab.section("groups")
    assert section.role is Role.ORGANIZER
    assert section.intro == "They hold everything, `{{prefix}}` is literal."
    first, second = section.steps
    assert first.key == "groups/create-the-groups"
    assert first.title == "Create the groups"
    assert first.line == 26
    assert first.for_each == (Environment.DEV, Environment.PROD)
    assert (first.check, first.solve, first.undo) == ("groups.exist", "groups.create", "groups.delete")
    assert first.hints == ("Each has its own.", "az group create --name {resource_group}")
    assert first.needs == ("set-up",)
    assert first.minutes == 0.5
    assert "## not a heading" in first.body
    assert first.body.endswith("### A heading within")
    assert second.needs == ("set-up", "groups/create-the-groups")
    assert lab.steps["set-up/sign-in"].keep


def test_a_step_names_what_else_can_be_done_with_it(tmp_path: Path) -> None:
    change = 'undo = "groups.delete"=>actions = ["groups.lock", "groups.unlock"]'
    lab = load(write(tmp_path, groups=change), KNOWN)
    assert lab.steps["groups/create-the-groups"].actions == ("groups.lock", "groups.unlock")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('role = "organizer"=>role = organizer', "02-groups.md:4: the front matter is not TOML: Invalid value"),
        ('title = "Create the groups"\n=>', "02-groups.md:1: the front matter has no `title`"),
        ("minutes = 5=>minuets = 5", "02-groups.md:5: there is no key `minuets` in the front matter (did you mean minutes?)"),
        (
            "undo = =>udno = ",
            "02-groups.md:12: there is no key `udno` in [steps.create-the-groups] (did you mean undo?)",
        ),
        ('minutes = 5=>minutes = "5"', "02-groups.md:5: `minutes` must be a whole number, not '5'"),
        ("minutes = 5=>minutes = true", "02-groups.md:5: `minutes` must be a whole number, not True"),
        ('needs = ["set-up"]=>needs = "set-up"', "02-groups.md:6: `needs` must be a list of strings, not 'set-up'"),
        ('needs = ["set-up"]=>needs = [1]', "02-groups.md:6: `needs` must be a list of strings, not [1]"),
        ("minutes = 0.5=>minutes = 0", "02-groups.md:15: `minutes` must be more than 0"),
        ('"organizer"=>"organiser"', "02-groups.md:4: there is no role `organiser` (did you mean organizer?)"),
        ('id = "groups"=>id = "group"', '02-groups.md:2: the ID `group` does not match the name of the file (did you mean id = "groups"?)'),
        ('title = "Create the groups"=>title = " "', "02-groups.md:3: `title` is empty"),
        ('"dev", "prod"=>"dev", "prd"', "02-groups.md:9: there is no environment `prd` (did you mean prod?)"),
        ('"dev", "prod"=>"dev", "dev"', "02-groups.md:9: `dev` occurs twice in `for_each`"),
        ('"groups.exist"=>"groups.exists"', "02-groups.md:10: there is no check `groups.exists` (did you mean groups.exist?)"),
        ('"groups.create"=>"groups.crate"', "02-groups.md:11: there is no solve `groups.crate` (did you mean groups.create?)"),
        (
            'undo = "groups.delete"=>actions = ["groups.lok"]',
            "02-groups.md:12: there is no action `groups.lok` (did you mean groups.lock?)",
        ),
        (
            'undo = "groups.delete"=>actions = ["groups.lock", "groups.lock"]',
            "02-groups.md:12: `groups.lock` occurs twice in `actions`",
        ),
        ('"groups.delete"=>"groups.delet"', "02-groups.md:12: there is no undo `groups.delet` (did you mean groups.delete?)"),
        (
            '"resource_group"=>"resource_grp"',
            "02-groups.md:13: there is no portal page `resource_grp` (did you mean resource_group?)",
        ),
        ('for_each = ["dev", "prod"]\n=>', "02-groups.md:12: the portal page `resource_group` is of an environment: `for_each` is missing"),
        ('"resource_group"=>"key_vault"', "02-groups.md:13: the lab creates no key vault in prod"),
        ('"location"=>"locaton"', "02-groups.md:14: there is no input `locaton` (did you mean location?)"),
        ('check = "groups.exist"\n=>', "02-groups.md:10: a step with a `solve` needs a `check` that verifies it"),
        (
            'check = "groups.exist"\n=>check = "groups.exist"\nconfirm = "I have seen them."\n',
            "02-groups.md:11: a step that is checked cannot be confirmed: omit `confirm`",
        ),
        (
            'check = "groups.exist"\n=>human = "Yours."\nconfirm = "I have seen them."\n',
            "02-groups.md:11: `confirm` says what only a person can judge: omit `human` and `person`",
        ),
        (
            'check = "groups.exist"\n=>check = "groups.exist"\nperson = "reviewr"\n',
            "02-groups.md:11: there is no person `reviewr` (did you mean reviewer?)",
        ),
        (
            "--name {resource_group}=>--name {resource_grop}",
            "02-groups.md:18: there is no placeholder `{resource_grop}` (did you mean {resource_group}?)",
        ),
        ("Make {resource_group}=>Make {resorce_group}", "02-groups.md:27: there is no placeholder `{resorce_group}` (did you mean {resource_group}?)"),
        (
            "They hold=>They hold {resource_group}",
            "02-groups.md:24: `{resource_group}` differs between environments, and this text has none: name one (did you mean {dev.resource_group}?)",
        ),
        ("{prod.container_registry}=>{container_registry}", "02-groups.md:27: the lab creates no container registry in dev: `{container_registry}` (did you mean {prod.container_registry}?)"),
        (
            'check = "groups.exist"\n=>check = "groups.exist"\nafter = ["set-up/signin"]\n',
            "02-groups.md:11: there is no section or step `set-up/signin` (did you mean set-up/sign-in?)",
        ),
        ('needs = ["set-up"]=>needs = ["setup"]', "02-groups.md:6: there is no section or step `setup` (did you mean set-up?)"),
        (
            '["create-the-groups"]=>["groups/create-groups"]',
            "02-groups.md:22: there is no section or step `groups/create-groups` (did you mean groups/create-the-groups?)",
        ),
        ("## Look at them!=>## Look at those", "02-groups.md:36: this heading has no table [steps.look-at-those] (did you mean look-at-them?)"),
        ("## Look at them!=>## Create the groups", "02-groups.md:36: the step `create-the-groups` is there already, in line 26"),
        ("## Look at them!=>## {prefix}", "02-groups.md:36: placeholders are not filled in here: `{prefix}`"),
        ("## Look at them!\n=>## Look at them!\n## \n", "02-groups.md:37: a step's heading is empty"),
        ("\nLook.\n=>\n", "02-groups.md:36: the step `Look at them!` has no text"),
        ("They hold everything, `{{prefix}}` is literal.\n=>", "02-groups.md:24: the section has no text before its first step: say what it is for"),
        ("## Look at them!=># Look at them!", "02-groups.md:36: a first-level heading: the title belongs in the front matter, and steps are `## `"),
        ("{resource_group}\n```\n=>{resource_group}\n````x\n", "02-groups.md:29: this code fence is never closed"),
        ("Look.=>\tLook.", "02-groups.md:37: there is a tab in this line; write spaces"),
        ("+++\nid=>\nid", "02-groups.md:1: the document must begin with a line `+++`, its front matter and another `+++`"),
        ("+++\nThey=>They", "02-groups.md:1: the front matter is not closed: a line `+++` is missing after it"),
        (
            '[steps.look-at-them]=>[[steps.look-at-them]]',
            "02-groups.md:21: `look-at-them` must be a table: [steps.look-at-them]",
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_line_and_what_was_meant(tmp_path: Path, change: str, problem: str) -> None:
    problems = told(write(tmp_path, groups=change))
    assert any(each.startswith(problem) for each in problems), problems


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    problems = told(
        write(tmp_path, groups='"dev", "prod"=>"dev", "prd"\n---\n"location"=>"locaton"\n---\nLook.=>\tLook.')
    )
    assert len(problems) == 3


def test_circles_of_needs_are_named(tmp_path: Path) -> None:
    change = 'title = "Set up"=>title = "Set up"\nneeds = ["groups/look-at-them"]'
    assert told(write(tmp_path, set_up=change)) == [
        "01-set-up.md:4: circular needs: set-up/sign-in needs groups/look-at-them needs set-up/sign-in",
    ]


def test_a_step_that_comes_after_one_that_needs_it_is_a_circle(tmp_path: Path) -> None:
    problems = told(
        write(tmp_path, groups='check = "groups.exist"\n=>check = "groups.exist"\nafter = ["look-at-them"]\n')
    )
    assert len(problems) == 1
    assert problems[0].startswith("02-groups.md:11: circular needs: ")


def test_a_step_that_needs_itself_is_a_circle(tmp_path: Path) -> None:
    problems = told(write(tmp_path, groups='["create-the-groups"]=>["look-at-them"]'))
    assert problems == [
        "02-groups.md:22: circular needs: groups/look-at-them needs groups/look-at-them",
    ]


def test_gaps_doubles_and_strange_names_of_files_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "02-groups.md").rename(tmp_path / "04-groups.md")
    (tmp_path / "01-also.md").write_text(SET_UP.replace("set-up", "also"), encoding="utf-8")
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    assert told(tmp_path) == [
        "01-set-up.md:1: 01-also.md has the same number",
        "04-groups.md:1: the numbers have a gap: there is no document 02 to 03 before this one",
        "notes.md:1: a document's name is its number and ID, such as 03-resource-groups.md",
    ]


def test_bytes_that_are_not_utf_8_are_told_with_their_line(tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / "01-set-up.md"
    file.write_bytes(file.read_bytes().replace(b"Do it.", b"Do \xe9t."))
    assert "01-set-up.md:14: this is not UTF-8 text; save the file as UTF-8" in told(tmp_path)


def test_a_document_saved_on_windows_reads_the_same(tmp_path: Path) -> None:
    write(tmp_path)
    before = load(tmp_path)
    for file in tmp_path.glob("*.md"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load(tmp_path) == before


def test_no_folder_and_no_document_are_told(tmp_path: Path) -> None:
    assert "there is no document" in told(tmp_path)[0]
    assert "there is no such folder" in str(read(tmp_path / "nowhere")[1][0])


def test_all_mistakes_stand_in_one_error(tmp_path: Path) -> None:
    write(tmp_path, set_up='"everyone"=>"all"', groups='"organizer"=>"all"')
    with pytest.raises(ContentError) as raised:
        load(tmp_path, KNOWN)
    assert raised.value.message.count("there is no role `all`") == 2


@pytest.mark.parametrize(
    ("heading", "step_id"),
    [
        ("Add a Key Vault", "add-a-key-vault"),
        ("What's new — 2026?", "whats-new-2026"),
        ("`az` & Git", "az-git"),
        ("?", ""),
    ],
)
def test_a_heading_gives_its_step_an_id(heading: str, step_id: str) -> None:
    assert slug(heading) == step_id


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("Look.=>Look. ", "37: there are spaces at the end of this line"),
        ("az group show=>$ az group show", "31: a command must be copyable: remove the prompt `$ ` (did you mean az group show --name {resource_group}?)"),
        ("Look.=>See [docs] (https://example.com).", "37: remove the space between [docs] and its address"),
        ("Look.=>See [](https://example.com).", "37: the link to `https://example.com` has no text"),
        ("Look.=>See [docs]().", "37: the link [docs] has no address"),
        ("Look.=>See [docs](../docs/x.md).", "37: the link [docs] does not work in a terminal: `../docs/x.md` must begin with https://"),
        ("Look.=>See [docs](https://example.com/a b).", "37: there is a space in the address of [docs]"),
        ("Look.=>See [docs](https://example.com", "37: a link is not closed"),
        ("Look.=>Delete it and make it\nanew.", "38: readers stop at “anew”: write again"),
        ("Look.=>Put yours in the\nplace of theirs.", "37: readers stop at “in the place of”: write instead of"),
        ('"Each has its own."=>"Then wait some minutes."', "17: readers stop at “some minutes”: write a few minutes"),
        ('"Each has its own."=>"1", "2", "3", "4", "5"', "16: the step has 6 hints; the maximum is 5"),
        ("[steps.look-at-them]=>[steps." + "look-" * 13 + "at]\n---\n## Look at them!=>## " + "Look " * 13 + "at", "36: the heading has 67 characters; the maximum is 60"),
    ],
)  # fmt: skip
def test_what_reads_or_copies_badly_is_told_by_lint_only(tmp_path: Path, change: str, problem: str) -> None:
    folder = write(tmp_path, groups=change)
    assert told(folder) == []
    found = [str(each).removeprefix(f"{folder}/02-groups.md:") for each in lint(folder, KNOWN)]
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "See [docs](https://example.com/a_(b)?c=d#e), [more](https://example.com 'title').",
        "In code `[a](b)`, `$ x` and `anew` anything goes.",
        "```sh\necho anew\n```",
        "An [aside] (in brackets).",
    ],
)
def test_what_reads_well_is_left_alone(tmp_path: Path, text: str) -> None:
    assert lint(write(tmp_path, groups=f"Look.=>{text}"), KNOWN) == []


def test_the_lab_that_comes_with_the_wizard_has_no_mistakes() -> None:
    assert [str(problem) for problem in lint(default_folder())] == []


def _never(*given: object) -> Resource[object]:
    raise AssertionError(given)


BOX = Kind("box", _never, ("name",), ("color",), ("storage_account",))
ENVIRONMENTS = 'for_each = ["dev", "prod"]=>for_each = ["dev"]\n---\n{prod.container_registry}=>nothing'
OLD = 'check = "groups.exist"\nsolve = "groups.create"\nundo = "groups.delete"'
BOXES = f'{ENVIRONMENTS}\n---\n{OLD}=>resource = "box"'


def of_boxes(folder: Path, table: str) -> list[str]:
    """Return what is told of a step that is a box, with this in its table."""
    write(folder, groups=f"{BOXES}\n{table}")
    return told(folder, KNOWN._replace(kinds={"box": BOX}))


def test_a_resource_with_arguments_is_check_solve_and_undo(tmp_path: Path) -> None:
    assert of_boxes(tmp_path, 'with = { name = "{prefix}-logs" }') == []
    step = load(tmp_path, KNOWN._replace(kinds={"box": BOX})).steps["groups/create-the-groups"]
    assert (step.check, step.solve, step.undo) == ("box", "box", "box")
    assert step.arguments == {"name": "{prefix}-logs"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('with = { nmae = "logs", name = "x" }', "02-groups.md:11: box has no argument `nmae` (did you mean name?)"),
        (
            'with = { color = "red" }',
            '02-groups.md:11: box needs the argument `name` (did you mean with = { name = "…" }?)',
        ),
        ("", '02-groups.md:10: box needs the argument `name` (did you mean with = { name = "…" }?)'),
        (
            'with = { name = "{resorce_group}" }',
            "02-groups.md:11: there is no placeholder `{resorce_group}` (did you mean {resource_group}?)",
        ),
        ("with = { name = 3 }", "02-groups.md:11: `name` must be a string, not 3"),
        (
            'with = { name = "x" }\nsolve = "groups.create"',
            "02-groups.md:12: `resource` provides its own solve: omit one of them",
        ),
        ("with = 3", "02-groups.md:11: `with` must be a table, not 3"),
    ],
)
def test_a_mistake_in_a_resource_is_told_with_what_was_meant(tmp_path: Path, table: str, problem: str) -> None:
    assert problem in of_boxes(tmp_path, table)


def test_an_unknown_kind_and_arguments_without_a_resource_are_told(tmp_path: Path) -> None:
    write(tmp_path, groups=BOXES.replace('"box"', '"bxo"'))
    assert told(tmp_path, KNOWN._replace(kinds={"box": BOX})) == [
        "02-groups.md:10: there is no kind of resource `bxo` (did you mean box?)"
    ]
    write(tmp_path, groups=f'{OLD}=>with = {{ name = "x" }}')
    assert told(tmp_path) == ["02-groups.md:10: `with` gives arguments to a `resource`, but the step has none"]


def test_a_resource_is_in_environments_that_have_what_it_is_in(tmp_path: Path) -> None:
    new = f'{OLD}=>resource = "box"\nwith = {{ name = "x" }}'
    write(tmp_path, groups=new)
    known = KNOWN._replace(kinds={"box": BOX})
    assert told(tmp_path, known) == ["02-groups.md:9: the lab creates no storage account in prod: `{storage_account}`"]
    nowhere = 'for_each = ["dev", "prod"]\n=>\n---\nMake {resource_group} and {prod.container_registry}.=>Make it.'
    nowhere += '\n---\naz group show --name {resource_group}=>ls\n---\n  "az group create --name {resource_group}",\n=>'
    nowhere += '\n---\nportal = "resource_group"\n=>'
    write(tmp_path, groups=f"{nowhere}\n---\n{new}")
    assert told(tmp_path, known) == [
        "02-groups.md:9: box uses the storage account of an environment: `for_each` is missing"
    ]


INCLUDED = "Look.\n=>Look.\n\n1. Read it:\n\n   ```yaml include={file}\n   {inside}```\n\nThat was it.\n"


def test_a_fence_includes_a_file_of_the_starter(tmp_path: Path) -> None:
    write(tmp_path, groups=INCLUDED.format(file="azure-pipelines-release.yml", inside=""))
    body = load(tmp_path, KNOWN).steps["groups/look-at-them"].body
    _, fence, rest = body.partition("   ```yaml\n")
    assert fence
    shown, closed, after = rest.partition("   ```\n")
    assert closed
    assert after.strip() == "That was it."
    starter = (default_folder().parent / "hol_wizard" / "starter").joinpath("azure-pipelines-release.yml")
    assert [line.removeprefix("   ") for line in shown.splitlines()] == starter.read_text("utf-8").splitlines()
    assert "    source: {pipeline}\n" in shown


@pytest.mark.parametrize(
    ("file", "inside", "problem"),
    [
        (
            "azure-pipeline.yml",
            "",
            "there is no file `azure-pipeline.yml` in the starter project (did you mean azure-pipelines.yml?)",
        ),
        ("", "", "there is no file `` in the starter project"),
        ("../config.py", "", "there is no file `../config.py` in the starter project"),
        (
            "azure-pipelines.yml",
            "steps: []\n   ",
            "a fence that includes a file must be empty; it contains `steps: []`",
        ),
    ],
)
def test_a_file_that_cannot_be_included_is_told(tmp_path: Path, file: str, inside: str, problem: str) -> None:
    write(tmp_path, groups=INCLUDED.format(file=file, inside=inside))
    (found,) = told(tmp_path)
    assert found.partition(": ")[2] == problem
    line = int(found.split(":")[1])
    assert "include=" in "".join((tmp_path / "02-groups.md").read_text("utf-8").splitlines()[line - 2 : line])


def test_a_placeholder_of_an_included_file_is_checked_as_one_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = tmp_path / "starter"
    starter.mkdir()
    (starter / "a.yml").write_text("name: {pipelin}\n", encoding="utf-8")
    monkeypatch.setattr(loader, "starter_folder", lambda: starter)
    (tmp_path / "lab").mkdir()
    write(tmp_path / "lab", groups=INCLUDED.format(file="a.yml", inside=""))
    (found,) = told(tmp_path / "lab")
    assert "there is no placeholder `{pipelin}` (did you mean {pipeline}?)" in found
