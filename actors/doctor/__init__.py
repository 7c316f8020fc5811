"""What `trueup doctor` looks at. It changes nothing: what it found wrong comes with the SQL or the line of config that mends it."""
