"""Parquet files of unknown origin, checked before pyarrow decodes any of them.

`thrift` reads their metadata, `footer` checks the description of the file, `pages` checks what
the chosen columns expand to, `columns` reads those, one row group at a time.
"""
