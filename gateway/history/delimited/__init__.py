"""Text files with a column for each tag: encoding, layout, rows and numbers."""
