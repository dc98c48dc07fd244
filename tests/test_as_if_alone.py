"""What a test leaves behind in its process, the next one does not find."""

import os

import pytest
import structlog
import torch


@pytest.fixture(scope="module")
def found_by_what_is_shared() -> tuple[int, float, bool, str | None]:
    """Threads of torch, a random number, whether there is a log of its own, and a variable of the environment."""
    return (
        torch.get_num_threads(),
        float(torch.rand(())),
        structlog.is_configured(),
        os.environ.get("ASDSTREAM_LEFT_BEHIND"),
    )


def test_one_leaves_behind_all_that_it_can() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(1)
    structlog.configure()
    os.environ["ASDSTREAM_LEFT_BEHIND"] = os.environ["HOME"] = "here"
    assert torch.get_num_threads() == 2


def test_the_next_finds_none_of_it(found_by_what_is_shared: tuple[int, float, bool, str | None]) -> None:
    first = float(torch.rand((), generator=torch.Generator().manual_seed(0)))
    assert found_by_what_is_shared == (1, first, False, None)
    assert (torch.get_num_threads(), float(torch.rand(())), structlog.is_configured()) == (1, first, False)
    assert os.environ["HOME"] != "here"
