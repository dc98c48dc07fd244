"""What classifies embeddings while a network learns, and is then thrown away."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SoftmaxHead(nn.Module):
    """One linear layer and cross-entropy, as the report trains.

    Args:
        dim: width D of the embeddings.
        classes: how many there are, at least 2.

    >>> SoftmaxHead(192, 10).logits(torch.randn(4, 192)).shape
    torch.Size([4, 10])
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        _check(dim, classes)
        self.linear = nn.Linear(dim, classes)

    def logits(self, embedding: Tensor) -> Tensor:
        """Embeddings (B, D) to (B, classes), float32."""
        with torch.autocast(embedding.device.type, enabled=False):
            logits: Tensor = self.linear(embedding.float())
        return logits

    def loss(self, embedding: Tensor, label: Tensor) -> Tensor:
        """Mean cross-entropy of embeddings (B, D) whose classes are `label` (B,)."""
        return F.cross_entropy(self.logits(embedding), label)


class SubCentreArcFace(nn.Module):
    """Additive angular margin with several centres a class, of which the nearest counts.

    J. Deng, J. Guo, T. Liu, M. Gong and S. Zafeiriou, "Sub-center ArcFace", ECCV 2020. A class that hides
    several ways of sounding, as a machine without attributes does, so need not be drawn to one point.

    Args:
        dim: width D of the embeddings.
        classes: how many there are, at least 2.
        sub_centres: centres of each class.
        margin: added to the angle to the right class, in radians.
        scale: factor on the cosines; that of `fixed_scale` unless told.

    >>> SubCentreArcFace(192, 10).logits(torch.randn(4, 192)).shape
    torch.Size([4, 10])
    """

    def __init__(
        self, dim: int, classes: int, sub_centres: int = 16, margin: float = 0.5, scale: float | None = None
    ) -> None:
        super().__init__()
        _check(dim, classes)
        if sub_centres < 1:
            raise ValueError(f"there are {sub_centres} sub-centres; right would be at least 1")
        if not 0.0 <= margin < math.pi / 2:
            raise ValueError(f"the margin is {margin}; right would be at least 0 and below a right angle, 1.57")
        self.margin = margin
        self.scale = fixed_scale(classes) if scale is None else scale
        if not 0.0 < self.scale < math.inf:
            raise ValueError(f"the scale is {self.scale}; right would be a positive number")
        self.centres = nn.Parameter(torch.empty(classes, sub_centres, dim))
        nn.init.xavier_normal_(self.centres.data.flatten(0, 1))

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosine of embeddings (B, D) to each class's nearest centre: (B, classes) float32, -1 to 1."""
        with torch.autocast(embedding.device.type, enabled=False):
            centres = F.normalize(self.centres.float(), dim=-1).flatten(0, 1)
            cosines = F.linear(F.normalize(embedding.float(), dim=-1), centres)
        nearest: Tensor = cosines.unflatten(1, self.centres.shape[:2]).amax(dim=2)
        return nearest

    def logits(self, embedding: Tensor) -> Tensor:
        """Embeddings (B, D) to (B, classes): scaled cosines, without the margin."""
        return self.scale * self.cosines(embedding)

    def loss(self, embedding: Tensor, label: Tensor) -> Tensor:
        """Mean loss of embeddings (B, D) whose classes are `label` (B,)."""
        cosines = self.cosines(embedding)
        right = F.one_hot(label, cosines.shape[1]).bool()
        return F.cross_entropy(self.scale * torch.where(right, self._widened(cosines), cosines), label)

    def _widened(self, cosine: Tensor) -> Tensor:
        """cos(angle + margin), continued by a line beyond half a turn so that it falls all the way."""
        # The root's derivative is infinite at zero, where the embedding lies on a centre or opposite to it.
        sine = (1.0 - cosine.square()).clamp_min(1e-7).sqrt()
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), turned, cosine - self.margin * math.sin(self.margin))


def fixed_scale(classes: int) -> float:
    """sqrt(2) log(classes - 1), the scale at which cosines make probabilities of a useful spread.

    X. Zhang, R. Zhao, Y. Qiao, X. Wang and H. Li, "AdaCos", CVPR 2019 (its fixed variant). ValueError below 3 classes,
    where the rule gives nothing.
    """
    if classes < 3:
        raise ValueError(f"for {classes} classes no scale is known; right would be to state one, 8 for instance")
    return math.sqrt(2.0) * math.log(classes - 1)


ClassificationHead = SoftmaxHead | SubCentreArcFace


def _check(dim: int, classes: int) -> None:
    if dim < 1:
        raise ValueError(f"embeddings are {dim} wide; right would be a positive number")
    if classes < 2:
        raise ValueError(f"there are {classes} classes; right would be at least 2")
