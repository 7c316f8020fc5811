"""`trueup config`: the effective config with secrets masked."""

from __future__ import annotations

from argparse import Namespace

from actors.config import Config, show
from actors.secrets import mask


def main(config: Config, args: Namespace) -> int:
    print(mask(show(config)), end="")  # a secret may stand in a key that holds none, too
    return 0
