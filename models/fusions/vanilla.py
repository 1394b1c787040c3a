"""The baseline of the ASIS paper: two branches that do not know of each other.

Wang et al., "Associatively Segmenting Instances and Semantics in Point Clouds", CVPR 2019,
Sec. 3.1. Not in the published code; obtained from it by leaving out both associations.
"""

from __future__ import annotations

from torch import nn

from models.nets.layers import FBR, FC, Branches, Dropout, Outputs

WIDTH = 128
KEEP = 0.5


class Vanilla(nn.Module):
    """A layer of 128 channels, dropout and a linear layer for each task.

    Parameters
    ----------
    width : int
        Channels of the branches.
    n_classes, embedding : int
        Channels of the results.
    """

    def __init__(self, width: int, n_classes: int, embedding: int) -> None:
        super().__init__()
        self.semantic = nn.Sequential(FBR(width, WIDTH), Dropout(KEEP), FC(WIDTH, n_classes))
        self.instance = nn.Sequential(FBR(width, WIDTH), Dropout(KEEP), FC(WIDTH, embedding))

    def forward(self, branches: Branches) -> Outputs:
        """Branches (B, N, width) → logits (B, N, C), embedding (B, N, E)."""
        return Outputs(self.semantic(branches.semantic), self.instance(branches.instance))
