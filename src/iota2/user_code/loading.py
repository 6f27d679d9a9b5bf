"""Functions of a Python file of the user.

The file is code: loading executes it. Callers load only files that the configuration names.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from iota2.core.words import did_you_mean, some
from iota2.errors import UserError, system_text

Function = Callable[..., Any]


class UserCodeError(UserError):
    """An error of a file or function of the user."""


@dataclass(frozen=True)
class UserFile:
    """A Python file of the user."""

    name: str
    """Name of the file, as messages show it."""
    source: str

    @property
    def functions(self) -> Mapping[str, Function]:
        """The functions that the file defines, by name. The file is executed once in each process.

        Raises UserCodeError if this fails, with file and line.
        """
        return _functions(self.name, self.source)

    def load(self, *, again: bool = False) -> None:
        """Execute the file, if this process has not yet, or ``again``; UserCodeError if this fails."""
        if again:
            _functions.cache_clear()
        _functions(self.name, self.source)

    def function(self, name: str) -> Function:
        """The function with this name; UserCodeError if the file does not define it."""
        found = self.functions
        if name not in found:
            near = did_you_mean(name, found) or f"; it defines {some([*found]) or 'none'}"
            raise UserCodeError(f"{self.name} defines no function {name}{near}")
        return found[name]

    def explained(self, error: BaseException) -> str:
        """An error with file, line and text of the line of the user's code that raised it, if there is one."""
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.name]
        number = lines[-1] if lines else None
        text = _described(error)
        if isinstance(error, SyntaxError) and error.filename == self.name:
            number, text = error.lineno, f"{type(error).__name__}: {error.msg}"  # its text repeats file and line
        if number is None:
            return f"{self.name}: {text}"
        code = self.source.splitlines()[number - 1 : number]
        return f"{self.name}, line {number}: {text}" + (f"\n{code[0].strip()}" if code else "")


def is_interrupt(error: BaseException) -> bool:
    """Whether an error in code of the user is Ctrl-C or SIGTERM, which only the main thread handles."""
    handled = any(callable(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM))
    return isinstance(error, KeyboardInterrupt) and handled and threading.current_thread() is threading.main_thread()


@lru_cache(maxsize=8)
def _functions(name: str, source: str) -> Mapping[str, Function]:
    file = UserFile(name, source)
    module = ModuleType(f"iota2_user_functions_{hashlib.sha256(source.encode()).hexdigest()[:16]}")
    module.__file__ = name
    try:
        code = compile(source, name, "exec")
        sys.modules[module.__name__] = module  # dataclasses and type hints look their module up
        with redirect_stdout(sys.stderr):  # standard output may be read by programs
            exec(code, module.__dict__)
    except BaseException as error:
        if is_interrupt(error):
            raise
        sys.modules.pop(module.__name__, None)
        raise UserCodeError(f"the file cannot be executed: {file.explained(error)}") from error
    public = {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
    return {key: value for key, value in public.items() if getattr(value, "__module__", "") == module.__name__}


def _described(error: BaseException) -> str:
    """Type and message of an error, with advice; only the type if there is no message."""
    kind = type(error).__name__
    try:
        message = system_text(error) if isinstance(error, OSError) else str(error)
    except Exception:  # of a class of the user
        return kind
    text = f"{message}{_advice(error)}"
    return f"{kind}: {text}" if text else kind


def _advice(error: BaseException) -> str:
    """What to do about too little memory, or a module that cannot be imported; empty for other errors."""
    if isinstance(error, MemoryError):
        stop = ". " if str(error) else ""
        return f"{stop}Use fewer or smaller arrays, such as float32, in the function, or fewer workers"
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    return (
        f". Install the package in the environment of iota2, also on all workers: pip install {package}. If it is a "
        "file beside this one: only the file of the configuration is stored with the results, so move its functions "
        "there"
    )
