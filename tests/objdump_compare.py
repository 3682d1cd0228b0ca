#!/usr/bin/env python3
"""Writes pseudo-random IA-64 bundles for tests/objdump_compare.sh.

usage: objdump_compare.py COUNT SEED FILE

A third of the slots are plain random bits. In the others fields that select an alias or a rare
encoding (registers 0, predicate 0, equal register numbers, all zero or all one extensions) are set
on purpose, so that every row and every spelling comes up often.
"""
import random
import sys

TEMPLATES = [t for t in range(32) if t not in (6, 7, 0x14, 0x15, 0x1a, 0x1b, 0x1e, 0x1f)]
# Fields (position, length) that are set to zero, to all ones, or copied onto each other.
FIELDS = [(0, 6), (6, 7), (13, 7), (20, 7), (27, 7), (27, 6), (33, 4), (36, 1), (6, 3), (3, 2),
          (28, 2), (9, 3), (6, 6), (22, 4), (33, 2), (35, 1), (33, 3), (12, 1), (19, 1)]


def mutate(slot, choice):
    pos, length = FIELDS[choice % len(FIELDS)]
    mask = ((1 << length) - 1) << pos
    kind = choice // len(FIELDS) % 8
    if kind < 4:
        return slot & ~mask
    if kind == 4:
        return slot | mask
    if kind == 5:  # f2 = f3, r2 = r3
        return slot & ~(0x7f << 13) | (slot >> 20 & 0x7f) << 13
    if kind == 6:  # f4 = f1: fadd and relatives
        return slot & ~(0x7f << 27) | 1 << 27
    return slot & ~(0x3f << 27) | ((-(slot >> 14 & 0x3f) - 1) & 0x3f) << 27  # len = 64 - pos


def main():
    count, seed, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    rnd = random.Random(seed)
    with open(path, "wb") as out:
        for _ in range(count):
            bits = rnd.getrandbits(192)
            choices = bits >> 128
            tmpl = bits & 31 if choices & 15 == 0 else TEMPLATES[choices % len(TEMPLATES)]
            bundle = bits & ~31 & ((1 << 128) - 1) | tmpl
            for s in range(3):
                c = choices >> (6 + 18 * s)
                if c % 3 == 0:
                    continue
                shift = 5 + 41 * s
                slot = bundle >> shift & ((1 << 41) - 1)
                new = mutate(slot, c >> 2 & 0xff)
                if c % 3 == 2:
                    new = mutate(new, c >> 9 & 0xff)
                bundle ^= (slot ^ new) << shift
            out.write(bundle.to_bytes(16, "little"))


main()
