"""`python -m sternpost` is the command `sternpost`."""

from sternpost.cli import main

main()
