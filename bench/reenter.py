"""Runs a script in one of the environments of setup.py, so that any python3 may start it."""

import os
import sys

import places


def lakes():
    """Goes on in the environment with pyarrow, PyIceberg and DuckDB. To be called before any of them is imported."""
    python = str(places.python("lakes"))
    if sys.executable != python:
        os.execv(python, [python, *sys.argv])
