"""One thread: the networks of the tests are tiny, and several processes run at once."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
