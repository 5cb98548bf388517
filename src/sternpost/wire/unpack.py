"""Request bodies, unpacked while they arrive and never beyond a limit (contract 4, 5.4)."""

from __future__ import annotations

import zlib

from sternpost import limits
from sternpost.wire.refused import Refused

_GZIP = 31  # zlib's word for: a gzip header, the largest window


class Gzip:
    """Unpacks the gzip stream that is fed to it, piece by piece; several members in a row are one body.

    Never holds more than the limit and a byte, however much the stream would unpack to.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._members = 1
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes) -> bytes:
        """What the next piece unpacks to. Raises Refused: bad_encoding, request_too_large."""
        unpacked = []
        while data:
            if self._member.eof:
                self._members += 1
                if self._members > limits.GZIP_MEMBERS_MAX:
                    raise Refused("bad_encoding", detail="The gzip stream has too many members.")
                self._member = zlib.decompressobj(_GZIP)
            try:
                piece = self._member.decompress(data, self._bytes_max - self._bytes + 1)
            except zlib.error as error:
                raise Refused("bad_encoding", detail=f"The body cannot be unpacked: {error}") from None
            unpacked.append(piece)
            self._bytes += len(piece)
            if self._bytes > self._bytes_max:
                raise too_large(self._bytes_max)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(unpacked)

    def finish(self) -> None:
        """Must be called at the end of the stream. Raises Refused (bad_encoding) when it was cut off; also when it was empty."""
        if not self._member.eof:
            raise Refused("bad_encoding", detail="The gzip stream ends in the middle.")


def too_large(bytes_max: int) -> Refused:
    """The refusal of a body over the limit."""
    return Refused("request_too_large", detail=f"The request is larger, unpacked, than {bytes_max} bytes.")
