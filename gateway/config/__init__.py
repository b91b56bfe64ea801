"""From a YAML file to a checked line.

`schema` defines the allowed keys, `parse` builds a `document` that knows its lines and columns,
`expand` replaces templates and tables (`devices`, `table`), `locate` and `explain` turn pydantic's
errors into `problems`, `checks` validates across sections, `site` merges the site file, and `load`
runs all of it. `plugins` finds plugins, `build` creates them, `try_out` tests their connections.
"""
