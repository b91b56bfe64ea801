"""What a plugin may import: the model, the contracts, and building blocks for options.

It imports nothing else of andon.
"""
