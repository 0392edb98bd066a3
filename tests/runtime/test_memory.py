"""Free memory is given back at its times, and never where the C library can't."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from gwcore.runtime.memory import ARENAS_MAX, TRIM_EVERY_S, find_trim, give_back
from gwcore.testing.loop import SimLoop, run

TIMES = 3


def test_free_memory_is_given_back_again_and_again() -> None:
    trimmed_s: list[float] = []

    async def main(loop: SimLoop) -> None:
        def trim(keep_bytes: int) -> int:
            trimmed_s.append(loop.time() - begin_s)
            return keep_bytes

        async def offload(function: Callable[[int], int], keep_bytes: int) -> None:
            function(keep_bytes)

        begin_s = loop.time()
        task = asyncio.create_task(give_back(offload, trim))
        await asyncio.sleep(TRIM_EVERY_S * (TIMES + 0.5))
        task.cancel()

    run(main)
    assert trimmed_s == pytest.approx([TRIM_EVERY_S * number for number in range(1, TIMES + 1)])


def test_without_a_trim_there_is_nothing_to_do() -> None:
    async def offload(function: Callable[[int], int], keep_bytes: int) -> None:
        raise AssertionError("nothing to call")

    async def main(loop: SimLoop) -> None:
        await give_back(offload, None)

    run(main)


def test_the_c_library_is_asked_in_its_own_words() -> None:
    trim = find_trim()
    if trim is None:
        pytest.skip("this C library has no malloc_trim")
    assert trim(0) in (0, 1)


#: Six threads that are alive at once allocate; says how many heaps the C library has then.
HEAPS = """
import ctypes, sys, tempfile, threading
from gwcore.runtime.memory import calm_allocator
if sys.argv[1] == "calm":
    calm_allocator()
library, all_there = ctypes.CDLL(None), threading.Barrier(6)
def work():
    kept = bytes(60_000)
    all_there.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(library.fopen(file.name.encode(), b"w"))
    library.malloc_info(0, stream)
    library.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


def _heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(find_trim() is None, reason="this C library is not glibc")
def test_threads_share_the_heaps() -> None:
    assert _heaps("calm") <= ARENAS_MAX < _heaps("as it is")
