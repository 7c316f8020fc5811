"""What calls to a node cost, and who may make them when.

`prices` says what a method costs; `window`, `ceiling` and `month` decide (no Trio); `governor` is one chain's decisions; `tally` holds what
is not in Postgres yet; `gate` is what every request passes; `forecast` says what a sweep will take.
"""
