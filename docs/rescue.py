#!/usr/bin/env python3
"""Restores what a colab-escape repository holds, without colab-escape.

    python3 rescue.py <folder> list                              all versions, the newest last
    python3 rescue.py <folder> restore <version> <destination>   destination: a folder that is new or empty
    python3 rescue.py <folder> verify <version>                  reads and checks all of it, writes nothing

<folder> holds the objects of a repository (config.json, pack-..., index-..., snapshot-...), for example as
downloaded from Google Drive. <version> is a name (its newest version that is all there), the beginning of an
id, or name@tag or name@beginning-of-an-id. Exit codes: 0 all is well; 1 failed, or something is damaged: it is
named, and all else restored; 2 wrong usage. Needs Python 3.8 and a zstd decoder: Python 3.14 has one, else
`pip install zstandard`, or the command zstd. Takes 100 MB of memory, and 350 more a million chunks (60 GB).

docs/format.md says what everything here means; the code goes from the smallest thing up to whole versions.
"""
import argparse, base64, collections, contextlib, errno, functools, hashlib, importlib, itertools, json, os, re
import subprocess, sys, tempfile, zlib
from urllib.parse import unquote_to_bytes

FORMAT = 1
MAX_BLOCK = 4 << 20  # plain bytes of a block; a length in a directory can't say more
BAD_JSON = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
Block = collections.namedtuple("Block", "pack offset stored plain filter parts")  # parts: [(codec, stored, plain)]
Snapshot = collections.namedtuple("Snapshot", "id name time tags message bytes manifest")
Entry = collections.namedtuple("Entry", "path type mode mtime size chunks target")  # path, target: bytes; chunks: ids


class Damaged(Exception):
    """Bytes are missing, or are not what was written."""


class Refused(Exception):
    """Bytes are as they were written, but no honest program writes such a thing."""


def say(text):
    print(f"rescue.py: {text}", file=sys.stderr)


def printable(text):
    text = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# ---- Bytes: numbers and codecs ----


