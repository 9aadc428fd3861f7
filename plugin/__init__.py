"""The library: embeddings, scoring, selection, diagnostics, brain runs and views. It knows nothing of the App."""
