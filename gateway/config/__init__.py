"""From a YAML file to a checked line: `schema` says what may stand in it, `document` knows the
lines and columns, `problems` words the errors, `load` puts it together."""
