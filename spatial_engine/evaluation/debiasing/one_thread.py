"""Keeps numpy to one thread where it is loaded after this and the user has said nothing else: the
products of debiasing are small, and on a busy machine threads wait for each other."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
