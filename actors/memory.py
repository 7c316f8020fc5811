"""How the process holds its memory."""

from __future__ import annotations

import ctypes

LARGE = 65_536
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def give_large_blocks_back() -> None:
    """Have what is large given back to the system as soon as it is free.

    Pages and answers are large, come by the thousand, and are made and freed in several threads. Left to itself glibc soon keeps blocks of
    that size in its heaps, which their order of freeing leaves full of holes: a sweep of three million rows took a quarter more than one
    of a hundred thousand. Where there is no glibc nothing is done.
    """
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (OSError, AttributeError):
        return
