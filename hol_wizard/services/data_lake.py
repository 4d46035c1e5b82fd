"""Azure Data Lake Storage Gen2: file systems, files and access lists."""

from __future__ import annotations

from hol_wizard.services.rest import RestClient


class DataLake:
    """Azure Data Lake Storage Gen2: file systems, files and access lists."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
