"""CLIP embeddings of images: models, decoding, per-image outcomes, resume."""
