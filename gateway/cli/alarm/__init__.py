"""The commands of `andon alarms LINE.yaml`."""
