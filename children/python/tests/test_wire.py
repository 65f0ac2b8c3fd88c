"""The codec against the vectors that every implementation is tested with, and against bad bytes."""

import json
import os
import unittest

from .harness import HERE, wire

VECTORS = os.path.join(HERE, "..", "..", "..", "wire", "vectors.txt")


def latin(data):
    return data.decode("latin-1")


def meaning(item):
    """A decoded frame as the vectors write it."""
    kind, flags, code, stream, aux, head, body = item
    parts = latin(head).split("\0") if head else []
    shown = {"code": code, "flags": flags, "stream": stream, "body": latin(body)}
    if wire.HAS_HEAD[kind]:
        shown["head"] = [list(pair) for pair in zip(parts[::2], parts[1::2])]
    else:
        shown["aux"] = aux
    return shown


class VectorTest(unittest.TestCase):
    def setUp(self):
        with open(VECTORS, encoding="utf-8") as f:
            self.vectors = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]

    def test_every_vector_is_read_as_it_is_meant(self):
        self.assertGreater(len(self.vectors), 20)
        for name, text, meant in self.vectors:
            with self.subTest(name):
                meant = json.loads(meant)
                meant.pop("kind")
                [item] = wire.Decoder().feed(bytes.fromhex(text))
                self.assertEqual(meaning(item), meant)

    def test_every_vector_is_written_back_to_the_same_bytes(self):
        for name, text, _ in self.vectors:
            with self.subTest(name):
                [(kind, flags, code, stream, aux, head, body)] = wire.Decoder().feed(bytes.fromhex(text))
                again = wire.frame(kind, code, stream, flags, 0 if wire.HAS_HEAD[kind] else aux, head, body)
                self.assertEqual(again.hex(), text)

    def test_kinds_have_the_numbers_of_the_vectors(self):
        for name, text, meant in self.vectors:
            kind = json.loads(meant)["kind"]
            if hasattr(wire, kind):
                self.assertEqual(bytes.fromhex(text)[4], getattr(wire, kind), name)

    def test_any_split_of_the_bytes_gives_the_same_frames(self):
        stream = b"".join(bytes.fromhex(text) for _, text, _ in self.vectors)
        whole = wire.Decoder().feed(stream)
        for size in (1, 2, 15, 16, 17, 100, 1000):
            decoder = wire.Decoder()
            found = []
            for at in range(0, len(stream), size):
                found.extend(decoder.feed(stream[at:at + size]))
            self.assertEqual(found, whole, size)
            self.assertTrue(decoder.is_between_frames())


class BadBytesTest(unittest.TestCase):
    def test_too_long_a_frame_is_refused_before_its_body_came(self):
        with self.assertRaisesRegex(wire.ProtocolError, "at most"):
            wire.Decoder().feed(wire.HEADER.pack(wire.FRAME_MAX + 1, wire.DATA, 0, 0, 1, 0))

    def test_a_head_longer_than_its_frame_is_refused(self):
        with self.assertRaisesRegex(wire.ProtocolError, "head of 9 bytes in a frame of 4"):
            wire.Decoder().feed(wire.HEADER.pack(4, wire.REQ, 0, 0, 1, 9) + b"abcd")

    def test_unknown_types_are_skipped_unless_critical(self):
        known = wire.frame(wire.PING, aux=5)
        skipped = wire.HEADER.pack(3, 0x7F, 0, 0, 0, 99) + b"abc"
        self.assertEqual([f[0] for f in wire.Decoder().feed(skipped + known)], [wire.PING])
        with self.assertRaisesRegex(wire.ProtocolError, "critical"):
            wire.Decoder().feed(wire.HEADER.pack(3, 0x7F, wire.CRITICAL, 0, 0, 0) + b"abc")

    def test_odd_heads_are_refused(self):
        with self.assertRaisesRegex(wire.ProtocolError, "pairs"):
            wire.fields(b"a\0b\0c")
