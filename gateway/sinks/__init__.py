"""Where points go: InfluxDB, the plant's own MQTT broker, a local file."""
