"""`andon demo`: a plant, a trained model, the line and a fault, all by andon's own commands."""
