"""Read single bits and Exp-Golomb numbers, most significant bit first."""


class BitReader:
    """A cursor over bytes; reading past the end raises IndexError, as for any sequence."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        """The next `count` bits as an unsigned number."""
        if count > self._left:
            raise IndexError("past the last bit")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.read(1) == 1

    def skip(self, count: int) -> None:
        self.read(count)

    def unsigned_golomb(self) -> int:
        """ue(v) of H.264 section 9.1; also uvlc() of AV1 section 4.10.3, which is the same code."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise IndexError("no Exp-Golomb number is that long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """se(v) of H.264 section 9.1.1."""
        code = self.unsigned_golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)
