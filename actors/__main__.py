"""`python -m actors` is the program `trueup`: what comes before its imports, which take a while."""

import signal
import sys


def main() -> int:
    """The program's exit code."""
    if sys.argv[1:2] == ["run"]:  # held back until the service can read its config again: by itself it would end the process
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    if getattr(sys, "frozen", False):
        from actors import frozen

        frozen.settle()
    from actors import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
