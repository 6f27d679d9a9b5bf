"""Builders of the user's own on workers: their modules are imported there too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distributed import Client, Worker, WorkerPlugin

from iota2.chains.user_builders import use_folders


class BuilderFolders(WorkerPlugin):
    """Makes the Python files of some folders importable on each worker, also on those that come later."""

    name = "iota2-builders"

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)

    def setup(self, worker: Worker) -> None:
        """Called by each worker before its first job."""
        use_folders(self.folders)


def share_builders(client: Client, folders: Sequence[Path]) -> None:
    """Let all workers of a cluster import the builders of some folders; they must see the disk that these are on."""
    if folders:
        client.register_plugin(BuilderFolders(folders))
