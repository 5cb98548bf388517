"""The command line: `sternpost …`.

`app.py` holds the list of commands and what all of them have in common (errors, exit status); each other module is one command
or a group of them. Commands import late, so that `sternpost send` answers in a fraction of a second.
"""

from sternpost.cli.app import main

__all__ = ["main"]
