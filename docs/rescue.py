#!/usr/bin/env python3
"""Lists and restores the versions of a colab-escape repository, without colab-escape.

    python3 rescue.py <folder> list                              lists all versions, the newest last
    python3 rescue.py <folder> restore <version> <destination>   restores a version to a new or empty folder
    python3 rescue.py <folder> verify <version>                  reads and checks a whole version, writes nothing

<folder> holds the objects of a repository (config.json, pack-..., index-..., snapshot-...), for example
downloaded from Google Drive. Objects that were renamed, as "Copy of pack-...", are recognised by their content.
<version> is a name (its newest complete version), the beginning of an id, name@tag, or name@beginning-of-an-id;
8 or more hex digits that begin an id mean that id, whatever names and tags there are.
The password of an encrypted repository, or its recovery code, is taken from COLAB_ESCAPE_PASSWORD, or asked for. With
the Python package `cryptography` it is read much faster.

restore --special-modes restores set-user-id, set-group-id and sticky bits, and permission for everybody to write;
restore --allow-growth restores more than 1 GB that takes less than a hundredth of that in the repository.

Exit codes: 0 success; 1 failure or damage (everything damaged is named, everything else is restored); 2 wrong
usage. Needs Python 3.8 and a zstd decoder: Python 3.14 has one; otherwise run `pip install zstandard`, or install
the command zstd. Takes 200 MB of memory, and 350 MB more for each million chunks (60 GB).

docs/format.md defines the format and its words. The code goes from the smallest parts up to whole versions.
"""
import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # the folder of this file: if a stranger filled it, a file argparse.py in it would be run

import argparse, base64, collections, contextlib, datetime, errno, functools, getpass, hashlib, hmac, importlib, itertools, json, os, re
import shutil, stat, struct, subprocess, tempfile, time, unicodedata, zlib
from urllib.parse import quote

FORMAT = 1
MAX_BLOCK = 4 << 20  # plain bytes of a block, at most, unless it is a long one
MAX_LONG_BLOCK = 16 << 20  # plain bytes of a long block, at most, and so the largest length in a directory
BASE_SCALES = {2: 1, 3: 2, 5: 1, 9: 1, 12: 1}  # filters with a base: bytes of it for each plain byte
MAX_DEPTH = 8  # the longest chain of bases under a chunk
DAY = 24 * 60 * 60 * 1000  # ms
GIVES_AWAY = 0o7002  # set-user-id, set-group-id and sticky bits of a mode, and permission for everybody to write
BAD_JSON = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError)
# a name that an object of the repository has, and what is left of one in a name that another program made of it
PROPER = re.compile(r"(pack|index)-[0-9a-f]{64}|label-[0-9a-f]{64}\.json|snapshot-\d{8}T\d{9}Z-[0-9a-f]{16}-[\w.%-]+\.json", re.A)
REMAINS = re.compile(r"(pack|index|label|snapshot)-.*?([0-9a-f]{16,64})", re.I)
Block = collections.namedtuple("Block", "pack offset stored plain filter parameters parts")  # parts: [(codec, stored, plain)]
Copy = collections.namedtuple("Copy", "block start end depth bases")  # where one copy of a chunk lies; bases: ids
# time: ms, its effective time; note: what is wrong with its own time; incomplete: what its push could not read;
# single: whether its source was a single file
Snapshot = collections.namedtuple("Snapshot", "id name time note tags message bytes manifest incomplete single root")
Entry = collections.namedtuple("Entry", "path type mode mtime size chunks target")  # path, target: bytes; chunks: ids


class Damaged(Exception):
    """Bytes are missing, or differ from what was written."""


class Refused(Exception):
    """Bytes are as they were written, but no honest program writes such content."""


def printable(text):
    """Text for people: what could control a terminal, or make a line look like another, is escaped."""
    text = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else str(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text):
    print(f"rescue.py: {printable(text)}", file=sys.stderr)


def fail(text):
    say(text)
    sys.exit(1)


# ---- Bytes: numbers and codecs ----


