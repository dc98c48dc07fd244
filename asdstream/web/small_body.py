"""The body of a request, up to a size."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

MOST_BYTES = 16_384


async def small_body(request: Request) -> bytes:
    """The whole body. Raises HTTPException (413) for more than 16 KiB, without reading on."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a request should have at most {MOST_BYTES} bytes")
    return body
