"""`python -m vgrad`: the command line."""

from vgrad.cli import program

program()
