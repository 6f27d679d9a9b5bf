"""Search path of imports, without the working folder, whose files may have names of library modules.

This module is imported first, and imports only modules that the interpreter has loaded already.
"""

import os
import sys


def leave_out_working_folder() -> None:
    """Remove the working folder from ``sys.path``, unless ``PYTHONPATH`` names it by its absolute path.

    ``python -m`` adds it, and so do entries of ``PYTHONPATH`` that are empty or ``.``. A program that imports iota2
    as a library keeps its path.
    """
    as_module = sys.argv[:1] == ["-m"]  # as long as the module is being located
    if not as_module and not _is_command():
        return
    if as_module and not sys.flags.safe_path:
        del sys.path[0]
    try:
        here = os.getcwd()
    except OSError as err:  # libraries fail without one
        print(f"error: the working folder is gone ({err.strerror}). Change to another folder first.", file=sys.stderr)
        sys.exit(1)
    parts = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = any(not os.path.isabs(part) and os.path.abspath(part) == here for part in parts)
    if relative and here not in parts:
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]


def _is_command() -> bool:
    """Whether the process is one of the two commands of this package."""
    return os.path.basename(sys.argv[0] if sys.argv else "") in ("iota2", "Iota2.py")


def worker_path() -> str:
    """``PYTHONPATH`` for a worker: the entries of this process without the working folder.

    It contains the folder of iota2 even if this is the working folder.
    """
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.pathsep.join(dict.fromkeys([entry for entry in sys.path if os.path.isabs(entry)] + [source]))
