"""OTP's one-for-one supervision over one Trio nursery.

Owns: one runner task a child, and inside it one fresh cancel scope an incarnation; a crash never reaches the shared nursery.
Rules: a crash counts against one budget over all children and backs off (`restarts.py`); a kill restarts at once and is not counted, but
for the watchdog's, of an actor that holds work and makes no progress. Children start in order, each ready before the next, and stop in
reverse: asked by their `drain` where they have one, else cancelled. A failure of a first start before readiness is the boot's failure, as
in OTP.
Trio cannot kill a task that reaches no checkpoint: whoever blocks must do so in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from actors.budget.spender import spend_as
from actors.child import Child, ChildSpec, Limits, Readiness, Stalled
from actors.errors import TrueupError
from actors.log import get_logger
from actors.progress import account_to
from actors.restarts import Backoff, RestartBudget
from actors.timers import Timers

log = get_logger("supervisor")


class GaveUp(TrueupError):
    """More crashes than the budget allows."""


class Supervisor:
    """Runs the children of `specs` until `stop` or until the budget is spent."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        limits: Limits,
        on_restart: Callable[[str, str], None] = lambda name, cause: None,
    ) -> None:
        self._limits, self._on_restart, self._timers = limits, on_restart, Timers()
        self._budget = RestartBudget(limits.max_restarts, limits.within_secs)
        self.children = {spec.name: Child(spec, self._new_backoff()) for spec in specs}
        self._nursery: trio.Nursery | None = None
        self._stopping = False

    def _new_backoff(self) -> Backoff:
        return Backoff(self._limits.backoff_initial_secs, self._limits.backoff_max_secs)

    def tune(self, limits: Limits) -> None:
        """Other limits from now on: crashes that were counted stay counted, backoffs begin anew."""
        self._limits = limits
        self._budget.tune(limits.max_restarts, limits.within_secs)
        for child in self.children.values():
            child.backoff = self._new_backoff()
        self._timers.changed()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start all children in order; return when all have ended. Raises GaveUp, or a first start's own error."""
        gave_up: BaseException | None = None
        try:
            async with trio.open_nursery() as outer:
                outer.start_soon(self._watch_progress)
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    for child in list(self.children.values()):
                        await nursery.start(self._keep, child)
                    task_status.started()
                outer.cancel_scope.cancel()
        except* GaveUp as group:
            gave_up = first_of(group)
        if gave_up is not None:
            raise gave_up

    async def add(self, spec: ChildSpec, after: str) -> None:
        """Start one more child, which stops before the one that it comes after; unless it is there, or all are stopping."""
        old = self.children.get(spec.name)
        if old is not None and old.stopping:
            await self.remove(spec.name, 0.0)
        elif old is not None and not old.ended.is_set():
            return
        if self._nursery is None or self._stopping:
            return
        child = Child(spec, self._new_backoff())
        names = [name for name in self.children if name != spec.name]
        at = names.index(after) + 1
        self.children = {name: child if name == spec.name else self.children[name] for name in [*names[:at], spec.name, *names[at:]]}
        await self._nursery.start(self._keep, child)

    async def remove(self, name: str, patience_secs: float) -> None:
        """Stop a child, and forget it. Cancelled in between, the child still ends, and is forgotten by the next call."""
        if (child := self.children.get(name)) is not None:
            await self._stop_child(child, patience_secs)
            self.children.pop(name, None)

    def kill(self, name: str) -> bool:
        """Cancel the current incarnation of a child, which restarts at once. False where there is none of that name."""
        child = self.children.get(name)
        if child is None or child.scope is None or child.stopping:
            return False
        child.killed = True
        child.scope.cancel()
        return True

    async def _watch_progress(self) -> None:
        stood_still = False
        while True:
            due = await self._timers.sleep(lambda: self._limits.progress_secs / 4)
            patience = self._limits.progress_secs
            # After a freeze of the whole process everybody's last beat is old, and who was well is about to try again.
            stood_still = not stood_still and trio.current_time() - due > patience / 4
            if stood_still:
                continue
            for child in list(self.children.values()):
                stuck = trio.current_time() - child.efforts.oldest_beat()
                if stuck > patience and not child.stopping and child.stalled is None and child.scope is not None:
                    child.stalled = Stalled(f"held work and made no progress for {stuck:.0f} s")
                    child.scope.cancel()

    async def stop(self, grace_secs: float) -> None:
        """Stop the children in reverse order; return when all have ended, within the grace."""
        deadline, self._stopping = trio.current_time() + grace_secs, True
        until: dict[float, float] = {}  # those of one share drain at the same time, and have it together
        for child in reversed(list(self.children.values())):
            share, now = child.spec.drain_share, trio.current_time()
            if share < 1 and share not in until:
                until[share] = now + max(0.0, deadline - now) * share
                for other in self.children.values():
                    if other.spec.drain_share == share and other.spec.drain is not None and other.state == "running":
                        other.stopping = True
                        other.spec.drain()
            await self._stop_child(child, max(0.0, until.get(share, deadline) - now))

    async def _stop_child(self, child: Child, patience_secs: float) -> None:
        child.stopping = True
        try:
            if child.spec.drain is not None and child.state == "running":
                child.spec.drain()
                with trio.move_on_after(patience_secs):
                    await child.ended.wait()
        finally:
            if child.scope is not None:
                child.scope.cancel()
        with trio.move_on_after(patience_secs + 1):
            await child.ended.wait()
        if not child.ended.is_set():
            log.error("actor does not stop", child=child.spec.name)

    async def _keep(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        account_to(child.efforts)
        spend_as(child.spec.name)
        outer: trio.TaskStatus[None] | None = task_status
        try:
            while not child.stopping:
                born = trio.current_time()
                readiness = Readiness(child, outer)
                error = await self._incarnation(child, readiness)
                if outer is not None and readiness.outer is not None and error is not None:
                    raise error
                outer = None
                if child.stopping or (error is None and not child.killed and child.spec.restart == "transient"):
                    return
                await self._pause(child, error, trio.current_time() - born)
        finally:
            child.state = "stopped"
            child.ended.set()

    async def _incarnation(self, child: Child, readiness: Readiness) -> Exception | None:
        """Run one incarnation; return what it crashed of, or None when it was killed, stopped or returned."""
        error: Exception | None = None
        child.killed, child.stalled, child.state = False, None, "starting"
        with trio.CancelScope() as child.scope:
            try:
                await child.spec.run(task_status=readiness)
            except trio.TrioInternalError:
                raise
            except Exception as caught:
                error = caught
            except BaseExceptionGroup as group:
                cancelled, rest = group.split(trio.Cancelled)
                if not isinstance(rest, ExceptionGroup) or cancelled is None:
                    raise
                error = rest
                raise cancelled from None
        return error or child.stalled

    async def _pause(self, child: Child, error: Exception | None, lived_secs: float) -> None:
        """Count the restart, and wait for what the backoff asks after a crash; a kill cuts the wait short."""
        child.restarts += 1
        cause = "kill" if child.killed and error is None else "stall" if isinstance(error, Stalled) else "crash"
        self._on_restart(child.spec.name, cause)
        if cause == "kill":
            log.info("actor was killed, restarts", child=child.spec.name)
            await trio.lowlevel.checkpoint()
            return
        error = error or RuntimeError("returned, although it is permanent")
        child.last_error, child.state = _in_short(error), "backing off"
        delay = child.backoff.after(lived_secs)
        _say(child, error, cause, delay, child.crashes.times(error, lived_secs))
        if not self._budget.allows(trio.current_time()):
            raise GaveUp(f"gives up after too many crashes, the last in {child.spec.name}: {child.last_error}")
        with trio.CancelScope() as child.scope:
            await self._timers.sleep(lambda: min(delay, self._limits.backoff_max_secs))


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first plain exception inside a group."""
    inner = group.exceptions[0]
    return first_of(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _say(child: Child, error: Exception, cause: str, delay: float, times: int) -> None:
    """Each crash is a line; its traceback is shown once, however often the same comes again."""
    said = "actor crashed, restarts" if times == 1 else "actor crashed, restarts: the same as before"
    shown, name = error if times == 1 else None, child.spec.name
    log.error(said, child=name, cause=cause, in_secs=round(delay, 1), reason=child.last_error, times=times, exc_info=shown)


def _in_short(error: BaseException) -> str:
    leaf = first_of(error) if isinstance(error, BaseExceptionGroup) else error
    return f"{type(leaf).__name__}: {leaf}".splitlines()[0][:300]
