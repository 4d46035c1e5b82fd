"""A pipeline's YAML compared with the one that the lab asks for, task by task.

It reads what is written, with its lines. What a template has in it is not written there: the service's preview
operation answers the expanded text, which can be compared in the same way.
"""

from __future__ import annotations

from hol_wizard.pipeline_file.comparison import Comparison, Finding, compare
from hol_wizard.pipeline_file.document import PipelineFile, PipelineFileError, WrittenStep, read

__all__ = ["Comparison", "Finding", "PipelineFile", "PipelineFileError", "WrittenStep", "compare", "read"]
