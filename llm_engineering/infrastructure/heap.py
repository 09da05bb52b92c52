"""The C library's heap."""

import ctypes
import sys


def return_free_memory() -> None:
    """Have glibc give the holes in its heap back to the system; other C libraries have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
