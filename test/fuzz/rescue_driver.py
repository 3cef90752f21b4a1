"""Answers questions about bytes with the functions of rescue.py: `kind length`, then the bytes; one line of JSON each."""
import contextlib, hashlib, importlib.util, io, json, os, sys, tempfile

spec = importlib.util.spec_from_file_location("rescue", sys.argv[1])
rescue = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rescue)


def directory(data):
    return {
        "blocks": [
            {
                "filter": block.filter,
                "parameters": block.parameters.hex(),
                "parts": [list(part) for part in block.parts],
                "offset": block.offset,
                "chunks": [[chunk.hex(), end - start, depth, [base.hex() for base in bases]] for chunk, start, end, depth, bases in chunks],
            }
            for block, chunks in rescue.read_directory(data, "pack")
        ]
    }


def index(data):
    packs = rescue.read_index(data, hashlib.sha256(data).hexdigest())
    return {"packs": {pack: bytes(content).hex() for pack, content in packs.items()}}


def entry(each):
    size = each.size if each.type == "file" else 0
    return [each.path.hex(), each.type, each.mode, str(each.mtime), size, [chunk.hex() for chunk in each.chunks], each.target.hex()]


def entries(repository, snapshot):
    try:
        return list(map(entry, repository.entries(snapshot)))
    except (rescue.Damaged, rescue.Refused):
        return None


def chunk(repository, each):
    try:
        return hashlib.sha256(repository.chunk(each)).hexdigest()
    except rescue.Damaged:
        return None


def repository(data):
    head, _, rest = data.partition(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, length in json.loads(head):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(rest[:length])
            rest = rest[length:]
        read = rescue.Repository(folder)
        versions = [
            {"id": each.id, "name": each.name, "tags": each.tags, "message": each.message, "bytes": each.bytes, "entries": entries(read, each)}
            for each in read.snapshots()
        ]
        return {"versions": versions, "chunks": {each.hex(): chunk(read, each) for each in read.copies}}


KINDS = {"directory": directory, "index": index, "repository": repository}
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
for line in iter(stdin.readline, b""):
    kind, length = line.decode().split()
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = KINDS[kind](stdin.read(int(length)))
        except (rescue.Damaged, rescue.Refused, SystemExit):
            answer = None
    stdout.write(json.dumps({"answer": answer}).encode() + b"\n")
    stdout.flush()
