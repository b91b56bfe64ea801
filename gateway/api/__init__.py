"""What a plugin may import: the nouns, the verbs, the building blocks of options."""
