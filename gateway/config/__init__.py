"""From a YAML file to a checked line.

`schema` says what may stand in it, `document` knows the lines and columns, `locate` and `explain`
turn pydantic's errors into `problems`, `checks` looks at the whole file, `load` puts it together,
and `try_out` asks the world whether it agrees.
"""
