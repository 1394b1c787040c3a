#!/bin/sh
# The whole suite: everything with the JIT on, then the kernel tests once more as plain
# Python, where an index past an array's end is an error instead of a wrong number.
set -eu
bin=$1
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
"$bin/python" -m pytest -n 2 --dist loadfile
NUMBA_DISABLE_JIT=1 "$bin/python" -m pytest -n 2 --dist loadfile \
    tests/prep/kernels tests/prep/test_features.py tests/prep/readers/test_text.py \
    tests/prep/readers/test_repair.py tests/models/test_cluster.py \
    tests/models/test_merging.py
