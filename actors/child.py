"""A child of the supervisor: how to start and stop it, and what is known of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import trio

from actors.crashes import Crashes
from actors.errors import TrueupError
from actors.progress import Efforts
from actors.restarts import Backoff


class Stalled(TrueupError):
    """An actor held work and made no progress."""


class Limits(Protocol):
    """The supervisor's keys of the config."""

    @property
    def max_restarts(self) -> int: ...
    @property
    def within_secs(self) -> float: ...
    @property
    def backoff_initial_secs(self) -> float: ...
    @property
    def backoff_max_secs(self) -> float: ...
    @property
    def progress_secs(self) -> float: ...


@dataclass(frozen=True)
class ChildSpec:
    """How to start one actor, and how to stop it.

    `run(task_status=…)` calls `started()` once it takes from its mailbox. `drain` asks it to end by itself, within the share of the
    grace that `drain_share` gives it (of what is left); without `drain` it is cancelled.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    restart: Literal["permanent", "transient"] = "permanent"
    drain: Callable[[], None] | None = None
    drain_share: float = 1.0


@dataclass
class Child:
    """One child's state: what the dashboard shows, and the handle that kills it."""

    spec: ChildSpec
    backoff: Backoff
    state: str = "new"
    restarts: int = 0
    last_error: str | None = None
    scope: trio.CancelScope | None = None
    killed: bool = False
    stalled: Stalled | None = None
    stopping: bool = False
    crashes: Crashes = field(default_factory=Crashes)
    efforts: Efforts = field(default_factory=Efforts)
    ended: trio.Event = field(default_factory=trio.Event)


@dataclass
class Readiness:
    """Passes the first readiness on to the start, and notes every later one."""

    child: Child
    outer: trio.TaskStatus[Any] | None

    def started(self, value: Any = None) -> None:
        self.child.state = "running"
        if self.outer is not None:
            self.outer.started(value)
            self.outer = None
