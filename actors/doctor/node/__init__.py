"""What `trueup doctor` measures of one endpoint: where it stands, what it serves, and how much may be asked of it at once.

Nothing is sent that changes anything. Each limit is found by a search (`search.py`) over questions of different sizes.
"""
