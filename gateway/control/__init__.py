"""The servers of the daemon, their routes by subject, and the client that commands use."""