class Reader:
    """Reads a byte string front to back, never beyond its end."""

    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def expect(self, truth, why="its structure makes no sense"):
        if not truth:
            raise Damaged(f"{self.what}: {why}")

    def take(self, count):
        self.expect(count <= len(self.data) - self.at, "it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self, limit=2**53 - 1):
        """Unsigned LEB128: 7 bits a byte, lowest first; the high bit says that more bytes follow."""
        value = 0
        for shift in range(0, 56, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                self.expect(value <= limit and (byte > 0 or shift == 0), "a number is too large or not in its shortest form")
                return value
        raise Damaged(f"{self.what}: a number is too long")

    def count(self, size, limit=2**53 - 1):
        """A number of items of at least `size` bytes each."""
        value = self.varint(limit)
        self.expect(value * size <= len(self.data) - self.at, "a count is too large")
        return value


@functools.lru_cache(None)
def find_zstd():
    """A function (frame, limit) -> at most `limit` plain bytes, whatever length the frame claims."""
    for module in ("compression.zstd", "zstandard", "pyzstd"):
        try:
            zstd = importlib.import_module(module)
        except ImportError:
            continue
        if module == "zstandard":
            return lambda frame, limit: zstd.ZstdDecompressor().stream_reader(frame).read(limit)
        return lambda frame, limit: zstd.ZstdDecompressor().decompress(frame, limit)
    say("no zstd module was found, so the command zstd runs once for each block; `pip install zstandard` is faster")
    return zstd_command


def zstd_command(frame, limit):
    with tempfile.TemporaryFile() as stored:  # not a pipe: nothing would write to it while the output is read
        stored.write(frame)
        stored.seek(0)
        try:
            process = subprocess.Popen(["zstd", "-dcq"], stdin=stored, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError:
            fail("this data is compressed with zstd: run `pip install zstandard`, or install the command zstd")
        with process:
            plain = process.stdout.read(limit)
            process.kill()
            return plain


def decode(codec, stored, plain_length):
    if codec == 0:  # raw
        plain = stored
    elif codec == 1:  # one zstd frame
        plain = find_zstd()(stored, plain_length + 1)
    elif codec == 2:  # raw deflate
        plain = zlib.decompressobj(-15).decompress(stored, plain_length + 1)
    elif codec == 3:  # up to 16 symbols, then raw deflate of pairs of their numbers
        symbols, deflated = stored[1 : 1 + stored[0]], stored[1 + stored[0] :]
        pairs = zlib.decompressobj(-15).decompress(deflated, (plain_length + 1) // 2 + 1)
        both = [bytes([low, high]) for high in symbols for low in symbols]
        table = {high << 4 | low: both[high * len(symbols) + low] for high in range(len(symbols)) for low in range(len(symbols))}
        plain = b"".join(map(table.__getitem__, pairs))[: len(pairs) * 2 - plain_length % 2]
    elif codec in (5, 7):  # literals, and copies of what comes before
        plain = join_copies(codec, Reader(stored, "copies"), plain_length)
    elif codec == 6:  # bytes, each in the context of the byte before it
        plain = join_contexts(Reader(stored, "contexts"), plain_length)
    else:
        raise Damaged(f"codec {codec}: needs a newer rescue.py")
    if len(plain) != plain_length:
        raise Damaged(f"it does not decode to {plain_length} bytes")
    return plain


def join_copies(codec, reader, plain_length):
    """Pieces: one of literals or more; and for each copy the number of literals before it, its length, and how far back its source
    begins."""
    count = 1 if codec == 5 else reader.varint(MAX_LONG_BLOCK // MAX_BLOCK)
    layouts, left = [], plain_length
    for _ in range(count + 3):
        layouts.append((reader.take(1)[0], reader.varint(len(reader.data)), reader.varint(left)))
        left -= layouts[-1][2]
    reader.expect(all(codec < 3 for codec, _, _ in layouts))
    pieces = [decode(codec, reader.take(length), plain) for codec, length, plain in layouts]
    literals = b"".join(pieces[:count])
    gaps, lengths, distances = [Reader(piece, "copies") for piece in pieces[count:]]
    plain, at = bytearray(), 0
    while gaps.at < len(gaps.data):
        gap, length, distance = gaps.varint(len(literals) - at), lengths.varint(plain_length), distances.varint(plain_length)
        plain += literals[at : at + gap]
        at += gap
        reader.expect(0 < distance <= len(plain) and len(plain) + length <= plain_length)
        source = plain[len(plain) - distance :][:length]
        plain += (source * (length // distance + 1))[:length]
    reader.expect(all(each.at == len(each.data) for each in (reader, gaps, lengths, distances)))
    return bytes(plain + literals[at:])


# ---- Filters: joining the parts of a block ----
# Elements are unsigned integers of `width` bytes, lowest byte first. The code works on all of them at once, as one huge
# number with an element in each digit: `lanes` repeats a digit.


def lanes(digit, width, count):
    return int.from_bytes(digit.to_bytes(width, "little") * count, "little")


def rotate_back(data, width):
    """The lowest bit of each element becomes its highest."""
    count, top = len(data) // width, 8 * width - 1
    low, digits = lanes(1, width, count), int.from_bytes(data, "little")
    sign = digits & low
    return ((digits ^ sign) >> 1 | sign << top).to_bytes(len(data), "little")


def add_base(data, base, width):
    """Adds to each element of the base 0, -1, 1, -2, 2 ... where `data` has 0, 1, 2, 3, 4 ..., mod 2^bits."""
    count, bits = len(data) // width, 8 * width
    low, high = lanes(1, width, count), lanes(1 << bits - 1, width, count)
    digits, other = int.from_bytes(data, "little"), int.from_bytes(base, "little")
    negative = digits & low
    difference = (digits ^ negative) >> 1 ^ ((negative << bits) - negative)
    total = (difference & ~high) + (other & ~high) ^ (difference ^ other) & high  # no carry leaves its element
    return total.to_bytes(len(data), "little")


def round_bf16(value):
    """Rounds the bits of an fp32 to those of a bf16."""
    if value & 0x7FFFFFFF > 0x7F800000:  # NaN
        return value >> 16 | 0x40
    return value + 0x7FFF + (value >> 16 & 1) >> 16


def round_fp16(value):
    """Rounds the bits of an fp32 to those of an fp16."""
    sign, size = value >> 16 & 0x8000, value & 0x7FFFFFFF
    if size > 0x7F800000:  # NaN
        return sign | 0x7E00 | size >> 13 & 0x3FF
    if size >= 0x477FF000:  # rounds to infinity
        return sign | 0x7C00
    return sign | struct.unpack("<H", struct.pack("<e", struct.unpack("<f", struct.pack("<I", size))[0]))[0]


def narrow(base, rounding):
    """Rounds fp32 values to 16-bit floats: to the nearest, ties to even."""
    whole = base[: len(base) // 4 * 4]
    return b"".join(
        struct.pack(f"<{len(piece) // 4}H", *map(rounding, struct.unpack(f"<{len(piece) // 4}I", piece)))
        for piece in (whole[at : at + 65536] for at in range(0, len(whole), 65536))
    )


ROUNDINGS = {1: round_bf16, 2: round_fp16}


def plane_lengths(width, plain_length):
    """One plane for each byte of an element, the lowest first, then the tail of less than one element."""
    planes = [plain_length // width] * width + [plain_length % width]
    return [length for length in planes if length > 0]


def join_planes(width, planes, plain_length):
    """The elements, and the tail."""
    count = plain_length // width
    elements = bytearray(count * width)
    for byte in range(width if count else 0):
        elements[byte::width] = planes[byte]
    return bytes(elements), b"".join(planes[width if count else 0 :])


def orders(base, width, shift, bits, lengths):
    """Yields the begin and length of each chunk, and its element numbers sorted by a key of the base's elements."""
    begin, mask = 0, (1 << bits) - 1
    for length in lengths:
        count = length // width
        elements = struct.unpack_from(f"<{count}{'_BH_I___Q'[width]}", base, begin)
        keys = [element >> shift & mask for element in elements]
        yield begin, length, sorted(range(count), key=keys.__getitem__)
        begin += length


def group(data, width, found):
    """Chunk by chunk, the elements in those orders, then the bytes after the last whole element."""
    for begin, length, order in found:
        whole = [data[at : at + width] for at in range(begin, begin + len(order) * width, width)]
        yield b"".join(map(whole.__getitem__, order)) + data[begin + len(order) * width : begin + length]


def ungroup(data, width, found):
    """Undoes `group`."""
    for begin, length, order in found:
        whole = [b""] * len(order)
        for at, place in enumerate(order):
            whole[place] = data[begin + at * width : begin + at * width + width]
        yield b"".join(whole) + data[begin + len(order) * width : begin + length]


def sum_steps(steps, width, distance, order):
    """The elements whose differences to what those before them predict are `steps`."""
    count, mask = len(steps) // width, (1 << 8 * width) - 1
    code = f"<{count}{'_BH_I___Q'[width]}"
    elements = list(struct.unpack(code, steps))
    for lane in range(distance):
        values = elements[lane::distance]
        for _ in range(order):
            values = itertools.accumulate(values, lambda total, step: total + step & mask)
        elements[lane::distance] = values
    return struct.pack(code, *elements)


def unfilter(block, planes, base, lengths):
    """The plain bytes of a block with filter 1, 2, 3, 5 or 6, whose chunks have these lengths. One more byte may follow the
    parameters of a filter: the type of the elements, which has no effect here."""
    first, *more = block.parameters or b"\0"
    width = 2 if block.filter == 3 else first
    known = first in ROUNDINGS if block.filter == 3 else width in {1: (2, 4, 8), 5: (2, 4, 8), 6: (1, 2, 4)}.get(block.filter, (1, 2, 4, 8))
    own = {1: 1, 2: 0, 3: 0, 5: 2, 6: 3}[block.filter]
    rotated = block.filter == 1 and more[:1]
    if not known or not own <= len(more) <= own + 1 or (block.filter == 1 and rotated not in ([0], [1])):
        raise Damaged(f"filter {block.filter} can't have these parameters")
    if block.filter == 5 and not (0 < more[1] <= 8 and more[0] + more[1] <= 8 * width):
        raise Damaged(f"filter {block.filter} can't have these parameters")
    if block.filter == 6 and not (more[0] < width and more[1] > 0 and more[2] in (1, 2)):
        raise Damaged(f"filter {block.filter} can't have these parameters")
    if [len(plane) for plane in planes] != plane_lengths(width, block.plain):
        raise Damaged("its parts do not match its filter")
    elements, tail = join_planes(width, planes, block.plain)
    if rotated == [1]:
        elements = rotate_back(elements, width)
    if block.filter == 3:
        base = narrow(base, ROUNDINGS[first])
    if block.filter == 5:
        found = list(orders(base, width, *more[:2], lengths))
        base = b"".join(group(base, width, found))
    if block.filter in (2, 3, 5):
        elements = add_base(elements, base[: len(elements)], width)
    if block.filter == 5:
        return b"".join(ungroup(elements + tail, width, found))
    if block.filter == 6:
        start, distance, order = more[:3]
        steps = add_base(elements, bytes(len(elements)), width)
        turned = sum_steps(steps, width, distance, order) + tail
        start = min(start, len(turned))
        return turned[len(turned) - start :] + turned[: len(turned) - start]
    return elements + tail


def read_records(block):
    """The parameters of filters 7 and 9: where the first whole record begins, and its fields [(width, count, change)]."""
    values = block.parameters[: len(block.parameters) - ((len(block.parameters) - 2) % 3 == 1)]
    start = int.from_bytes(values[:2], "little")
    fields = [(values[at] & 15, values[at + 1] | values[at + 2] << 8, values[at] >> 4) for at in range(2, len(values) - 2, 3)]
    known = {(width, change) for width in (1, 2, 4, 8) for change in range(4)} - {(1, 1)}
    if block.filter == 7:
        known = {(width, change) for width, change in known if change != 3}
    fits = len(values) > 4 and len(values) % 3 == 2 and all((width, change) in known and count for width, count, change in fields)
    if not fits or start >= sum(width * count for width, count, _ in fields) or sum(width for width, *_ in fields) > 127:
        raise Damaged(f"filter {block.filter} can't have these parameters")
    return start, fields


def join_records(block, planes, base):
    """The plain bytes of a block with filter 7 or 9: records, each field of which has its own planes."""
    start, fields = read_records(block)
    start, length = min(start, block.plain), sum(width * count for width, count, _ in fields)
    count = (block.plain - start) // length
    fields, tail = fields if count else [], block.plain - count * length
    if [len(plane) for plane in planes] != [count * each for width, each, _ in fields for _ in range(width)] + [tail] * (tail > 0):
        raise Damaged("its parts do not match its filter")
    records, base, at = bytearray(count * length), base[start:], 0
    for width, each, change in fields:
        step = width * each  # bytes of the field in a record
        column = join_planes(width, planes[:width], count * step)[0]
        if change == 1:
            column = rotate_back(column, width)
        elif change == 2:
            column = sum_steps(add_base(column, bytes(len(column)), width), width, each, 1)
        elif change == 3:
            column = add_base(column, b"".join(base[begin : begin + step] for begin in range(at, count * length, length)), 1)
        for byte in range(step):
            records[at + byte :: length] = column[byte::step]
        planes, at = planes[width:], at + step
    turned = bytes(records) + b"".join(planes)
    return turned[len(turned) - start :] + turned[: len(turned) - start]


def join_scaled(block, planes):
    """The plain bytes of a block with filter 8: floats that are integers times scales."""
    if not 2 <= len(block.parameters) <= 3 or block.parameters[0] > 2 or block.parameters[1] > 1:
        raise Damaged("filter 8 can't have these parameters")
    kind, residuals = block.parameters[:2]
    width = 2 if kind else 4
    count, parts = block.plain // width, iter(planes)

    def part(length):
        plane = next(parts, b"") if length > 0 else b""
        if len(plane) != length:
            raise Damaged("its parts do not match its filter")
        return plane

    integers, number = part(count), len(planes[1]) if count and len(planes) > 1 else 0
    heads = [part(number) for _ in range(12)]
    runs = [(*struct.unpack("<dB", head[:9]), int.from_bytes(head[9:], "little")) for head in map(bytes, zip(*heads))]
    fits = all(length > 0 and abs(scale) < 2.0**100 for scale, _, length in runs)
    if not fits or sum(length for *_, length in runs) != count:
        raise Damaged("its parts do not match its filter")
    raw = sum(length for scale, _, length in runs if scale == 0)
    upper = [part(raw) for _ in range(width - 1)]
    differences, tail = part(count - raw if residuals else 0), block.plain - count * width
    rest = b"".join(parts)
    if any(rest[: len(rest) - tail]) or len(rest) < tail:
        raise Damaged("its parts do not match its filter")
    products, at = [], 0
    for scale, offset, length in runs:
        table = [((byte + offset & 255) - offset) * scale for byte in range(256)]
        products += map(table.__getitem__, integers[at : at + length])
        at += length
    data = struct.pack(f"<{count}f", *products)
    data = narrow(data, ROUNDINGS[kind]) if kind else data
    elements, at, of_raw, of_scaled = bytearray(data), 0, 0, 0
    for scale, _, length in runs:
        begin, end = at * width, (at + length) * width
        if scale == 0:
            for byte, plane in enumerate([integers[at : at + length], *(plane[of_raw : of_raw + length] for plane in upper)]):
                elements[begin + byte : end : width] = plane
            of_raw += length
        elif residuals:
            steps = bytearray(end - begin)
            steps[::width] = differences[of_scaled : of_scaled + length]
            elements[begin:end] = add_base(bytes(steps), bytes(elements[begin:end]), width)
            of_scaled += length
        at += length
    return bytes(elements) + rest[len(rest) - tail :]
def read_frequencies(reader, contexts, classes, most):
    """The table of each context: the frequencies of the classes, which add up to 4,096."""
    tables = []
    for _ in range(reader.count(2, most)):
        run, frequencies = reader.varint(contexts - len(tables)), []
        while sum(frequencies) < 4096:
            frequencies.append(reader.varint(4096 - sum(frequencies)))
            if frequencies[-1] == 0:
                frequencies += [0] * reader.varint(256)
            reader.expect(len(frequencies) <= classes)
        tables += [frequencies] * run
    reader.expect(len(tables) == contexts)
    return tables


def slots(frequencies, kinds):
    """For each remainder of a state: the frequency of its class, its place among the remainders of that class, the smallest
    number of the class, and how many low bits the number has."""
    return [(frequency, place, *kind) for frequency, kind in zip(frequencies, kinds) for place in range(frequency)]


def numbers(rows, stored, words, found):
    """Appends a number for each row of slots to `found`. There are so many words, after four states; the low bits follow."""
    states, low, at = list(struct.unpack_from("<4I", stored)), 16 + 2 * words, 4
    waiting, bits = 0, 0
    a, b, c, d = states
    left, lows = iter(struct.unpack_from(f"<{words}H", stored, 16)), iter(stored[low:])
    for row in rows:
        frequency, place, number, count = row[a & 4095]
        a = frequency * (a >> 12) + place
        if a < 65536:
            a = a << 16 | next(left)
        a, b, c, d = b, c, d, a
        if count:
            while bits < count:
                waiting |= next(lows) << bits
                bits += 8
            number += waiting & (1 << count) - 1
            waiting >>= count
            bits -= count
        found.append(number)
    if next(left, None) is not None or next(lows, None) is not None or (a, b, c, d) != (65536,) * 4:
        raise Damaged("its numbers do not end where they should")
    return found


def join_contexts(reader, plain_length):
    """Undoes codec 6: four lanes of bytes, each byte coded by the table of the byte before it in its lane."""
    tables = read_frequencies(reader, 256, 256, min(64, (plain_length + 1023) // 1024))
    made = {id(table): slots(table, [(byte, 0) for byte in range(256)]) for table in tables}
    tables = [made[id(table)] for table in tables]
    words = reader.varint(plain_length)
    coded, tail = reader.take(16 + 2 * words), reader.take(plain_length % 4)
    reader.expect(reader.at == len(reader.data) <= plain_length, "its length is wrong")
    found = []
    rows = (tables[found[number - 4] if number >= 4 else 0] for number in range(plain_length - plain_length % 4))
    try:
        numbers(rows, coded, words, found)
    except StopIteration:
        raise Damaged("its words end too early") from None
    return b"".join(bytes(found[lane::4]) for lane in range(4)) + tail


def matrix_contexts(reader, matrices):
    """The context of each element of a block with filter 13, from the means of rows and columns that come first in it."""
    counts = [(-((-start - elements) // columns), columns) for elements, columns, start in matrices]
    packed = reader.take(reader.varint(len(reader.data)))
    means = Reader(decode(2, packed, sum(map(sum, counts))), "means")
    contexts = []
    for (elements, columns, start), (rows, _) in zip(matrices, counts):
        of_rows, of_columns = means.take(rows), means.take(columns)
        found = [min(255, row + column) for row in of_rows for column in of_columns]
        contexts += found[start : start + elements]
    return contexts


def number_model(block, base, lengths, reader):
    """What the numbers of a block with filter 11, 12 or 13 are: the width of the elements; (smallest number, low bits) of each
    class; the contexts, and the context of each element; a function (numbers, base) -> elements."""
    parameters = block.parameters
    own = {11: 6, 12: 8, 13: len(parameters) - (len(parameters) - 5) % 12}[block.filter]
    if len(parameters) not in (own, own + 1) or [part[0] for part in block.parts] != [4]:
        raise Damaged(f"filter {block.filter} can't have these parameters or parts")
    width, count = parameters[0], block.plain // max(1, parameters[0])
    if block.filter in (11, 13):
        matrices = list(struct.iter_unpack("<3I", parameters[5:own])) if block.filter == 13 else []
        if block.filter == 11:
            _, rotated, fine, segment, origin = struct.unpack("<4BH", parameters[:6])
            fits = segment <= 22 and block.plain <= width << segment + 8
        else:
            _, rotated, fine, origin = struct.unpack("<3BH", parameters[:5])
            fits = matrices and all(0 < columns <= elements and start < columns for elements, columns, start in matrices)
            fits = fits and sum(elements for elements, _, _ in matrices) == count
        if not fits or width not in (2, 4) or rotated > 1 or fine >= 8 * width or origin >> 8 * width - fine:
            raise Damaged(f"filter {block.filter} can't have these parameters")
        contexts = matrix_contexts(reader, matrices) if block.filter == 13 else [number >> segment for number in range(count)]
        kinds = [((origin + number) << fine, fine) for number in range(255)] + [(0, 8 * width)]
        back = (lambda data, _: rotate_back(data, width)) if rotated else (lambda data, _: data)
        return width, kinds, 256, contexts, back
    _, fine, shift, bits, center = struct.unpack("<4Bi", parameters[:8])
    classes = (8 * width - fine + 1) << fine if width in (1, 2, 4) and fine < 8 * width else 0
    whole = not any(length % width for length in lengths[:-1]) if classes else False
    if not whole or classes > 256 or bits > 8 or shift + bits > 8 * width or len(base) != block.plain:
        raise Damaged("filter 12 can't have these parameters, chunks or bases")
    lows = [max(0, (number >> fine) - 1) for number in range(classes)]
    kinds = [((number - (low << fine)) << low, low) for number, low in enumerate(lows)]
    middle = ((2 * center if center >= 0 else -2 * center - 1) % (1 << 8 * width)).to_bytes(width, "little")
    elements = struct.unpack_from(f"<{count}{'_BH_I'[width]}", base)
    contexts = [element >> shift & (1 << bits) - 1 for element in elements]
    return width, kinds, 1 << bits, contexts, lambda data, own: add_base(data, add_base(middle * (len(own) // width), own, width), width)


def join_numbers(block, stored, base, lengths):
    """The plain bytes of a block with filter 11, 12 or 13: numbers in classes, each coded by the table of its context."""
    reader, plain, begin = Reader(stored, "numbers"), [], 0
    width, kinds, contexts, context_of, back = number_model(block, base, lengths, reader)
    tables = read_frequencies(reader, contexts, len(kinds), min(64, (block.plain + 1023) // 1024))
    made = {id(table): slots(table, kinds) for table in tables}
    tables = [made[id(table)] for table in tables]
    for length in lengths:
        words, low, count = reader.varint(block.plain), reader.varint(block.plain), length // width
        coded, at = reader.take(16 + 2 * words + low), begin // width
        rows = map(tables.__getitem__, context_of[at : at + count])
        try:
            found = struct.pack(f"<{count}{'_BH_I'[width]}", *numbers(rows, coded, words, []))
            plain.append(back(found, base[begin : begin + count * width]))
        except (StopIteration, Damaged):
            plain.append(bytes(count * width))  # its base may be lost
        begin += length
    plain.append(reader.take(block.plain % width))
    reader.expect(reader.at == len(stored), "bytes are left over")
    return b"".join(plain)


def join_fields(block, streams):
    """The plain bytes of a block with filter 4 or 10: text, each byte from the stream of its column and position in the field."""
    row_end = 10 if block.filter == 4 else 13
    separator, columns, *positions = block.parameters if len(block.parameters) > 1 else b"\"\0"
    if separator in (row_end, 34) or columns != len(positions) or 0 in positions or sum(positions) != len(streams):
        raise Damaged(f"filter {block.filter} can't have these parameters")
    firsts = [sum(positions[:column]) for column in range(columns)]
    left, plain, column, position, quoted = [iter(stream) for stream in streams], bytearray(), 0, 0, False
    for _ in range(block.plain):
        byte = next(left[firsts[column] + min(position, positions[column] - 1)], None)
        if byte is None:
            raise Damaged("its parts do not match its filter")
        plain.append(byte)
        position += 1
        if byte == row_end:
            column, position, quoted = 0, 0, False
        elif byte == 34:
            quoted = not quoted
        elif byte == separator and not quoted:
            column, position = min(column + 1, columns - 1), 0
    return bytes(plain)


# ---- Encryption ----


def hkdf(key, salt, info):
    """HKDF of RFC 5869 with SHA-256, 32 bytes."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, b"colab-escape 1 " + info + b"\x01", "sha256")


@functools.lru_cache(1)
def aes_tables():
    """The S-box of AES (FIPS 197), and for each byte of a column what SubBytes and MixColumns make of it."""
    double = lambda x: x << 1 ^ (0x11B if x & 128 else 0)
    powers = [1]
    while len(powers) < 255:
        powers.append(double(powers[-1]) ^ powers[-1])
    box = [0x63] * 256
    for i, x in enumerate(powers):
        y = powers[-i % 255] * 0x101
        box[x] = (y ^ y >> 4 ^ y >> 5 ^ y >> 6 ^ y >> 7 ^ 0x63) & 255
    columns = [double(y) << 24 | y << 16 | y << 8 | double(y) ^ y for y in box]
    return box, [[(c >> 8 * i | c << 32 - 8 * i) & 0xFFFFFFFF for c in columns] for i in range(4)]


def aes_cipher(key):
    """A function that encrypts a block, a number of 128 bits, with AES-256."""
    box, (t0, t1, t2, t3) = aes_tables()
    words, constant = list(struct.unpack(">8I", key)), 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = (word << 8 | word >> 24) & 0xFFFFFFFF
        if i % 4 == 0:
            word = int.from_bytes(bytes(box[b] for b in word.to_bytes(4, "big")), "big")
        if i % 8 == 0:
            word, constant = word ^ constant << 24, constant << 1
        words.append(words[-8] ^ word)
    first, rounds, last = words[:4], [words[i : i + 4] for i in range(4, 56, 4)], words[56:]

    def encrypt(block):
        a, b, c, d = ((block >> 96 - 32 * i & 0xFFFFFFFF) ^ first[i] for i in range(4))
        for k0, k1, k2, k3 in rounds:
            a, b, c, d = (
                t0[a >> 24] ^ t1[b >> 16 & 255] ^ t2[c >> 8 & 255] ^ t3[d & 255] ^ k0,
                t0[b >> 24] ^ t1[c >> 16 & 255] ^ t2[d >> 8 & 255] ^ t3[a & 255] ^ k1,
                t0[c >> 24] ^ t1[d >> 16 & 255] ^ t2[a >> 8 & 255] ^ t3[b & 255] ^ k2,
                t0[d >> 24] ^ t1[a >> 16 & 255] ^ t2[b >> 8 & 255] ^ t3[c & 255] ^ k3,
            )
        s = a, b, c, d
        found = 0
        for i in range(4):
            word = box[s[i] >> 24] << 24 | box[s[i - 3] >> 16 & 255] << 16 | box[s[i - 2] >> 8 & 255] << 8 | box[s[i - 1] & 255]
            found = found << 32 | word ^ last[i]
        return found

    return encrypt


def open_slowly(key, iv, sealed, bound):
    """AES-256-GCM of NIST SP 800-38D, without any package."""
    encrypt = aes_cipher(key)
    reduced = [0] * 256  # what a byte becomes that is shifted out
    for byte in range(256):
        x = byte
        for _ in range(8):
            x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
        reduced[byte] = x
    table = [0] * 256  # byte times H, by doubling and adding
    table[128] = encrypt(0)
    for i in (64, 32, 16, 8, 4, 2, 1):
        table[i] = table[2 * i] >> 1 ^ (0xE1 << 120 if table[2 * i] & 1 else 0)
    for i in range(256):
        table[i] = functools.reduce(lambda x, bit: x ^ table[bit], (1 << j for j in range(8) if i >> j & 1), 0) if i & i - 1 else table[i]
    text = sealed[:-16]
    total = 0
    for data in (bound, text, struct.pack(">QQ", 8 * len(bound), 8 * len(text))):
        for at in range(0, len(data), 16):
            x = total ^ int.from_bytes(data[at : at + 16].ljust(16, b"\0"), "big")
            total = 0
            for shift in range(0, 128, 8):
                total = total >> 8 ^ reduced[total & 255] ^ table[x >> shift & 255]
    counter = int.from_bytes(iv + b"\0\0\0\1", "big")
    if not hmac.compare_digest((total ^ encrypt(counter)).to_bytes(16, "big"), sealed[-16:]):
        return None
    stream = b"".join(encrypt(counter + 1 + i).to_bytes(16, "big") for i in range(-(-len(text) // 16)))
    return (int.from_bytes(text, "big") ^ int.from_bytes(stream[: len(text)], "big")).to_bytes(len(text), "big")


def find_aes():
    """A function that opens what AES-256-GCM has sealed: None if it is not that."""
    try:
        aead = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
        invalid = importlib.import_module("cryptography.exceptions").InvalidTag
    except ImportError:
        return open_slowly

    def open_fast(key, iv, sealed, bound):
        try:
            return aead.AESGCM(key).decrypt(iv, sealed, bound)
        except invalid:
            return None

    return open_fast


@functools.lru_cache(1)
def aes():
    return find_aes()


def unseal(key, sealed, iv=bytes(12), bound=b""):
    """The plain bytes, or None if these are not what was sealed so."""
    return aes()(key, iv, sealed, bound) if len(sealed) >= 16 else None


KINDS = ("", "pack", "index", "snapshot", "label", "tomb", "object")
SEGMENT = 1 << 16  # plain bytes of each segment of a sealed object but the last
FEATURE = re.compile("feature-encrypted-([0-9a-f]{16})")  # programs that copy files may add to these names
KEY = re.compile("key-([0-9a-f]{16})-([0-9a-f]{64})")
SEALED = re.compile(r"(pack|index|snapshot|label|tomb|object)-([0-9a-f]{64})-([a-z2-7]+)")


def base32(text):
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


class Keys:
    """The keys of an encrypted repository, and what they open."""

    def __init__(self, master):
        self.id, self.objects, self.nonces, self.names, self.chunk_ids = (
            hkdf(master, b"", info) for info in (b"key id", b"objects", b"nonces", b"object names", b"chunk ids")
        )
        self.id = self.id[:8]

    def plain_name(self, name):
        """The plain name of a sealed object, or None if the name was not made with these keys."""
        found = SEALED.fullmatch(name)
        try:
            token = found and unseal(hkdf(self.names, bytes.fromhex(found[2]), b"name " + found[1].encode()), base32(found[3]))
            if not token or len(token) != {"snapshot": 80, "object": 95}.get(found[1], 32):
                return None
            if found[1] == "object":
                plain = token.rstrip(b"\0").decode("ascii")
                return plain if re.fullmatch(r"[\w.%-]+", plain) else None
            if found[1] == "snapshot":
                when = compact(int.from_bytes(token[:8], "big"))
                return f"snapshot-{when}-{token[8:16].hex()}-{quote(token[16:].rstrip(bytes(1)).decode(), safe='')}.json"
        except ValueError:
            return None
        return f"{found[1]}-{token.hex()}" + ("" if found[1] in ("pack", "index") else ".json")

    def segments(self, file, first, last):
        """The plain bytes of some segments of a sealed object, and the number of all of them."""
        size = os.fstat(file.fileno()).st_size - 32
        count = -(-size // (SEGMENT + 16))
        header = file.read(32)
        if header[:4] != b"CES1" or header[8:16] != self.id or count < 1:
            raise OSError("it was not sealed with the key of this repository")
        key, plain = hkdf(self.objects, header, b"object"), []
        for number in range(max(0, first), min(count, last)):
            file.seek(32 + number * (SEGMENT + 16))
            iv = bytes(7) + struct.pack(">IB", number, number == count - 1)
            plain.append(unseal(key, file.read(SEGMENT + 16), iv, header))
            if plain[-1] is None:
                raise OSError("its bytes are not those that were sealed")
        return b"".join(plain)

    @staticmethod
    def plain_size(file):
        size = os.fstat(file.fileno()).st_size - 32
        return size - 16 * -(-size // (SEGMENT + 16))


def find_keys(folder, names, read):
    """Asks for a password, or a recovery code, until it opens one of the keys in the folder."""
    ids = sorted({found[1] for name in names for found in [FEATURE.search(name)] if found})
    found = []
    for name in names:
        key = KEY.search(name)
        if key and key[1] in ids:
            try:
                data = read(name, 0, 4097)  # none is longer
                if hashlib.sha256(data).hexdigest() != key[2]:
                    raise ValueError("it does not match the checksum in its name")
                found.append(json.loads(data))
            except BAD_JSON as error:
                say(f"{name} is left out: {error}")
    if len(ids) > 1 or not found:
        fail(f"{folder} is encrypted, and " + ("has two master keys" if len(ids) > 1 else "its keys are not there"))
    given = os.environ.get("COLAB_ESCAPE_PASSWORD")
    while True:
        keys = open_key(ids[0], found, given if given is not None else getpass.getpass(f"Password of {printable(folder)}: "))
        if keys:
            return keys
        if given is not None:
            fail(f"the password from COLAB_ESCAPE_PASSWORD does not open {folder}")
        say("that is not a password of this repository")


def open_key(key_id, found, text):
    try:
        code = base32(re.sub(r"[\s-]", "", text).translate(str.maketrans("018", "OIB")))
    except ValueError:
        code = b""
    check = hashlib.sha256(b"colab-escape 1 recovery code" + code[:20]).digest()[:5]
    for row in found:
        try:
            salt, kdf, cost = bytes.fromhex(row["salt"]), row["kdf"], "-"
            if row["kind"] == "password":
                n, r, p = kdf["n"], kdf["r"], kdf["p"]
                if not (2**14 <= n <= 2**20 and 8 <= r <= 32 and 1 <= p <= 4 and 128 * n * r <= 2**30):
                    raise ValueError("it would cost too much, or is no protection")
                secret, cost = unicodedata.normalize("NFKC", text).encode(), f"{n} {r} {p}"
                secret = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=128 * n * r + (2 << 20), dklen=32)
            elif row["kind"] == "recovery" and len(code) == 25 and code[20:] == check:
                secret = code[:20]
            else:
                continue
            bound = f"colab-escape 1 key {key_id} {row['kind']} {cost}".encode()
            master = unseal(hkdf(secret, salt, b"wrapping key"), bytes.fromhex(row["wrapped"]), bound=bound)
            if master and Keys(master).id.hex() == key_id:
                return Keys(master)
        except BAD_JSON as error:
            say(f"a key is left out: {error}")
    return None


# ---- Packs and indexes: where chunks lie ----


def short(pack):
    """A pack in a message, by the name of its object."""
    return f"pack {pack[5:17]}" if PROPER.fullmatch(pack) else pack


def read_directory(data, pack):
    """The content of a pack: [(block, [(id, start, end, depth, bases) of each chunk in the block's plain bytes])]."""
    reader = Reader(data, f"directory of {short(pack)}")
    blocks, counts, depths, offset = [], [], [], 0
    for _ in range(reader.count(5)):
        filter_id = reader.take(1)[0]
        parameters = reader.take(reader.count(1, 1024))
        number = reader.count(3, 128)
        parts = [(reader.take(1)[0], reader.varint(MAX_LONG_BLOCK + 64), reader.varint(MAX_LONG_BLOCK)) for _ in range(number)]
        stored, plain = sum(part[1] for part in parts), sum(part[2] for part in parts)
        reader.expect(0 < plain <= (MAX_LONG_BLOCK if number == 1 else MAX_BLOCK) and stored <= plain + 64)
        blocks.append(Block(pack, offset, stored, plain, filter_id, parameters, parts))
        counts.append(reader.varint(65536))
        depths.append(reader.take(1)[0])
        reader.expect(depths[-1] <= MAX_DEPTH, "a chain of bases is too deep")
        offset += stored
    lengths = [[reader.varint(MAX_BLOCK) for _ in range(count)] for count in counts]
    bases = [[(0, ())] * count for count in counts]  # (depth, ids) of each chunk
    for rows, deepest in zip(bases, depths):
        for chunk in range(len(rows) if deepest > 0 else 0):
            depth = reader.take(1)[0]
            rows[chunk] = depth, tuple(reader.take(32) for _ in range(reader.count(32, 64)))
            fits = depth <= deepest and (depth > 0) == (len(rows[chunk][1]) > 0)
            reader.expect(fits, "the bases of a chunk do not match its depth")
        reader.expect(deepest == max((depth for depth, _ in rows), default=0), "the depth of a block does not match its chunks")
    found = []
    for block, sizes, rows in zip(blocks, lengths, bases):
        reader.expect(sum(sizes) == block.plain and 0 not in sizes, "chunks do not fill their block")
        ends = itertools.accumulate(sizes)
        found.append((block, [(reader.take(32), end - size, end, *row) for size, end, row in zip(sizes, ends, rows)]))
    reader.expect(reader.at == len(data), "bytes are left over")
    return found


def read_index(data, index):
    """{pack: its directory's bytes}. The ids of superseded indexes follow: packs never change, so those are right too."""
    reader = Reader(data, f"index {index[:12]}")
    reader.expect(hashlib.sha256(data).hexdigest().startswith(index) and reader.take(4) == b"CEI1", "it does not match its checksum")
    packs = {}
    for _ in range(reader.count(34)):
        pack, _size = reader.take(32).hex(), reader.varint()
        packs[pack] = reader.take(reader.count(1))
    return packs


class Repository:
    def __init__(self, folder):
        self.folder, self.objects = folder, {"pack": [], "index": [], "label": [], "snapshot": []}
        self.keys, self.sealed = None, {}  # plain names of sealed objects -> the names of their files
        names = os.listdir(folder)
        if any(FEATURE.search(name) for name in names):
            self.keys = find_keys(folder, names, self.read_file)
            names = [name for name in names if not FEATURE.search(name) and not KEY.search(name)]
            self.sealed = {plain: name for name in names for plain in [self.keys.plain_name(name)] if plain}
            stored = set(self.sealed.values())
            names = list(self.sealed) + [name for name in names if name not in stored]
        names.sort(key=lambda name: (not PROPER.fullmatch(name), name))
        try:
            newer = json.loads(self.read("config.json"))["format"] > FORMAT
        except BAD_JSON as error:
            say(f"config.json can't be read, continuing without it: {error}")
            newer = False
        if newer or any(re.fullmatch("feature-.+", name) for name in names):
            fail(f"{folder} was made by a newer colab-escape: get the newest rescue.py")
        for name in names:
            try:
                kind, wanted = self.recognise(name)
            except OSError as error:
                say(f"{name} is left out: {error}")
                continue
            if kind:
                self.objects[kind].append((name, wanted))
        self.blocks = []  # Block
        self.copies = {}  # id of a chunk -> its copies, those of least depth first
        self.predicted = {}  # number of a block that needs bases -> the copies of its chunks, in their order
        self.whole = {}  # results of has() for copies that need bases, by their place
        self.lost = {}  # why copies can't be read, by their place, and why whole blocks can't, by their number
        self.passed = collections.Counter()  # how many of a chunk's first copies are lost, or (id, True) lack a base
        self.decoded = functools.lru_cache(24)(self.read_block)
        self.twice = {}  # number of a block that was decoded -> None, or where `kept` holds it, if it was decoded again
        self.kept = None  # a temporary file
        self.find_chunks()

    def open(self, name):
        """Opens a regular file of the folder. A symlink would lead elsewhere, and a pipe would wait for ever."""
        path = self.path(name)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError("it is not a regular file")
        flags = sum(getattr(os, flag, 0) for flag in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"))
        file = open(os.open(path, os.O_RDONLY | flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # replaced meanwhile
            file.close()
            raise OSError("it is not a regular file")
        return file

    def path(self, name):
        return os.path.join(self.folder, self.sealed.get(name, name))

    def read(self, name, offset=0, length=-1):
        """Reads bytes of an object; a negative offset counts from its end."""
        if not self.keys or name == "config.json":
            return self.read_file(name, offset, length)
        with self.open(name) as file:
            size = self.keys.plain_size(file)
            start = max(0, size + offset) if offset < 0 else min(offset, max(0, size))
            end = size if length < 0 else min(size, start + length)
            first = start // SEGMENT
            plain = self.keys.segments(file, first, max(first + 1, -(-end // SEGMENT)))
            return plain[start - first * SEGMENT : max(0, end - first * SEGMENT)]

    def read_file(self, name, offset=0, length=-1):
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size + offset) if offset < 0 else offset)
            return file.read(length)

    def sha256(self, name):
        if self.keys:
            return hashlib.sha256(self.read(name)).hexdigest()
        digest = hashlib.sha256()
        with self.open(name) as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        return digest.hexdigest()

    def recognise(self, name):
        """The kind of an object, or "", and the beginning of its id, as far as its name has one. A program that copies files
        may have changed the name, so a name without an id is passed over in favour of the first and the last bytes."""
        sealed = self.keys and name not in self.sealed and SEALED.search(name)
        remains = REMAINS.search((self.keys.plain_name(sealed[0]) or "") if sealed else name)
        if remains:
            self.open(name).close()
            return remains[1].lower(), remains[2].lower()
        if re.fullmatch(r"config\.json|README\.txt|(tomb|feature)-.*|\.tmp-.*", name) or os.path.isdir(os.path.join(self.folder, name)):
            return "", ""
        head = self.read(name, 0, 1 << 20)
        if head[:4] == b"CEI1":
            return "index", ""
        if head[:1] == b"{" and b'"nonce"' in head and b'"snapshot"' in head:
            return "label", ""
        if head[:1] == b"{" and b'"format"' in head and b'"manifest"' in head:
            return "snapshot", ""
        return ("pack" if self.read(name, -4) == b"CEP1" else ""), ""

    def checked(self, name, wanted):
        """The bytes of an object, and their SHA-256, which the name has to have."""
        data = self.read(name)
        digest = hashlib.sha256(data).hexdigest()
        if not digest.startswith(wanted):
            raise ValueError("it does not match the checksum in its name")
        return data, digest

    def find_chunks(self):
        """Reads the directories of all packs. Where one is damaged, those that indexes have of the pack take its place."""
        named = {}  # id of a pack -> directories
        for name, wanted in self.objects["index"]:
            try:
                data = self.read(name)
                index = hashlib.sha256(data).hexdigest()
                for pack, directory in read_index(data, wanted or index).items():
                    if directory not in named.setdefault(pack, []):
                        named[pack].append(directory)
                if name != f"index-{index}":
                    say(f"{name} is used as index {index[:12]}")
            except (Damaged, OSError) as error:
                say(f"{error}; continuing without it")
        for name, wanted in self.objects["pack"]:
            try:
                if not self.find_own_chunks(name, wanted, named.get(wanted, ())):
                    for directory in named.get(wanted, ()):
                        self.add_pack(name, directory)
            except (Damaged, OSError) as error:
                say(f"{error}; continuing without it")
        for copies in self.copies.values():
            if isinstance(copies, list):
                copies.sort(key=lambda copy: copy.depth)

    def find_own_chunks(self, pack, wanted, named):
        """Adds the chunks of a pack by its own directory. False if that is damaged, but indexes have named others."""
        if not PROPER.fullmatch(pack):
            digest = self.sha256(pack)
            whole = digest.startswith(wanted)
            say(f"{pack} is used as pack {digest[:12]}" if whole else f"{pack} is damaged: what is whole in it is used")
        try:
            own = self.read_tail(pack)
            self.add_pack(pack, own)
        except Damaged as error:
            if not named:
                raise
            say(f"{error}; its directory in an index is used")
            return False
        if any(directory != own for directory in named):
            say(f"an index has another directory of {short(pack)}: the pack's own is used")
        return True

    def add_pack(self, pack, directory):
        for block, chunks in read_directory(directory, pack):
            for chunk, *where in chunks:
                copy = Copy(len(self.blocks), *where)
                others = self.copies.setdefault(chunk, (copy,))  # a list from the second copy on: a tuple takes less memory
                if isinstance(others, list):
                    others.append(copy)
                elif others[0] is not copy:
                    self.copies[chunk] = [others[0], copy]
                if block.filter in BASE_SCALES:
                    self.predicted.setdefault(copy.block, []).append(copy)
            self.blocks.append(block)

    def read_tail(self, pack):
        """The directory of a pack. A trailer of 56 bytes follows it: nonce, length of the directory, its SHA-256, magic."""
        tail = self.read(pack, -56)
        trailer = Reader(tail if len(tail) == 56 else b"", short(pack))
        trailer.take(16)
        length, checksum = int.from_bytes(trailer.take(4), "little"), trailer.take(32)
        trailer.expect(trailer.take(4) == b"CEP1", "it is cut short")
        directory = self.read(pack, -56 - length, length)
        trailer.expect(hashlib.sha256(directory).digest() == checksum, "its directory does not match its checksum")
        return directory

    def block(self, number):
        """What `read_block` gives. Damage is remembered, so that none is looked for twice."""
        if number in self.lost:
            raise Damaged(self.lost[number])
        try:
            return self.decoded(number)
        except Exception as error:  # every decoder has its own exceptions
            self.lost[number] = str(error)
            raise Damaged(self.lost[number]) from None

    def read_block(self, number):
        """The plain bytes of a block (its chunks, one after the other, not verified yet), and its chunks that are lost with
        a base: {where the chunk begins: why}."""
        block, planes, offset = self.blocks[number], [], 0
        if self.twice.get(number):
            at, lost = self.twice[number]
            self.kept.seek(at)
            return self.kept.read(block.plain), lost
        if block.filter > 13:
            raise Damaged(f"filter {block.filter}: needs a newer rescue.py")
        stored = self.read(block.pack, block.offset, block.stored)
        for codec, length, plain_length in block.parts if block.filter < 11 else ():
            planes.append(decode(codec, stored[offset : offset + length], plain_length))
            offset += length
        if block.filter == 0:
            if len(planes) != 1 or len(block.parameters) > 1:
                raise Damaged("it has parts or parameters that its filter does not have")
            return planes[0], {}
        if block.filter in (4, 10):
            return join_fields(block, planes), {}
        base, lost = self.gather(number, BASE_SCALES.get(block.filter, 0))
        lengths = [copy.end - copy.start for copy in self.predicted.get(number, ())]
        if block.filter == 8:
            return join_scaled(block, planes), {}
        if block.filter > 10:
            plain = join_numbers(block, stored, base, lengths or [block.plain])
        else:
            plain = join_records(block, planes, base) if block.filter in (7, 9) else unfilter(block, planes, base, lengths)
        if number in self.twice:  # chains of more blocks than are in memory: otherwise each would be decoded again and again
            with contextlib.suppress(OSError):
                self.kept = self.kept or tempfile.TemporaryFile()
                at = self.kept.seek(0, os.SEEK_END)
                self.kept.write(plain)
                self.twice[number] = at, lost
        self.twice.setdefault(number)
        return plain, lost

    def gather(self, number, scale):
        """The bases of a block's chunks, one after the other, each `scale` times as long as its chunk; zeros for lost ones."""
        pieces, lost = [], {}
        for copy in self.predicted.get(number, ()):
            needed = scale * (copy.end - copy.start)
            try:
                piece = b"".join(self.chunk(base, copy.depth) for base in copy.bases)
                if len(piece) != needed:
                    raise Damaged(f"its base has {len(piece)} bytes where {needed} are needed")
            except Damaged as error:
                piece, lost[copy.start] = bytes(needed), error
            pieces.append(piece)
        return b"".join(pieces), lost

    def chunk(self, chunk, below=MAX_DEPTH + 1):
        """The verified bytes of a chunk, from any good copy of a depth smaller than `below`."""
        copies, passed = self.copies.get(chunk, ()), self.passed[chunk]
        why = "can't be read" if passed else "is in no pack"
        for number in range(max(0, passed - 1), len(copies)):
            copy = copies[number]
            if copy.depth >= below:
                break
            place = copy.block, copy.start
            if place not in self.lost:
                try:
                    plain, lost = self.block(copy.block)
                    if copy.start in lost:
                        raise Damaged(f"it is predicted from another: {lost[copy.start]}")
                    data = plain[copy.start : copy.end]
                    if self.chunk_id(data) == chunk:
                        return data
                    self.lost[place] = "does not match its checksum"
                except Damaged as error:
                    self.lost[place] = f"can't be read ({error})"
            why = f"{self.lost[place]} in {short(self.blocks[copy.block].pack)}"
            self.passed[chunk] = max(self.passed[chunk], number + 1)
        raise Damaged(f"chunk {chunk.hex()[:12]} {why}")

    def chunk_id(self, data):
        return hmac.digest(self.keys.chunk_ids, data, "sha256") if self.keys else hashlib.sha256(data).digest()

    def has(self, chunk, below=MAX_DEPTH + 1):
        """Whether a copy of a depth smaller than `below` exists, and all its bases, without reading any of them."""
        copies = self.copies.get(chunk, ())
        for number in range(self.passed[chunk, True], len(copies)):
            copy = copies[number]
            if copy.depth >= below:
                break
            place = copy.block, copy.start
            if copy.depth > 0 and place not in self.whole:
                self.whole[place] = all(self.has(base, copy.depth) for base in copy.bases)
            if copy.depth == 0 or self.whole[place]:
                return True
            self.passed[chunk, True] = number + 1
        return False

    # ---- Snapshots, labels, manifests: what a version is ----

    def snapshots(self):
        """All versions, the oldest first, with their tags after all labels."""
        found, rows, files = {}, {}, {}
        for name, wanted in self.objects["snapshot"]:
            try:
                data, version = self.checked(name, wanted)
                if version in rows:
                    continue
                row = json.loads(data)
                if row["format"] > FORMAT:
                    raise ValueError("it needs a newer rescue.py")
                if not isinstance(row["time"] + row["listed"], int) or not isinstance(row["parent"] or "", str):
                    raise ValueError("it is no snapshot")
                honest = f"snapshot-{compact(row['time'])}-{version[:16]}-{quote(row['name'], safe='')}.json"
                missing = incomplete(row["incomplete"]) if "incomplete" in row else ""
                single = row.get("source", {}).get("type") == "file"
                tags, message = list(dict.fromkeys(map(str, row["tags"]))), str(row.get("message", ""))
                root = folder_attributes(row["root"]) if "root" in row else None
                found[version] = Snapshot(version, row["name"], 0, "", tags, message, row["bytes"], row["manifest"], missing, single, root)
                rows[version], files[version] = row, name
                if name != honest:
                    say(f"{name} is used as version {printable(row['name'])}@{version[:12]}")
            except BAD_JSON as error:
                say(f"{name} is left out: {error}")
        self.apply_labels(found)
        for version, (when, note) in self.times(rows, files).items():
            found[version] = found[version]._replace(time=when, note=note)
        return sorted(found.values(), key=lambda snapshot: (snapshot.time, rows[snapshot.id]["time"], snapshot.id))

    def times(self, rows, files):
        """The effective time of each version, and what is wrong with its own. A copied repository no longer shows when the
        store created an object. An absurd time is therefore replaced by the store's clock when the push began, or by the
        time of the file, whichever is earlier, and a parent is older than its children."""
        now = int(time.time() * 1000)
        times = {version: row["time"] for version, row in rows.items()}
        absurd = {version for version, own in times.items() if is_absurd(own)}
        for version in absurd:
            modified = os.stat(self.path(files[version])).st_mtime_ns // 10**6
            times[version] = min(now, modified, rows[version]["listed"])
        children = collections.Counter(row.get("parent") for row in rows.values())
        waiting = [version for version in rows if not children[version]]
        while waiting:  # a parent after all its children
            version = waiting.pop()
            parent = rows[version].get("parent")
            if parent in absurd:
                times[parent] = min(times[parent], times[version] - 1)
            children[parent] -= 1
            if parent in rows and not children[parent]:
                waiting.append(parent)
        notes = {version: f"its own time, {compact(rows[version]['time'])}, can't be right" for version in absurd}
        return {version: (when, notes.get(version, "")) for version, when in times.items()}

    def apply_labels(self, found):
        """Changes the tags of snapshots in the order of the labels' times. A label without one, or with an absurd one, has the
        time when its file was made, which is new in a copied repository."""
        labels, seen = [], set()
        for name, wanted in self.objects["label"]:
            try:
                data, label = self.checked(name, wanted)
                row = json.loads(data)
                if row["format"] > FORMAT:
                    raise ValueError("it needs a newer rescue.py")
                if not all(isinstance(text, str) for text in [row["snapshot"]] + row["add"] + row["remove"]):
                    raise ValueError("it is no label")
                created = os.stat(self.path(name)).st_ctime_ns // 10**6
                own = int(row.get("time", created))
                if label not in seen:
                    labels.append((created if is_absurd(own) else own, created, label, row))
                    if name != f"label-{label}.json":
                        say(f"{name} is used as label {label[:12]}")
                seen.add(label)
            except BAD_JSON as error:
                say(f"{name} is left out, and the tags that it adds or removes: {error}")
        for *_, row in sorted(labels, key=lambda label: label[:3]):
            if row["snapshot"] in found:  # otherwise that version was forgotten
                tags = found[row["snapshot"]].tags
                kept = [tag for tag in tags if tag not in row["remove"]]
                tags[:] = dict.fromkeys(kept + row["add"])

    def rows(self, snapshot):
        """The rows of the manifest: JSON Lines, cut into chunks like a file."""
        rest, size = b"", 0
        for chunk in snapshot.manifest["chunks"]:
            data = self.chunk(bytes.fromhex(chunk))
            size += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield from map(json.loads, lines)
            if len(rest) > MAX_BLOCK:
                raise Refused("the manifest is refused: a row is too long")
        if rest or size != snapshot.manifest["bytes"]:
            raise Refused("the manifest is refused: its length is wrong")

    def entries(self, snapshot):
        """The entries of a version, in the order of their paths. Paths that could lead out of the destination are refused."""
        folders, last, entry = {b""}, b"", None
        try:
            for row in self.rows(snapshot):
                path, kind = bytes_of(row, "path"), row.get("type")
                is_file = kind == "file" or "part" in row  # only the fields of its own type count
                chunks = [bytes.fromhex(chunk) for chunk in row.get("chunks", ())] if is_file else []
                if "part" in row and entry and entry.path == path:  # the file has more chunks than one row may hold
                    entry.chunks.extend(chunks)
                    continue
                if entry:
                    yield entry
                if snapshot.single and (entry or kind != "file"):
                    raise Refused("the manifest is refused: it is not that of a single file")
                if path <= last or os.path.dirname(path) not in folders or not all(map(is_name, path.split(b"/"))):
                    raise Refused(f"the manifest is refused: the path {printable(path)} is not allowed")
                if kind not in ("file", "directory", "symlink"):
                    raise Refused(f"the manifest is refused: {printable(path)} is of an unknown type")
                if kind == "directory":
                    folders.add(path)
                target = bytes_of(row, "target") if kind == "symlink" else b""
                mode, mtime = int(row["mode"], 8) & 0o7777, int(row["mtime"])
                entry = Entry(path, kind, mode, mtime, row.get("size", 0) if is_file else 0, chunks, target)
                last = path
            if entry:
                yield entry
        except BAD_JSON as error:
            raise Refused(f"the manifest is refused: {error}") from error

    def what_lacks(self, snapshot):
        """Why a version is not complete, or "". Reads the manifest, and looks for all chunks without reading them."""
        try:
            lacking = sum(not all(map(self.has, entry.chunks)) for entry in self.entries(snapshot))
            return f"{lacking} files lack data" if lacking else ""
        except (Damaged, Refused) as error:
            return str(error)


def is_absurd(ms):
    """Whether a wrong clock gave a time: nobody pushes more than a day ahead of now."""
    return ms > time.time() * 1000 + DAY


def compact(ms):
    """A time as object names have it."""
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.strftime("%Y%m%dT%H%M%S").rjust(15, "0") + f"{ms % 1000:03}Z"


def folder_attributes(row):
    """Those of the folder that was pushed."""
    return Entry(b".", "directory", int(row["mode"], 8) & 0o7777, int(row["mtime"]), 0, [], b"")


def incomplete(row):
    """What a push could not read of its source, in words."""
    files, carried, folders = int(row["files"]), int(row["carried"]), int(row.get("folders", 0))
    missing = [(files - carried - folders, "file{s}"), (folders, "folder{s} of unknown content")]
    what = " and ".join(f"{count} {noun.format(s='s' * (count != 1))}" for count, noun in missing if count)
    parts = [f"{what} missing"] if what else []
    return "incomplete: " + ", ".join(parts + [f"{carried} from an earlier version"] * (carried > 0))


def bytes_of(row, field):
    """The bytes of a path or a target: from text, or from base64 if they are not UTF-8."""
    return base64.b64decode(row[field + "64"], validate=True) if field + "64" in row else row[field].encode("utf-8")


def is_name(part):
    return part not in (b"", b".", b"..") and b"\0" not in part and not (os.name == "nt" and re.search(rb"[\\:]", part))


# ---- Commands ----


def title(snapshot):
    return f"{printable(snapshot.name)}@{snapshot.id[:12]}"


def list_versions(repository):
    for snapshot in repository.snapshots():
        lacks = repository.what_lacks(snapshot)
        notes = " ".join([f"[{tag}]" for tag in snapshot.tags] + [snapshot.message]).strip()
        line = [title(snapshot), compact(snapshot.time), f"{snapshot.bytes} bytes", notes, snapshot.note, snapshot.incomplete]
        print("  ".join(printable(part) for part in line + [lacks and f"INCOMPLETE: {lacks}"] if part))


def choose(repository, text):
    """The version that `text` means. A copied repository no longer shows when its objects were created, so any version may
    come from a push that did not end: only a complete version counts as the newest of its name."""
    name, _, at = text.partition("@")
    snapshots = repository.snapshots()
    own = [snapshot for snapshot in snapshots if unicodedata.normalize("NFC", snapshot.name) == unicodedata.normalize("NFC", name)]
    start = (at or text).lower()
    found = [snapshot for snapshot in (own if at else snapshots) if snapshot.id.startswith(start)]
    is_id = re.fullmatch("[0-9a-f]{8,64}", start)
    if not is_id or (not found and len(start) < 64):  # no tag and no name shadows an id
        if own and not at:
            return newest(repository, own)
        tagged = [snapshot for snapshot in own if at in snapshot.tags][-1:]
        found = found + tagged if re.fullmatch("[0-9a-f]{4,7}", start) and found != tagged else tagged or found
    if len(found) != 1:
        fail(f"{text} means {len(found) or 'no'} versions; `list` shows all versions")
    return found[0]


def newest(repository, versions):
    for snapshot in reversed(versions):
        lacks = repository.what_lacks(snapshot)
        if not lacks:
            return snapshot
        say(f"passing over {title(snapshot)}: {lacks}; ask for it by its id to restore what exists")
    fail(f"no version of {versions[0].name} is complete")


def weigh(repository, snapshot):
    """The bytes that a restore writes, without holes, and the bytes of the blocks that it needs. Reads the manifest, so a
    hostile one is refused before anything is written."""
    written, stored, needed, zeros = 0, 0, set(), {}
    try:
        for entry in repository.entries(snapshot):
            before = None
            for chunk in entry.chunks:
                copy = min(repository.copies.get(chunk, ()), key=lambda copy: copy.depth, default=None)
                if copy is None:
                    continue
                length = copy.end - copy.start
                if chunk == before and length not in zeros:  # long runs of zeros are cut into equal chunks
                    zeros[length] = repository.chunk_id(bytes(length))
                if zeros.get(length) != chunk:
                    written += length
                if copy.block not in needed:
                    needed.add(copy.block)
                    stored += repository.blocks[copy.block].stored
                before = chunk
    except Damaged:
        pass  # restored as far as possible
    return written, stored


def prepare(root, written, stored, allow_growth):
    """Makes the destination. Ends the program if it may not be used, or if what is written would not fit. True if it is new."""
    name, existing = printable(root), os.path.abspath(root)
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    if written > shutil.disk_usage(existing).free:
        fail(f"{written} bytes do not fit at {name}: name a folder on another disk")
    if written > 10**9 and written > 100 * stored and not allow_growth:
        fail(f"{stored} bytes would grow to {written}, maybe to fill the disk: if you trust the repository, add --allow-growth")
    is_new = not os.path.lexists(root)
    os.makedirs(root, 0o755, exist_ok=True)
    if os.listdir(root):
        fail(f"{name} is not empty: name a new folder")
    there = os.stat(root)
    if os.name != "nt" and (there.st_mode & 0o002 or there.st_uid not in (0, os.geteuid())):
        fail(f"other users can change {name}: name a new folder")
    return is_new


def restored_mode(mode):
    """A mode without what would let other users act as this one. If everybody could write, the umask decides on the group."""
    umask = os.umask(0o077)
    os.umask(umask)
    return mode & ~GIVES_AWAY & ~(umask & 0o020 if mode & 0o002 else 0)


def is_lived_in(root):
    """Whether it is the home folder, the current one, or one above them: they keep their time."""
    within = [os.path.join(os.path.realpath(os.fsencode(place)), b"") for place in (os.getcwd(), os.path.expanduser("~"))]
    return any(place.startswith(os.path.join(os.path.realpath(root), b"")) for place in within)


def restore(repository, snapshot, root, special_modes=False, was_there=False):
    """Writes a version into the folder `root` (bytes), or only reads it if `root` is None. True if nothing was damaged.

    A folder that was there keeps its mode, which somebody chose."""
    counts, made, later = collections.Counter(), {b""}, []

    @contextlib.contextmanager
    def reporting(what):
        try:
            yield
        except (Damaged, OSError, ValueError, OverflowError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise
            counts["failed"] += 1
            say(f"NOT RESTORED: {printable(what)}: {error}")

    with reporting("everything that follows in the manifest, which is damaged"):
        for entry in repository.entries(snapshot):
            with reporting(entry.path):
                path = root and os.path.join(root, entry.path)
                if root and entry.type != "symlink" and not special_modes:
                    counts["modes"] += restored_mode(entry.mode) != entry.mode
                    entry = entry._replace(mode=restored_mode(entry.mode))
                if root is None:
                    collections.deque(content(repository, entry), maxlen=0)
                elif os.path.dirname(entry.path) not in made:
                    raise Damaged("its folder could not be made")  # something else may have its name, even a symlink
                elif entry.type == "file":
                    write_file(path, entry, content(repository, entry))
                else:
                    if entry.type == "directory":
                        os.mkdir(path, 0o700)
                        made.add(entry.path)
                    later.append((entry, path))
                counts[entry.type] += 1
                counts["bytes"] += entry.size
    for entry, path in reversed(later):  # symlinks after all files are written; folders after their content
        with reporting(entry.path):
            if entry.type == "symlink":
                os.symlink(entry.target, path)
            set_attributes(path, entry)
    if root and snapshot.root:
        with reporting(b"."):
            mode = os.stat(root).st_mode & 0o7777 if was_there else snapshot.root.mode
            set_attributes(root, snapshot.root._replace(mode=mode if was_there or special_modes else restored_mode(mode)))
    if counts["modes"]:
        say(f"{counts['modes']} files and folders lose special bits or permission for everybody to write; see --special-modes")
    for note in filter(None, (snapshot.note, snapshot.incomplete)):
        say(f"{title(snapshot)}: {note}")
    done = f"{counts['file']} files, {counts['directory']} folders, {counts['symlink']} symlinks, {counts['bytes']} bytes"
    print(f"{title(snapshot)}: {done} {'verified' if root is None else 'restored'}, {counts['failed'] or 'nothing'} damaged")
    return counts["failed"] == 0


def content(repository, entry):
    size = 0
    for chunk in entry.chunks:
        data = repository.chunk(chunk)
        size += len(data)
        yield data
    if size != entry.size:
        raise Damaged(f"its chunks have {size} bytes instead of {entry.size}")


def write_file(path, entry, pieces):
    # O_EXCL: never writes to an existing file, not even through a symlink
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(fd, "wb") as file:
            for data in pieces:
                file.seek(len(data), os.SEEK_CUR) if data == bytes(len(data)) else file.write(data)  # zeros become a hole
            file.truncate(entry.size)
            if hasattr(os, "fchmod"):
                os.fchmod(fd, entry.mode)
        set_time(path, entry)
    except BaseException:
        os.unlink(path)
        raise


def set_attributes(path, entry):
    if entry.type != "symlink":
        os.chmod(path, entry.mode, **({"follow_symlinks": False} if os.chmod in os.supports_follow_symlinks else {}))
    set_time(path, entry)


def set_time(path, entry):
    follow = {"follow_symlinks": False} if os.utime in os.supports_follow_symlinks else {}
    if follow or entry.type != "symlink":
        os.utime(path, ns=(entry.mtime, entry.mtime), **follow)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    commands = parser.add_subparsers(dest="command", metavar="list | restore | verify", required=True)
    commands.add_parser("list")
    for command in ("restore", "verify"):
        commands.add_parser(command).add_argument("version")
    commands.choices["restore"].add_argument("destination")
    commands.choices["restore"].add_argument("--special-modes", action="store_true")
    commands.choices["restore"].add_argument("--allow-growth", action="store_true")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        repository = Repository(options.folder)
        if options.command == "list":
            return list_versions(repository)
        snapshot = choose(repository, options.version)
        written, stored = weigh(repository, snapshot)
        if options.command == "verify":
            sys.exit(0 if restore(repository, snapshot, None) else 1)
        root = os.fsencode(options.destination)
        was_there = not prepare(root, written, stored, options.allow_growth)
        if was_there and is_lived_in(root):
            snapshot = snapshot._replace(root=None)
        sys.exit(0 if restore(repository, snapshot, root, options.special_modes, was_there) else 1)
    except (Damaged, Refused, OSError) as error:
        fail(error)


if __name__ == "__main__":
    main()
