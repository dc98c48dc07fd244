"""The kernel that inference keeps is never an old one."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asdstream.models.positional_convolution import PositionalConvolution


@pytest.fixture
def convolution() -> PositionalConvolution:
    torch.manual_seed(0)
    return PositionalConvolution(8, 4, 2).eval()


def tokens() -> Tensor:
    return torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(1))


def written_out(convolution: PositionalConvolution) -> Tensor:
    """What must come out, from the parameters as they are now."""
    direction = convolution.weight_v.detach()
    kernel = convolution.weight_g.detach() * direction / direction.pow(2).sum(dim=(0, 1), keepdim=True).sqrt()
    mixed = F.conv1d(tokens().to(kernel.dtype).mT, kernel, convolution.bias.detach(), padding=2, groups=2)
    return F.gelu(mixed[..., :10]).mT


def assert_right(convolution: PositionalConvolution) -> None:
    with torch.inference_mode():
        heard = convolution(tokens().to(convolution.bias.dtype))
    torch.testing.assert_close(heard, written_out(convolution))


def test_the_kernel_is_worked_out_once(convolution: PositionalConvolution) -> None:
    with torch.inference_mode():
        assert convolution.kernel() is convolution.kernel()
    assert_right(convolution)


def test_training_works_it_out_every_time(convolution: PositionalConvolution) -> None:
    convolution(tokens()).sum().backward()
    assert convolution.weight_g.grad is not None
    assert convolution.weight_v.grad is not None


def test_it_follows_an_optimisers_step(convolution: PositionalConvolution) -> None:
    assert_right(convolution)
    convolution(tokens()).square().sum().backward()
    torch.optim.SGD(convolution.parameters(), lr=0.1).step()
    assert_right(convolution)


@pytest.mark.parametrize("assign", [True, False])
def test_it_follows_weights_loaded_later(convolution: PositionalConvolution, assign: bool) -> None:
    assert_right(convolution)
    other = PositionalConvolution(8, 4, 2)
    convolution.load_state_dict(other.state_dict(), assign=assign)
    assert_right(convolution)
    torch.testing.assert_close(written_out(convolution), written_out(other))


def test_it_follows_a_change_of_type(convolution: PositionalConvolution) -> None:
    assert_right(convolution)
    assert_right(convolution.double())


def test_a_copy_does_not_inherit_an_old_kernel(convolution: PositionalConvolution) -> None:
    assert_right(convolution)
    with torch.no_grad():
        convolution.weight_g.mul_(3.0)
    assert_right(copy.deepcopy(convolution))


def test_the_kept_kernel_is_not_saved(convolution: PositionalConvolution) -> None:
    assert_right(convolution)
    assert list(convolution.state_dict()) == ["bias", "weight_g", "weight_v"]


@pytest.mark.parametrize(("dim", "width", "groups"), [(192, 128, 16), (12, 5, 2), (32, 128, 2)])
@pytest.mark.parametrize("count", [1, 15, 16, 33, 200])
def test_groups_of_any_width_and_sounds_of_any_length_come_out_alike(
    dim: int, width: int, groups: int, count: int
) -> None:
    torch.manual_seed(0)
    convolution = PositionalConvolution(dim, width, groups).eval()
    heard = torch.randn(3, count, dim)
    with_gradient = convolution(heard).detach()
    with torch.inference_mode():
        torch.testing.assert_close(convolution(heard), with_gradient, rtol=1e-5, atol=1e-5)
