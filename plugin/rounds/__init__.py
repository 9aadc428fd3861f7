"""Labelling rounds: the next batch, the learning curve, and advice on when to stop."""
