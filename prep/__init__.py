"""Arrays in, arrays out: readers, numba kernels, stages and the Zarr store."""
