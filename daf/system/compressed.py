"""Compressed content, whose size is bounded before it is unpacked: a few kilobytes must not fill the memory."""

from __future__ import annotations

import zlib

from daf.errors import BadInputError

_HARMLESS_BYTES = 100_000_000  # more only if the compressed content itself is not much smaller
_LARGEST_RATIO = 200


def require_plausible(unpacked: int, packed: int, where: str, hint: str = "") -> None:
    """Raise BadInputError if content would unpack to far more than its size."""
    if unpacked > largest_unpacked(packed):
        found = f"{unpacked:,} bytes in a file of {packed:,}"
        raise BadInputError("content that unpacks to a plausible size", found, where, hint)


def largest_unpacked(packed: int) -> int:
    """The most bytes that this number of compressed bytes may become."""
    return max(_HARMLESS_BYTES, _LARGEST_RATIO * packed)


def unpack(packed: bytes, where: str, *, size: int | None = None, hint: str = "") -> bytes:
    """Unpack content in zlib's or gzip's format, never to more than is plausible.

    Args:
        size: the exact size that it should have.

    Raises:
        BadInputError: it is damaged, incomplete, too large, or of another size.
    """
    most = largest_unpacked(len(packed)) if size is None else size
    expected = "compressed content that is complete" if size is None else f"content of {size:,} bytes"
    content, rest = b"", packed
    try:
        while rest:  # gzip files may be joined
            stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            content += stream.decompress(rest, most - len(content) + 1)
            if len(content) > most:
                raise BadInputError(expected, f"more than {most:,} bytes", where, hint)
            if not stream.eof:
                raise BadInputError(expected, "content that ends early", where, hint)
            rest = stream.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise BadInputError(expected, f"a damaged one ({error})", where, hint) from None
    if size is not None and len(content) != size:
        raise BadInputError(expected, f"{len(content):,} bytes", where, hint)
    return content
