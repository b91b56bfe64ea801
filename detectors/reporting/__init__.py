"""Reports on models that a plant engineer reads: pages with plots, and the words they share."""
