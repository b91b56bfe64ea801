"""The commands `andon train`, `models`, `score` and `backtest`.

Imports every other room, inside the functions where that loads numerical libraries.
"""
