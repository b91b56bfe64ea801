"""Recovery of a damaged buffer.

`recovery` opens or replaces the file, `salvage` reads sound rows from `pages` and `wal`, `replace`
swaps files, and `high_water` remembers what the file should hold.
"""
