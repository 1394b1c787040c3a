"""PointNet with two branches, for the "PN" rows of ASIS.

Qi et al., "PointNet", CVPR 2017, the semantic segmentation network for S3DIS (no transformer
nets). ASIS (CVPR 2019) reports results on it but released no code; its paper only says that the
branches share "the concatenation of local features and global features" (Sec. 3.1). Choices:

- each branch has layers of 512 and 256 channels; the fusion's first layer brings 128, so that
  everything behind is the same as with PointNet++;
- the layer behind the concatenation is applied to its two parts apart: the global part is the
  same for all points of a block.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.geometry import Geometry, GeometrySpec
from models.nets import operators
from models.nets.layers import FBR, Branches, mlp

LOCAL = (64, 64, 64, 128, 1024)
GLOBAL = (256, 128)
BRANCH = (512, 256)


class PointNet(nn.Module):
    """Shared point network and global feature, two branches of pointwise layers.

    Parameters
    ----------
    in_channels : int
        Channels of a point: the first three are block coordinates in metres.
    n_points : int
        Points of a block; any number fits.
    """

    width = BRANCH[-1]

    def __init__(self, in_channels: int, n_points: int) -> None:
        super().__init__()
        self.geometry_spec = GeometrySpec()
        self.local = mlp(in_channels, LOCAL)
        self.whole = mlp(LOCAL[-1], GLOBAL)
        self.semantic = mlp(LOCAL[-1] + GLOBAL[-1], BRANCH)
        self.instance = mlp(LOCAL[-1] + GLOBAL[-1], BRANCH)

    def forward(self, features: Tensor, geometry: Geometry | None = None) -> Branches:
        """(B, N, in_channels) → branches of 256 channels; the geometry is not needed."""
        x = self.local(features)  # (B, N, 1024)
        g = self.whole(x.amax(1))  # (B, 128)
        branches = []
        for branch in (self.semantic, self.instance):
            first: FBR = branch[0]
            w, b = first.affine()
            own, common = w.split([LOCAL[-1], GLOBAL[-1]], dim=1)
            y = operators.linear(x, own, b) + (g @ common.t())[:, None]  # (B, N, 512)
            branches.append(branch[1:](first.activate(y)))  # (B, N, 256)
        return Branches(*branches, features[..., :3])
