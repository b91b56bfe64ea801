"""HTML reports on a training and a backtest, with plots, for plant engineers.

Imports every room but `commands`.
"""
