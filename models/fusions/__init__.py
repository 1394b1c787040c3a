"""Fusions: from the features of two branches to class scores and embeddings."""
