"""Torch: training data, backbones, fusions, losses, training, inference, metrics."""
