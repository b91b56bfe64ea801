"""The sockets of the daemon, and who asks them."""
