"""ZCore (Griffin et al., 2024): scores by sampled coverage of the embedding space."""
