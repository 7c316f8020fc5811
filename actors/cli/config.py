"""`trueup config`: the effective config with secrets masked."""

from __future__ import annotations

from argparse import Namespace

from actors.config import Config, show


def main(config: Config, args: Namespace) -> int:
    print(show(config), end="")
    return 0
