"""cryo: all logs of one contract in a range of blocks, into memory.

logs.py URL CONTRACT FIRST LAST BLOCKS_A_REQUEST ; prints {"events", "wall_secs"} of the extraction alone.
"""

import json
import sys
import time

import cryo


def main(url, contract, first, last, step):
    began = time.perf_counter()
    found = cryo.collect(
        "logs", output_format="polars", blocks=[f"{first}:{int(last) + 1}"], contract=[contract], rpc=url, inner_request_size=int(step), no_verbose=True
    )
    print()
    print(json.dumps({"events": len(found), "wall_secs": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
