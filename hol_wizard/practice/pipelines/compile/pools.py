"""`pool` as plain data; images that cannot be imitated here are refused by name.

Sources: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/pool and
https://learn.microsoft.com/azure/devops/pipelines/agents/hosted.
"""

from __future__ import annotations

from hol_wizard.practice.pipelines.compile.fields import Fields
from hol_wizard.practice.pipelines.compile.nodes import Node, ScalarNode, refuse
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.variables import KnownVariables, has_macro
from hol_wizard.practice.pipelines.plan import Pool, Position

HOSTED = "Azure Pipelines"
"""The pool of Microsoft-hosted agents."""
DEFAULT_IMAGE = "ubuntu-latest"
_UBUNTU = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04")
_SYSTEMS = {"windows": "win32", "macos": "darwin"}
_RETIRED = ("ubuntu-16.04", "ubuntu-18.04", "ubuntu-20.04", "macos-10.13", "macos-10.14", "macos-10.15")
_RETIRED_PREFIXES = ("vs2015", "vs2017", "win1803")


def pool(node: Node | None) -> Pool | None:
    """Return a pool, or None if there is none.

    Raises:
        PipelineError: It is not valid.
    """
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        name = node.text.strip()
        if not name:
            return None
        return Pool(server=True, place=node.place) if name.lower() == "server" else Pool(name=name, place=node.place)
    fields = Fields(node, "'pool'")
    name, image, demands = fields.text("name").strip(), fields.text("vmImage").strip(), fields.texts("demands")
    fields.end()
    # A self-hosted pool can have both, as in real pipelines; the pool then decides what the image means.
    if (image and not name) or name.lower() == HOSTED.lower():
        return Pool(vm_image=image or DEFAULT_IMAGE, demands=demands, place=node.place)
    if not name:
        raise refuse(node.place, "A pool needs 'vmImage' or 'name'.")
    return Pool(name=name, demands=demands, place=node.place)


def check_image(pool: Pool, known: KnownVariables, machine: str, findings: Findings, job: Position) -> None:
    """Find out whether a hosted image can be imitated on this machine."""
    place = pool.place or job
    if pool.demands:
        findings.note(place, "Demands have no effect in the practice cloud.")
    image = known.resolve(pool.vm_image)
    if not image or has_macro(image):
        return
    wanted = image.lower()
    if wanted in _UBUNTU:
        return
    if wanted in _RETIRED or wanted.startswith(_RETIRED_PREFIXES):
        findings.problem(place, f"The image '{image}' is retired. Use 'ubuntu-24.04'.")
        return
    system = _SYSTEMS.get(wanted.partition("-")[0])
    if system is None:
        findings.problem(place, f"The practice agent does not know the image '{image}'. Use 'ubuntu-24.04'.")
    elif system != machine:
        findings.problem(
            place,
            f"The practice agent runs jobs on this machine, which cannot be '{image}'. Use 'ubuntu-24.04'.",
        )
    else:
        findings.note(place, f"'{image}' is this machine, with the programs that it has.")
