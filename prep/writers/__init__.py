"""Scenes and their predictions into files that other programs open."""
