"""Loading of configurations with all available builders."""

from __future__ import annotations

from pathlib import Path

from iota2.chains.lookup import selected_builders
from iota2.config import load
from iota2.config.load import Reading
from iota2.config.options.schema import Config
from iota2.config.syntax.document import Document
from iota2.core.arguments import require_path


def load_config(path: Path | str, *, check_paths: bool = True, paths_from: Path | None = None) -> Config:
    """The configuration in a file, checked.

    ``path``: a file ``.yaml`` or ``.yml`` in YAML, any other in the syntax of ``.cfg``. ``check_paths``: whether the
    files and folders that options name must exist. ``paths_from``: start of relative paths, by default the folder of
    the file that contains them. The result is frozen: change the file and load it again.

    ConfigError with all problems at once, each with its line; a syntax error is reported alone. Accepted but noteworthy
    settings are no errors: they are in ``warnings`` of the result.
    """
    require_path(path, "load_config: path", "the path of a configuration")
    return load.load_config(path, selected_builders, check_paths=check_paths, paths_from=paths_from)


def read_config(path: Path | str, *, check_paths: bool = True, paths_from: Path | None = None) -> Reading:
    """The content of a configuration file, valid or not; see ``config.load.read_config``."""
    return load.read_config(path, selected_builders, check_paths=check_paths, paths_from=paths_from)


def config_from(document: Document, *, check_paths: bool = True) -> Config:
    """The configuration of a document; see ``config.load.config_from``."""
    return load.config_from(document, selected_builders, check_paths=check_paths)
