"""What Python itself prints of an error that nobody caught, in a thread or a destructor, say: masked, as every other output."""

from __future__ import annotations

import sys
import threading
import traceback

from actors.secrets import mask


def mask_them() -> None:
    """From now on."""
    sys.excepthook = lambda kind, error, trace: _say(error)
    threading.excepthook = lambda args: _say(args.exc_value)
    sys.unraisablehook = lambda args: _say(args.exc_value)


def _say(error: BaseException | None) -> None:
    if error is not None and sys.stderr is not None:
        sys.stderr.write(mask("".join(traceback.format_exception(error))))
