"""Differentiable operations on rows of points, lean in memory on the CPU.

Each function has two bodies that agree to rounding: ordinary torch operations, and, on the CPU,
an autograd function over the loops of :mod:`models.nets.kernels` that keeps only what its gradient
needs and writes into pooled buffers. Indices are int32 within a block; gradients never flow
through indices or weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.nets import kernels
from models.nets.memory import empty
from models.nets.threads import share


def has_kernels(x: Tensor) -> bool:
    """Tell whether the numba loops take this tensor."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``x Wᵀ + b``, (..., C) → (..., D)."""
    if has_kernels(x):
        return _Linear.apply(x, weight, bias)
    return torch.nn.functional.linear(x, weight, bias)


def dropout(x: Tensor, keep: float, training: bool) -> Tensor:
    """Keep each number with a probability and divide it by that; in training only.

    On the CPU the mask is a function of one number from torch's generator: it is made again for
    the gradient rather than stored.
    """
    if not training:
        return x
    if has_kernels(x):
        return _Dropout.apply(x, keep, int(torch.randint(1 << 62, ())))
    return torch.nn.functional.dropout(x, 1 - keep)


def norm_relu(y: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise with the statistics of all rows, then ReLU.

    Parameters
    ----------
    y : (..., C)
    gamma, beta : (C,)
    eps : float

    Returns
    -------
    out : (..., C)
    mean, variance : (C,)
        Of the rows, biased; without gradient.
    """
    if has_kernels(y):
        return _NormRelu.apply(y, gamma, beta, eps)
    out, mean, variance = _batch_norm(y, gamma, beta, eps)
    return out.relu(), mean, variance


def norm_relu_max(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise with the statistics of all rows, ReLU, then the maximum over the neighbours.

    Parameters
    ----------
    y : (B, m, K, C)
    gamma, beta, eps
        As in :func:`norm_relu`.

    Returns
    -------
    out : (B, m, C)
        The gradient goes to the first neighbour that holds the maximum.
    mean, variance : (C,)
    """
    if has_kernels(y):
        return _NormReluMax.apply(y, gamma, beta, eps)
    out, mean, variance = _batch_norm(y, gamma, beta, eps)
    return out.max(2).values.relu(), mean, variance


def project_group(x: Tensor, weight: Tensor, bias: Tensor, ball: Tensor, centre: Tensor) -> Tensor:
    """Apply a linear layer to ``[xyz_neighbour − xyz_centre, features]`` of every ball.

    The layer is applied to the points before they are gathered (it is linear), which saves the
    repeated work on points that lie in many balls.

    Parameters
    ----------
    x : (B, M, 3 + C)
        Coordinates and features of the points; no gradient flows to the coordinates.
    weight, bias : (D, 3 + C), (D,)
    ball : int32 (B, m, K)
    centre : int32 (B, m)

    Returns
    -------
    (B, m, K, D)
    """
    if has_kernels(x):
        return _ProjectGroup.apply(x, weight, bias, ball, centre)
    p = torch.nn.functional.linear(x, weight, bias)  # (B, M, D)
    xyz = gather(x[..., :3].detach(), centre)  # (B, m, 3)
    return gather(p, ball) - (xyz @ weight[:, :3].t()).unsqueeze(2)


def project_interpolate(
    coarse: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, near: Tensor, share_of: Tensor
) -> Tensor:
    """Apply a linear layer to ``[interpolated coarse features, skip features]``.

    The layer is applied to the coarse points before the interpolation (both are linear).

    Parameters
    ----------
    coarse : (B, m, C)
    skip : (B, M, S)
    weight, bias : (D, C + S), (D,)
    near : int32 (B, M, 3)
    share_of : float32 (B, M, 3)
        Interpolation weights.

    Returns
    -------
    (B, M, D)
    """
    if has_kernels(coarse):
        return _ProjectInterpolate.apply(coarse, skip, weight, bias, near, share_of)
    width = coarse.shape[-1]
    p = coarse @ weight[:, :width].t()  # (B, m, D)
    fine = (gather(p, near) * share_of.to(p.dtype).unsqueeze(-1)).sum(2)  # (B, M, D)
    return fine + torch.nn.functional.linear(skip, weight[:, width:], bias)


def gather(x: Tensor, index: Tensor) -> Tensor:
    """Select rows of each block: x (B, M, C), index (B, ...) → (B, ..., C)."""
    B, M, C = x.shape
    first = torch.arange(B, device=x.device).view(B, *[1] * (index.dim() - 1)) * M
    return x.reshape(B * M, C).index_select(0, (index + first).flatten()).view(*index.shape, C)


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        out = empty((*x.shape[:-1], len(weight)), x.dtype)
        torch.addmm(bias, _rows(x), weight.t(), out=_rows(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        g = _rows(grad)
        dx = _times(g, weight).view(x.shape) if ctx.needs_input_grad[0] else None
        return dx, g.t() @ _rows(x), g.sum(0)


class _Dropout(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: float, seed: int) -> Tensor:
        ctx.keep, ctx.seed = keep, seed
        return _dropped(x.detach(), keep, seed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _dropped(grad, ctx.keep, ctx.seed), None, None


class _NormRelu(Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        y = y.contiguous()
        mean, variance = _moments(_rows(y))
        scale, shift = _affine(mean, variance, gamma, beta, eps)
        out = empty(y.shape, y.dtype)
        arrays = [t.numpy() for t in (_rows(y), scale, shift, _rows(out))]
        share(kernels.scale_relu, len(arrays[0]), *arrays)
        ctx.save_for_backward(y, mean, variance, scale, shift)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        y, mean, variance, scale, shift = ctx.saved_tensors
        g, rows = _rows(grad.contiguous()).numpy(), _rows(y).numpy()
        sums = np.empty((-(-len(rows) // kernels.CHUNK), 2, rows.shape[1]))
        behind = [t.numpy() for t in (scale, shift)]
        share(kernels.relu_grad_sums, len(sums), g, rows, *behind, mean.numpy(), sums)
        dgamma, dbeta, slope, offset = _norm_grads(sums, mean, variance, scale, ctx.eps, len(rows))
        dy = empty(y.shape, y.dtype)
        share(kernels.relu_grad, len(rows), g, rows, *behind, slope, offset, _rows(dy).numpy())
        return dy, dgamma, dbeta, None


class _NormReluMax(Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gamma: Tensor, beta: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        B, m, K, C = y.shape
        y = y.contiguous()
        mean, variance = _moments(_rows(y))
        scale, shift = _affine(mean, variance, gamma, beta, eps)
        out = empty((B, m, C), y.dtype)
        which = empty((B * m, C), torch.int16)
        groups = y.view(B * m, K, C)
        arrays = [t.numpy() for t in (groups, scale, shift, _rows(out), which)]
        share(kernels.scale_max, B * m, *arrays)
        ctx.save_for_backward(y, out, which, mean, variance, scale)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        y, out, which, mean, variance, scale = ctx.saved_tensors
        B, m, K, C = y.shape
        g, groups = _rows(grad.contiguous()).numpy(), y.view(B * m, K, C).numpy()
        kept = (_rows(out).numpy(), which.numpy())
        sums = np.empty((-(-len(g) // kernels.CHUNK), 2, C))
        share(kernels.max_grad_sums, len(sums), g, groups, *kept, mean.numpy(), sums)
        n = B * m * K
        dgamma, dbeta, slope, offset = _norm_grads(sums, mean, variance, scale, ctx.eps, n)
        dy = empty(y.shape, y.dtype)
        to = dy.view(groups.shape).numpy()
        share(kernels.max_grad, len(g), g, groups, *kept, scale.numpy(), slope, offset, to)
        return dy, dgamma, dbeta, None


class _ProjectGroup(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, ball: Tensor, centre: Tensor
    ) -> Tensor:
        B, M, _ = x.shape
        m, K = ball.shape[1:]
        D = len(weight)
        p = empty((B, M, D), x.dtype)
        torch.addmm(bias, _rows(x), weight.t(), out=_rows(p))
        xyz = gather(x[..., :3], centre)  # (B, m, 3)
        minus = xyz @ weight[:, :3].t()  # (B, m, D)
        out = empty((B, m, K, D), x.dtype)
        arrays = [t.numpy() for t in (p, minus, ball, out)]
        share(kernels.gather_difference, B, *arrays)
        ctx.save_for_backward(x, weight, xyz, ball)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, xyz, ball = ctx.saved_tensors
        B, M, _ = x.shape
        m, D = ball.shape[1], len(weight)
        dp, dminus = empty((B, M, D), x.dtype), empty((B, m, D), x.dtype)
        arrays = [t.numpy() for t in (grad.contiguous(), ball, dp, dminus)]
        share(kernels.gather_difference_grad, B, *arrays)
        g = _rows(dp)
        dweight = g.t() @ _rows(x)
        dweight[:, :3] -= _rows(dminus).t() @ _rows(xyz)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _times(g, weight).view(x.shape)
            dx[..., :3] = 0
        return dx, dweight, g.sum(0), None, None


class _ProjectInterpolate(Function):
    @staticmethod
    def forward(
        ctx: Any,
        coarse: Tensor,
        skip: Tensor,
        weight: Tensor,
        bias: Tensor,
        near: Tensor,
        share_of: Tensor,
    ) -> Tensor:
        B, M, _ = skip.shape
        width, D = coarse.shape[-1], len(weight)
        p = empty((*coarse.shape[:2], D), coarse.dtype)
        torch.mm(_rows(coarse), weight[:, :width].t(), out=_rows(p))
        out = empty((B, M, D), coarse.dtype)
        torch.addmm(bias, _rows(skip), weight[:, width:].t(), out=_rows(out))
        arrays = [t.numpy() for t in (p, near, share_of, out)]
        share(kernels.add_interpolated, B, *arrays)
        ctx.save_for_backward(coarse, skip, weight, near, share_of)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        coarse, skip, weight, near, share_of = ctx.saved_tensors
        width, D = coarse.shape[-1], len(weight)
        grad = grad.contiguous()
        g = _rows(grad)
        dp = empty((*coarse.shape[:2], D), coarse.dtype)
        arrays = [t.numpy() for t in (grad, near, share_of, dp)]
        share(kernels.interpolated_grad, len(coarse), *arrays)
        h = _rows(dp)
        need_coarse, need_skip = ctx.needs_input_grad[:2]
        dcoarse = _times(h, weight[:, :width]).view(coarse.shape) if need_coarse else None
        dskip = _times(g, weight[:, width:]).view(skip.shape) if need_skip else None
        dweight = torch.cat([h.t() @ _rows(coarse), g.t() @ _rows(skip)], 1)
        return dcoarse, dskip, dweight, g.sum(0), None, None


def _rows(x: Tensor) -> Tensor:
    return x.flatten(0, -2)


def _times(a: Tensor, b: Tensor) -> Tensor:
    return torch.mm(a, b, out=empty((a.shape[0], b.shape[1]), a.dtype))


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the biased variance of the columns."""
    R, C = rows.shape
    shift = (
        rows[0].numpy().copy()
    )  # a value of the data keeps the sum of squares free of cancellation
    sums = np.empty((-(-R // kernels.CHUNK), 2, C))
    share(kernels.row_sums, len(sums), rows.numpy(), shift, sums)
    first, second = sums.sum(0) / R  # float64 (C,)
    variance = np.maximum(second - first * first, 0)
    mean, kind = shift + first, shift.dtype
    return torch.from_numpy(mean.astype(kind)), torch.from_numpy(variance.astype(kind))


def _affine(
    mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    scale = gamma * (variance + eps).rsqrt()
    return scale, beta - mean * scale


def _norm_grads(
    sums: np.ndarray, mean: Tensor, variance: Tensor, scale: Tensor, eps: float, n: int
) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Return dgamma, dbeta and the line (slope, offset) that the statistics take from dy."""
    total, product = sums.sum(0)  # float64 (C,)
    kind, factor = mean.numpy().dtype, scale.numpy() / n
    inverse = 1 / (variance.numpy() + eps)
    slope = factor * inverse * product
    offset = factor * total - slope * mean.numpy()
    dgamma = torch.from_numpy((product * np.sqrt(inverse)).astype(kind))
    dbeta = torch.from_numpy(total.astype(kind))
    return dgamma, dbeta, slope.astype(kind), offset.astype(kind)


def _dropped(x: Tensor, keep: float, seed: int) -> Tensor:
    flat = x.contiguous().flatten()
    out = empty(x.shape, x.dtype)
    chunks = -(-len(flat) // kernels.DROP_CHUNK)
    arrays = (flat.numpy(), out.flatten().numpy())
    share(kernels.drop, chunks, *arrays, round(keep * 65536), 1 / keep, np.uint64(seed))
    return out


def _batch_norm(
    y: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    rows = _rows(y)
    out, mean, inverse = torch.native_batch_norm(rows, gamma, beta, None, None, True, 0.0, eps)
    return out.view(y.shape), mean.detach(), (inverse.detach() ** -2 - eps).clamp_min(0)
