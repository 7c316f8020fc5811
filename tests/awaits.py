"""Reaches every await of every actor: counts them in a fixed run, and kills or raises at a chosen one in the next.

An await is a trap that a task yields to Trio (a checkpoint). To kill, the actor's incarnation is cancelled while its task is parked there.
To raise, the trap is taken back, as Trio itself does to deliver a cancellation, and the exception is thrown in its stead: whatever
was waited for has then not happened.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from trio.abc import Instrument
from trio.lowlevel import Abort, Task

from actors.child import Child


class Boom(Exception):
    """A bug in an actor, as far as the supervisor can tell."""


class Tap(Coroutine[Any, Any, Any]):
    """A coroutine whose every yield passes `at_await` first, which may want an exception raised there."""

    def __init__(self, inner: Any, at_await: Callable[[], BaseException | None]) -> None:
        self._inner, self._at_await = inner, at_await

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __await__(self) -> Any:
        return self._inner.__await__()

    def send(self, value: Any) -> Any:
        return self._pass(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._pass(self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def _pass(self, trap: Any) -> Any:
        error = self._at_await()
        if error is None or not _taken_back(trap, error):
            return trap
        return self._pass(self._inner.throw(error))


def _taken_back(trap: Any, error: BaseException) -> bool:
    """False where Trio could not take it back either: a shielded checkpoint, a thread that is at work, a nursery's end.

    The last one raises the error itself, when its children have ended.
    """

    def raise_it() -> None:
        raise error

    abort = getattr(trap, "abort_func", None)
    if abort is not None and "to_thread" in abort.__qualname__:
        return False
    return abort is not None and abort(raise_it) is Abort.SUCCEEDED


class Awaits(Instrument):
    """Counts the awaits of the actors named by `which`; at number `at` it kills the actor, or raises `Boom` there."""

    def __init__(self, which: Callable[[str], bool], at: int | None = None, kill: bool = True) -> None:
        self._which, self._at, self._kill = which, at, kill
        self.count = 0
        self.struck: str | None = None
        self.kill_actor: Callable[[str], bool] | None = None

    def __str__(self) -> str:
        how = "a kill" if self._kill else "a crash"
        return f"{how} of {self.struck} at await {self._at}"

    def task_spawned(self, task: Task) -> None:
        child = _child_of(task)
        if child is not None and self._which(child.spec.name):
            task.coro = Tap(  # type: ignore[assignment]  # Trio only sends, throws and looks at its frame
                task.coro, lambda: self._reached(child)
            )

    def _reached(self, child: Child) -> BaseException | None:
        if child.state not in ("starting", "running") or child.stopping:
            return None
        self.count += 1
        if self._at is None or self.count != self._at:
            return None
        self.struck = child.spec.name
        if not self._kill:
            return Boom(f"at await {self._at}")
        assert self.kill_actor is not None
        self.kill_actor(child.spec.name)
        return None


def _child_of(task: Task) -> Child | None:
    """The supervised child that a task belongs to: its own runner's, or an ancestor's."""
    at: Task | None = task
    while at is not None:
        frame = getattr(at.coro, "cr_frame", None)
        if at.name == "actors.supervisor.Supervisor._keep" and frame is not None:
            child: Child = frame.f_locals["child"]
            return child
        at = at.parent_nursery.parent_task if at.parent_nursery is not None else None
    return None

