"""Bad input at scale: each module of `targets` feeds bytes from outside to one part of the program, and raises where a promise is broken.

The same targets are driven by hypothesis in the suite (`test_targets.py`) and by coverage through `just fuzz`. docs/fuzzing.md has the rest.
"""
