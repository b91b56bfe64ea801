"""`andon discover`: looks at what a source has and writes a line file to edit."""
