"""Sinks for points: InfluxDB, an MQTT broker of the plant, a local file."""
