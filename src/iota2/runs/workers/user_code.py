"""Builders of the user on workers, which import their modules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distributed import Client, Worker, WorkerPlugin

from iota2.chains.user_builders import use_folders


class BuilderFolders(WorkerPlugin):
    """Plugin that makes the Python files of some folders importable on all workers, also on later ones."""

    name = "iota2-builders"

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)

    def setup(self, worker: Worker) -> None:
        """Make the files importable; each worker calls this before its first job."""
        use_folders(self.folders)


def share_builders(client: Client, folders: Sequence[Path]) -> None:
    """Let all workers of a cluster import the builders of some folders, which must be on a shared disk."""
    if folders:
        client.register_plugin(BuilderFolders(folders))
