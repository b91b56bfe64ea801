"""From a YAML file to a checked line.

`schema` says what may stand in it, `parse` makes a `document` that knows its lines and columns,
`locate` and `explain` turn pydantic's errors into `problems`, `checks` looks at the whole file,
`site` adds what the plant shares, `load` puts it together, and `try_out` asks the world.
"""
