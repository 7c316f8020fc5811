"""How the process holds its memory."""

from __future__ import annotations

import ctypes
import gc

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
LARGE = 2**22


def share_one_heap() -> None:
    """Have all threads take memory from one heap, up to blocks of a fixed size.

    Answers and statements are large, come by the thousand, and are made in one thread and freed in another. Left to itself glibc gives
    each thread a heap of its own, and takes ever larger blocks into them, which leaves them full of holes: a sweep of three million rows
    took a quarter more than one of a hundred thousand. Threads hardly ever want it at the same time. (To have blocks of 64 KB mapped one
    by one does as well, and costs a third of the CPU in page faults; of 512 KB, a fifth of it where calls are larger than that, as
    Multicall3's are.) Where there is no glibc nothing is done.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
    except (OSError, AttributeError):
        return


def keep_what_is_there() -> None:
    """Have the collector never look again at what is there by now: modules and the system itself, which stay.

    Else it goes through all of them each time that enough wallets or large answers have come by: 30 ms in the middle of an event's way.
    """
    gc.freeze()
