"""Trial calls of functions: their errors, what they print, and processes that they end."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from iota2.errors import ConfigError, DamagedProduct, InputProblems, UserError
from iota2.user_code import calls
from iota2.user_code.calls import Outcome, outcomes
from iota2.user_code.loading import UserCodeError, UserFile
from iota2.user_code.trial import series_read, with_labels
from tests.user_code.helpers import unlabelled

FILE = UserFile(
    "mine.py",
    """
import ctypes, os, sys, time

def good(number):
    return number

def exits(number):
    os._exit(3)

def faults(number):
    ctypes.string_at(0)

def killed(number):
    os.kill(os.getpid(), 9)

def endless(number):
    print("before the loop")
    while True:
        pass

def prints(number):
    for k in range(100):
        print("same")
    print(f"number {number}", "in stderr", file=sys.stderr)
    print("no end", end="")
    return number

def floods(number):
    for k in range(1000):
        print(k)
    return number

def fails(number):
    print("before the error")
    return 1 / 0
""",
)
OWN = pytest.mark.parametrize("own_process", [True, False])


def tried(*names: str, own_process: bool = True, file: UserFile = FILE) -> list[Outcome[int]]:
    def call(name: str, number: int) -> Callable[[], int]:
        return lambda: int(file.function(name)(number))

    given = {name: call(name, number) for number, name in enumerate(names, start=1)}
    return list(outcomes(given, file, own_process=own_process))


@OWN
def test_results_are_in_the_order_of_the_calls(own_process: bool) -> None:
    assert [one.value for one in tried("prints", "good", own_process=own_process)] == [1, 2]


def in_worker() -> list[int]:
    return [one.value for one in tried("prints", "good")]


def test_calls_in_worker_processes_of_multiprocessing_and_in_threads() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(in_worker) == [1, 2]
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(in_worker).result() == [1, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exits", "exits in mine.py ended the process with exit code 3 on a small block. It must return its features"),
        (
            "faults",
            "faults in mine.py, line 11, ended the process by the signal SIGSEGV on a small block. A compiled library",
        ),
        ("killed", "killed in mine.py ended the process by the signal SIGKILL on a small block. The memory was"),
    ],
)
def test_a_function_that_ends_the_process_is_an_error_and_the_others_are_called(name: str, expected: str) -> None:
    before, ended, after = tried("good", name, "prints")
    assert (before.value, after.value) == (1, 3)
    with pytest.raises(UserCodeError) as caught:
        ended.value  # noqa: B018 - raises
    assert str(caught.value).startswith(expected)


def test_a_file_that_ends_the_process_is_an_error() -> None:
    with pytest.raises(UserCodeError, match=r"mine.py ended the process with exit code 4 when it was executed"):
        tried("f", file=UserFile("mine.py", "import os\nos._exit(4)\n"))


@OWN
def test_a_file_that_cannot_be_executed_is_an_error(own_process: bool) -> None:
    with pytest.raises(UserCodeError, match=r"cannot be executed: mine.py, line 1: ZeroDivisionError"):
        tried("f", own_process=own_process, file=UserFile("mine.py", "1 / 0\n"))


def test_a_function_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_SECONDS", 0.5)
    slow, good = tried("endless", "good")
    assert good.value == 2
    with pytest.raises(UserCodeError, match=r"(?s)endless has not ended after 0\.5 seconds.*printed: before the loop"):
        slow.value  # noqa: B018 - raises


def test_lines_that_a_file_prints_belong_to_its_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserCodeError, match=r"(?s)ZeroDivisionError.*printed: loading"):
        tried("f", file=UserFile("mine.py", "print('loading')\n1 / 0\n"))
    assert tried("f", file=UserFile("mine.py", "print('loading')\ndef f(k): return k\n"))[0].value == 1
    assert capfd.readouterr() == ("", "")


@OWN
def test_equal_printed_lines_are_counted(own_process: bool, capfd: pytest.CaptureFixture[str]) -> None:
    prints, floods = tried("prints", "floods", own_process=own_process)
    assert dict(prints.printed) == {"same": 100, "number 1 in stderr": 1, "no end": 1}
    assert list(floods.printed) == [*(str(k) for k in range(calls.MAX_LINES)), "other lines"]
    assert floods.printed["other lines"] == 1000 - calls.MAX_LINES
    assert calls.printed_texts(prints.printed) == [
        "printed: same (100 times)",
        "printed: number 1 in stderr",
        "printed: no end",
    ]
    assert capfd.readouterr() == ("", "")


@OWN
def test_an_interrupt_that_a_function_raises_is_its_error(own_process: bool) -> None:
    source = "def f(self):\n    raise KeyboardInterrupt"
    with pytest.raises(UserCodeError, match=r"f failed: mine\.py, line 2: KeyboardInterrupt\n"):
        with_labels(unlabelled(source, "f"), own_process=own_process)


def test_only_the_main_thread_can_be_interrupted_while_a_function_runs() -> None:
    recipe = unlabelled("def f(self):\n    raise KeyboardInterrupt", "f")
    with (
        ThreadPoolExecutor(1) as thread,  # jobs run in threads of workers
        pytest.raises(UserCodeError, match=r"f failed: mine\.py, line 2: KeyboardInterrupt\n"),
    ):
        thread.submit(series_read, recipe).result()
    with pytest.raises(KeyboardInterrupt):
        series_read(recipe)


def test_an_interrupt_that_a_file_raises_is_its_error() -> None:
    with pytest.raises(UserCodeError, match=r"the file cannot be executed: mine\.py, line 1: KeyboardInterrupt\n"):
        tried("f", file=UserFile("mine.py", "raise KeyboardInterrupt\n"))


def test_a_file_whose_execution_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_SECONDS", 0.5)
    expected = r"(?s)mine\.py: the execution of the file has not ended after 0\.5 seconds.*printed: before the loop"
    with pytest.raises(UserCodeError, match=expected):
        tried("f", file=UserFile("mine.py", "print('before the loop')\nwhile True: pass\n"))


def test_ctrl_c_stops_the_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_SECONDS", 20.0)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # dask-jobqueue replaces it on import
    start = time.monotonic()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            tried("endless")
    finally:
        timer.join()
        signal.signal(signal.SIGINT, former)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "error",
    [
        UserError.about(("chain", "proj"), "wrong"),
        ConfigError(["one", "two"], source="a.cfg"),
        InputProblems([(("chain", "proj"), "wrong")]),
        DamagedProduct("damaged", tile="T31TCJ", product="P", path="a.tif"),
        FileNotFoundError(2, "No such file", "a.tif"),
    ],
)
def test_errors_of_the_program_are_raised_as_they_are(error: Exception) -> None:
    def call() -> int:
        raise error

    (found,) = outcomes({"f": call}, FILE, own_process=True)
    with pytest.raises(type(error)) as caught:
        found.value  # noqa: B018 - raises
    assert str(caught.value) == str(error)
    ours = {key: value for key, value in vars(caught.value).items() if key != "__notes__"}
    assert ours == vars(error)


def test_unexpected_errors_keep_their_traceback() -> None:
    class LocalError(Exception):
        pass

    def call() -> int:
        raise LocalError("odd")

    (found,) = outcomes({"f": call}, FILE, own_process=True)
    with pytest.raises(RuntimeError, match=r"(?s)test_calls\.py.*in call.*LocalError: odd"):
        found.value  # noqa: B018 - raises


RAISES = """
import threading

