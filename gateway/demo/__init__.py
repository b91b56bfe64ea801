"""`andon demo`: a plant, a model learnt from it, the line, a fault; all by andon's own commands."""
