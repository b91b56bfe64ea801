"""One production line at work: its sources, its windows, and what it stores."""