class Reader:
    """Takes a byte string apart, front to back, and never reads beyond its end."""

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
        """Unsigned LEB128: 7 bits a byte, the lowest first; the high bit says that more follow."""
        value = 0
        for shift in range(0, 56, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                self.expect(value <= limit and (byte > 0 or shift == 0), "a number is too large or not in its shortest form")
                return value
        raise Damaged(f"{self.what}: a number is too long")

    def count(self, size, limit=2**53 - 1):
        """A number of things that take at least `size` bytes each."""
        value = self.varint(limit)
        self.expect(value * size <= len(self.data) - self.at, "a count is too large")
        return value


@functools.lru_cache(None)
def find_zstd():
    """A function (frame, limit) -> at most `limit` plain bytes, whatever the frame claims to hold."""
    for module in ("compression.zstd", "zstandard", "pyzstd"):
        try:
            zstd = importlib.import_module(module)
        except ImportError:
            continue
        if module == "zstandard":
            return lambda frame, limit: zstd.ZstdDecompressor().stream_reader(frame).read(limit)
        return lambda frame, limit: zstd.ZstdDecompressor().decompress(frame, limit)
    say("no zstd module found, so each block takes a run of the command zstd; `pip install zstandard` is faster")
    return zstd_command


def zstd_command(frame, limit):
    with tempfile.TemporaryFile() as stored:  # not a pipe: nobody would write to it while its output is read
        stored.write(frame)
        stored.seek(0)
        try:
            process = subprocess.Popen(["zstd", "-dcq"], stdin=stored, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError:
            sys.exit("rescue.py: this data is compressed with zstd: `pip install zstandard`, or install the command zstd")
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
    else:
        raise Damaged(f"codec {codec}: needs a newer rescue.py")
    if len(plain) != plain_length:
        raise Damaged(f"it decodes to something else than {plain_length} bytes")
    return plain


# ---- Packs and indexes: where chunks are ----


def read_directory(data, pack):
    """What a pack holds: [(block, [(id, start, end) of each chunk in the block's plain bytes])]."""
    reader = Reader(data, f"directory of pack {pack[:12]}")
    blocks, counts, depths, offset = [], [], [], 0
    for _ in range(reader.count(5)):
        filter_id = reader.take(1)[0]
        reader.take(reader.count(1, 1024))  # the filter's parameters
        number = reader.count(3, 64)
        parts = [(reader.take(1)[0], reader.varint(MAX_BLOCK + 64), reader.varint(MAX_BLOCK)) for _ in range(number)]
        stored, plain = sum(part[1] for part in parts), sum(part[2] for part in parts)
        reader.expect(0 < plain <= MAX_BLOCK and stored <= plain + 64)
        blocks.append(Block(pack, offset, stored, plain, filter_id, parts))
        counts.append(reader.varint(65536))
        depths.append(reader.take(1)[0])
        offset += stored
    lengths = [[reader.varint(MAX_BLOCK) for _ in range(count)] for count in counts]
    for count, deepest in zip(counts, depths):
        for _ in range(count if deepest > 0 else 0):  # ids of the chunks' bases, which filters 1 to 3 need
            reader.take(1)
            reader.take(32 * reader.count(32, 64))
    found = []
    for block, sizes in zip(blocks, lengths):
        reader.expect(sum(sizes) == block.plain and 0 not in sizes, "chunks do not fill their block")
        ends = itertools.accumulate(sizes)
        found.append((block, [(reader.take(32), end - size, end) for size, end in zip(sizes, ends)]))
    reader.expect(reader.at == len(data), "bytes are left over")
    return found


def read_index(data, index):
    """{pack: its directory's bytes}, and the ids of the indexes that this one supersedes."""
    reader = Reader(data, f"index {index[:12]}")
    reader.expect(hashlib.sha256(data).hexdigest() == index and reader.take(4) == b"CEI1", "it does not match its checksum")
    packs = {}
    for _ in range(reader.count(34)):
        pack, _size = reader.take(32).hex(), reader.varint()
        packs[pack] = reader.take(reader.count(1))
    return packs, [reader.take(32).hex() for _ in range(reader.count(32))]  # a nonce of 16 bytes follows


class Repository:
    def __init__(self, folder):
        self.folder, self.names = folder, sorted(os.listdir(folder))
        try:
            newer = json.loads(self.read("config.json"))["format"] > FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            say(f"config.json can't be read, going on without it: {error}")
            newer = False
        if newer or self.matching("feature-.+"):
            sys.exit(f"rescue.py: {folder} was made by a newer colab-escape: get the newest rescue.py")
        self.blocks = []  # Block
        self.places = {}  # id of a chunk -> ((number of its block, start, end), ...): it may lie in several packs
        self.block = functools.lru_cache(16)(self.read_block)
        self.find_chunks()

    def read(self, name, offset=0, length=-1):
        """Bytes of an object; a negative offset counts from its end."""
        with open(os.path.join(self.folder, name), "rb") as file:
            file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
            return file.read(length)

    def matching(self, pattern):
        return [match for match in (re.fullmatch(pattern, name) for name in self.names) if match]

    def find_chunks(self):
        """From the indexes that no other one supersedes; packs that none of them names are asked themselves."""
        indexes, superseded = {}, set()
        for match in self.matching("index-([0-9a-f]{64})"):
            try:
                indexes[match[1]], older = read_index(self.read(match[0]), match[1])
                superseded.update(older)
            except (Damaged, OSError) as error:
                say(f"{error}; going on without it")
        named = {}
        for index in indexes.keys() - superseded:
            named.update(indexes[index])
        for match in self.matching("pack-([0-9a-f]{64})"):
            pack = match[1]
            try:
                for block, chunks in read_directory(named.get(pack) or self.read_tail(pack), pack):
                    for chunk, start, end in chunks:
                        self.places[chunk] = self.places.get(chunk, ()) + ((len(self.blocks), start, end),)
                    self.blocks.append(block)
            except (Damaged, OSError) as error:
                say(f"{error}; going on without it")

    def read_tail(self, pack):
        """The directory of a pack. After it come 56 bytes: nonce, the directory's length, its SHA-256, magic."""
        name = f"pack-{pack}"
        size = os.path.getsize(os.path.join(self.folder, name))
        trailer = Reader(self.read(name, -56) if size >= 56 else b"", f"pack {pack[:12]}")
        trailer.take(16)
        length, checksum = int.from_bytes(trailer.take(4), "little"), trailer.take(32)
        trailer.expect(trailer.take(4) == b"CEP1" and length <= size - 56, "it is cut short")
        directory = self.read(name, -56 - length, length)
        trailer.expect(hashlib.sha256(directory).digest() == checksum, "its directory does not match its checksum")
        return directory

    def read_block(self, number):
        """The plain bytes of a block, which are its chunks, one after the other. Not verified yet."""
        block = self.blocks[number]
        if block.filter != 0 or len(block.parts) != 1:
            raise Damaged(f"filter {block.filter}: needs a newer rescue.py")
        (codec, _, plain_length), = block.parts
        return decode(codec, self.read(f"pack-{block.pack}", block.offset, block.stored), plain_length)

    def chunk(self, chunk):
        """The verified bytes of a chunk, from whichever copy is good."""
        why = "is in no pack"
        for number, start, end in self.places.get(chunk, ()):
            try:
                data = self.block(number)[start:end]
                if hashlib.sha256(data).digest() == chunk:
                    return data
                why = "does not match its checksum"
            except Exception as error:  # every decoder has its own kinds
                why = f"can't be read ({error})"
            why += f" in pack {self.blocks[number].pack[:12]}"
        raise Damaged(f"chunk {chunk.hex()[:12]} {why}")

    # ---- Snapshots, labels, manifests: what a version is ----

    def snapshots(self):
        """All versions, the oldest first, with their tags as labels have changed them."""
        found = {}
        for match in self.matching(r"snapshot-(\d{8}T\d{9}Z)-([0-9a-f]{16})-(.+)\.json"):  # names sort as times do
            try:
                data = self.read(match[0])
                version = hashlib.sha256(data).hexdigest()
                if not version.startswith(match[2]):
                    raise ValueError("it does not match the checksum in its name")
                row = json.loads(data)
                if row["format"] > FORMAT:
                    raise ValueError("it needs a newer rescue.py")
                if row["name"].encode() != unquote_to_bytes(match[3]):
                    raise ValueError("its name is another one")
                tags, message = [str(tag) for tag in row["tags"]], str(row.get("message", ""))
                found[version] = Snapshot(version, row["name"], match[1], tags, message, row["bytes"], row["manifest"])
            except BAD_JSON as error:
                say(f"{match[0]} is left out: {error}")
        labels = self.matching(r"label-([0-9a-f]{64})\.json")
        # in the order of their creation, as far as a copy of a repository still knows it
        for match in sorted(labels, key=lambda match: os.stat(os.path.join(self.folder, match[0])).st_ctime_ns):
            try:
                data = self.read(match[0])
                label = json.loads(data) if hashlib.sha256(data).hexdigest() == match[1] else {}
                tags, remove, add = found[label["snapshot"]].tags, label["remove"], label["add"]
                tags[:] = [tag for tag in tags if tag not in remove] + [tag for tag in add if tag not in tags]
            except BAD_JSON as error:
                say(f"{match[0]} is left out: {error!r}")
        return list(found.values())

    def rows(self, snapshot):
        """The manifest's rows: JSON Lines, cut into chunks as a file is."""
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
        """The entries of a version, in the order of their paths. What could lead out of the destination is refused."""
        folders, last, entry = {b""}, b"", None
        try:
            for row in self.rows(snapshot):
                path, kind = bytes_of(row, "path"), row.get("type")
                chunks = [bytes.fromhex(chunk) for chunk in row.get("chunks", ())]
                if "part" in row and entry and entry.path == path:  # of a file with more chunks than one row may hold
                    entry.chunks.extend(chunks)
                    continue
                if entry:
                    yield entry
                if path <= last or os.path.dirname(path) not in folders or not all(map(is_name, path.split(b"/"))):
                    raise Refused(f"the manifest is refused: the path {printable(path)} is not allowed")
                if kind not in ("file", "directory", "symlink"):
                    raise Refused(f"the manifest is refused: {printable(path)} is of an unknown type")
                if kind == "directory":
                    folders.add(path)
                target = bytes_of(row, "target") if kind == "symlink" else b""
                mode, mtime = int(row["mode"], 8) & 0o7777, int(row["mtime"])
                entry = Entry(path, kind, mode, mtime, row.get("size", 0), chunks, target)
                last = path
            if entry:
                yield entry
        except BAD_JSON as error:
            raise Refused(f"the manifest is refused: {error}") from error

    def what_lacks(self, snapshot):
        """Why a version is not all there, or "". Reads the manifest, and looks for all chunks without reading them."""
        try:
            lacking = sum(any(chunk not in self.places for chunk in entry.chunks) for entry in self.entries(snapshot))
            return f"{lacking} files lack data" if lacking else ""
        except (Damaged, Refused) as error:
            return str(error)


def bytes_of(row, field):
    """A path or a target: a text, or base64 of what is not UTF-8."""
    return base64.b64decode(row[field + "64"], validate=True) if field + "64" in row else row[field].encode("utf-8")


def is_name(part):
    return part not in (b"", b".", b"..") and b"\0" not in part and not (os.name == "nt" and re.search(rb"[\\:]", part))


# ---- What a person asks for ----


def title(snapshot):
    return f"{printable(snapshot.name)}@{snapshot.id[:12]}"


def list_versions(repository):
    for snapshot in repository.snapshots():
        lacks = repository.what_lacks(snapshot)
        notes = " ".join([f"[{tag}]" for tag in snapshot.tags] + [snapshot.message]).strip()
        line = [title(snapshot), snapshot.time, f"{snapshot.bytes} bytes", notes, lacks and f"INCOMPLETE: {lacks}"]
        print("  ".join(printable(part) for part in line if part))


def choose(repository, text):
    """The version that `text` means. A copy of a repository has lost when its objects were created, so any version may
    be one of a push that did not end: only one that is all there counts as the newest of its name."""
    name, _, at = text.partition("@")
    snapshots = repository.snapshots()
    own = [snapshot for snapshot in snapshots if snapshot.name == name]
    if own and not at:
        for snapshot in reversed(own):
            lacks = repository.what_lacks(snapshot)
            if not lacks:
                return snapshot
            say(f"passing over {title(snapshot)}: {lacks}; ask for it by its id to get what there is")
        sys.exit(f"rescue.py: no version of {printable(name)} is all there")
    tagged = [snapshot for snapshot in own if at in snapshot.tags][-1:]
    found = tagged or [snapshot for snapshot in (own if at else snapshots) if snapshot.id.startswith(at or text)]
    if len(found) != 1:
        sys.exit(f"rescue.py: {printable(text)} means {len(found) or 'no'} versions; `list` shows what there is")
    return found[0]


def restore(repository, snapshot, root):
    """Writes a version into the folder `root` (bytes), or, when that is None, only reads it. True when all was good."""
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

    with reporting("all that follows in the list of files, which is damaged"):
        for entry in repository.entries(snapshot):
            with reporting(entry.path):
                path = root and os.path.join(root, entry.path)
                if root is None:
                    collections.deque(content(repository, entry), maxlen=0)
                elif os.path.dirname(entry.path) not in made:
                    raise Damaged("its folder could not be made")  # what has its name may be anything, even a symlink
                elif entry.type == "file":
                    write_file(path, entry, content(repository, entry))
                else:
                    if entry.type == "directory":
                        os.mkdir(path, 0o700)
                        made.add(entry.path)
                    later.append((entry, path))
                counts[entry.type] += 1
                counts["bytes"] += entry.size
    for entry, path in reversed(later):  # symlinks when nothing is written any more; folders after what is in them
        with reporting(entry.path):
            if entry.type == "symlink":
                os.symlink(entry.target, path)
            set_attributes(path, entry)
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
    # O_EXCL: what is there already, be it a symlink, is never written to
    file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb")
    try:
        with file:
            for data in pieces:
                file.write(data) if any(data) else file.seek(len(data), os.SEEK_CUR)  # zeros become a hole
            file.truncate(entry.size)
        set_attributes(path, entry)
    except BaseException:
        os.unlink(path)
        raise


def set_attributes(path, entry):
    is_link = entry.type == "symlink"
    if not is_link:
        os.chmod(path, entry.mode)
    if not is_link or os.utime in os.supports_follow_symlinks:
        os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=not is_link)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    commands = parser.add_subparsers(dest="command", metavar="list | restore | verify", required=True)
    commands.add_parser("list")
    for command in ("restore", "verify"):
        commands.add_parser(command).add_argument("version")
    commands.choices["restore"].add_argument("destination")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        repository = Repository(options.folder)
        if options.command == "list":
            return list_versions(repository)
        snapshot, root = choose(repository, options.version), None
        try:
            collections.deque(repository.entries(snapshot), maxlen=0)  # hostile? asked before anything is written
        except Damaged:
            pass  # restored as far as it goes
        if options.command == "restore":
            root = os.fsencode(options.destination)
            os.makedirs(root, exist_ok=True)
            if os.listdir(root):
                sys.exit(f"rescue.py: {options.destination} is not empty: name a new folder")
        sys.exit(0 if restore(repository, snapshot, root) else 1)
    except (Damaged, Refused, OSError) as error:
        sys.exit(f"rescue.py: {error}")


if __name__ == "__main__":
    main()
