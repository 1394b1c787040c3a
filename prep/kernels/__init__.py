"""Numba kernels: arrays in, arrays out, no files, no threads.

::

    grid.py        points in the order of the cells of a grid, and where each cell lies
    blocks.py      overlapping blocks of a room as index lists
    sampling.py    reproducible draws: a block's sample, class counts
    msa.py         class histograms of all balls around all points
    centres.py     instances and regions of a scene: class, size, centre, box
    neighbours.py  farthest points, balls and nearest neighbours inside a block
"""
