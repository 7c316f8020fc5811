"""Records: what is made by the hundred thousand and never changed, which mypy sees to.

For mypy it is `dataclass(frozen=True, slots=True)`. A frozen one sets each of its fields by a call while it is made and takes five times as
long, which was a tenth of all that a block's closing did; so none is frozen while the program runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen, slots):
        """See the module."""
        return dataclass(slots=True, unsafe_hash=True)


__all__ = ["record"]