class Mine(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")

def own(self):
    raise Mine("first", "second")

def caused(self):
    raise ValueError("odd") from Mine("a", "b")

def group(self):
    raise ExceptionGroup("several", [Mine("a", "b")])

def recursive(self):
    return recursive(self)

def locked(self):
    raise ValueError(threading.Lock())

def local(self):
    class Local(BaseException):
        pass
    raise Local("inside")

def unprintable(self):
    class Silent(Exception):
        def __str__(self):
            return 1 / 0
    raise Silent
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("own", "line 9: Mine: first second"),
        ("caused", "line 12: ValueError: odd"),
        ("group", "line 15: ExceptionGroup: several"),
        ("recursive", "line 18: RecursionError: maximum recursion depth exceeded"),
        ("locked", "line 21: ValueError: <unlocked"),
        ("local", "line 26: Local: inside"),
        ("unprintable", "line 32: Silent"),
    ],
)
def test_errors_that_no_other_process_can_receive_name_function_and_line(
    capfd: pytest.CaptureFixture[str], name: str, expected: str
) -> None:
    importlib.import_module("distributed")  # its library tblib pickles the causes of exceptions too
    with pytest.raises(UserCodeError) as caught:
        with_labels(unlabelled(RAISES, name), own_process=True)
    assert f"{name} failed: mine.py, {expected}" in str(caught.value)
    assert capfd.readouterr() == ("", "")


@OWN
def test_a_printed_line_without_end_ends_with_the_call(own_process: bool) -> None:
    source = "def f(self):\n    print('no end', end='')\n    return self.get_Sentinel2_B4()"
    recipe = unlabelled(source, "f")

    def called_twice() -> int:
        return sum(len(series_read(recipe)) for _ in range(2))

    (found,) = outcomes({"f": called_twice}, FILE, own_process=own_process)
    assert found.value == 2
    assert dict(found.printed) == {"no end": 2}
