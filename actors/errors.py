"""Every error of trueup, by whose fault it is.

`ConfigError`    the operator's: one clear line, exit 2, nothing written.
`StoreDown`      Postgres is away or refuses for now: wait and try again.
`NodeError`      an endpoint's, split by what helps: another endpoint, another pin, a smaller question, or nothing.
`DecodeError`    a log whose layout is not the trigger's: counted, shown and skipped.
Whatever is none of these is a bug: it crashes the actor, and the supervisor does its job.
"""

from __future__ import annotations


class TrueupError(Exception):
    """Base of all errors that trueup raises on purpose."""


class ConfigError(TrueupError):
    """The config, or what it points at, cannot be used. The message is one line that names the key or the place."""


class SignatureError(TrueupError):
    """A human-readable signature of a call or an event does not parse."""


class DecodeError(TrueupError):
    """A log that does not have the layout of its trigger."""


class StoreDown(TrueupError):
    """Postgres cannot be reached or cannot write now; the same work may succeed later."""


class NodeError(TrueupError):
    """An endpoint did not do what it was asked."""


class Transient(NodeError):
    """The network's or the endpoint's passing fault: ask again, elsewhere first."""


class Throttled(Transient):
    """The provider asks for fewer requests."""

    def __init__(self, message: str, retry_after_secs: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs


class BadAnswer(Transient):
    """An answer that is no answer: HTML, half a JSON, another id, a wrong length."""


class NodeBehind(NodeError):
    """The endpoint does not have the block yet, or no longer its state: another one may."""


class NotYet(NodeBehind):
    """Nobody has the block yet that was asked for, as far as is known; `head` is the newest that there is."""

    def __init__(self, message: str, head: int) -> None:
        super().__init__(message)
        self.head = head


class WrongBlock(NodeError):
    """The answer is from another block or branch than it was asked for."""


class WrongChain(NodeError):
    """The endpoint is on another chain: it is left out for good."""


class OrphanedBlock(NodeError):
    """The pinned block is not on the chain any more: choose the pin anew."""


class TooLarge(NodeError):
    """The question is too large: ask for less. `hint` is the range in blocks that the endpoint would take."""

    def __init__(self, message: str, hint: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Permanent(NodeError):
    """Asking again will not help: a revert, an unknown method, bad parameters."""
