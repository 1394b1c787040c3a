"""ASIS: semantic-aware instances (SA) and instance-fused semantics (IF).

Wang et al., "Associatively Segmenting Instances and Semantics in Point Clouds", CVPR 2019,
Sec. 3.2, 3.3, in the order of the published code: neighbours by L1 distance between embeddings as
they are in training (after dropout), the maximum over F_SEM (not over its adapted copy). Departure:

- equal distances are resolved by the lower index (the published operator leaves it open).
"""

from __future__ import annotations

from torch import nn

from models.fusions.neighbourhood import embedding_neighbours, neighbour_max
from models.fusions.vanilla import KEEP, WIDTH
from models.nets.layers import FBR, FC, Branches, Dropout, Outputs


class ASIS(nn.Module):
    """Both associations, each of which can be left out.

    Parameters
    ----------
    width, n_classes, embedding : int
        As in Vanilla.
    sa, if_ : bool
        Semantic-aware instances (eq. 5) and instance-fused semantics (eq. 6); without either
        this is the vanilla baseline.
    neighbours : int
        K of the instance fusion, the point itself included.
    reach : float
        Neighbours farther than this in the embedding (L1) are replaced by the point itself.
    """

    def __init__(
        self,
        width: int,
        n_classes: int,
        embedding: int,
        *,
        sa: bool = True,
        if_: bool = True,
        neighbours: int = 30,
        reach: float = 0.5,
    ) -> None:
        super().__init__()
        self.semantic = FBR(width, WIDTH)
        self.instance = FBR(width, WIDTH)
        self.adapt = FBR(WIDTH, WIDTH) if sa else None
        self.fuse, self.neighbours, self.reach = if_, neighbours, reach
        self.drop = Dropout(KEEP)
        self.embed = FC(WIDTH, embedding)
        self.classify = FC(WIDTH, n_classes)

    def forward(self, branches: Branches) -> Outputs:
        """Branches (B, N, width) → logits (B, N, C), embedding (B, N, E)."""
        f_sem = self.semantic(branches.semantic)  # (B, N, 128)
        f_ins = self.instance(branches.instance)  # (B, N, 128)
        if self.adapt is not None:
            f_ins = f_ins + self.adapt(f_sem)
        e = self.embed(self.drop(f_ins))  # (B, N, E)
        if self.fuse:
            index = embedding_neighbours(e, self.neighbours, self.reach)  # (B, N, K)
            f_sem = neighbour_max(f_sem, index)  # (B, N, 128)
        return Outputs(self.classify(self.drop(f_sem)), e)
