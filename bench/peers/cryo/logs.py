"""cryo: all logs of one contract in a range of blocks, into CSV files (its way into memory panics with the polars of today).

logs.py URL CONTRACT FIRST LAST BLOCKS_A_REQUEST ; prints {"events", "wall_secs"} of the extraction alone.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import cryo


def main(url, contract, first, last, step):
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        cryo.freeze(
            "logs", blocks=[f"{first}:{int(last) + 1}"], contract=[contract], rpc=url, inner_request_size=int(step), output_dir=folder, csv=True, no_verbose=True
        )
        took = time.perf_counter() - began
        events = sum(path.read_text().count("\n") - 1 for path in Path(folder).glob("*.csv"))
    print()
    print(json.dumps({"events": events, "wall_secs": took}))


if __name__ == "__main__":
    main(*sys.argv[1:])
