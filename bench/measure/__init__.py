"""The benchmarks, one file each: `run(scale)` gives a report."""
