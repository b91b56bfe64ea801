"""What is recovered from a damaged buffer file, and how much was lost."""
