"""How embeddings are computed."""

from typing import Literal

from pydantic import Field

from asdstream.config.fields import DeviceName, Section


class EngineSection(Section):
    """How embeddings are computed."""

    device: DeviceName = Field(default="auto", description="`auto` takes a GPU where there is one.")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(
        default=None, ge=1, le=256, description="CPU threads of the networks; all cores when absent."
    )
    max_batch: int = Field(default=8, ge=1, le=256, description="Windows computed together at most.")
    compile: bool = Field(
        default=False,
        description="Whether the daemon compiles the networks with torch.compile, which makes its first start minutes "
        "long; what was compiled is kept beside the store. Needs a C++ compiler, or Triton on a GPU.",
    )
