"""Checks vectors.json with docs/rescue.py, and where that has no code, with what docs/format.md says.
    python3 vectors.py <rescue.py> <vectors.json> [pure]
pure: as if the package `cryptography` were not there. Only the short objects, which are written out, are opened then."""
import hashlib
import hmac
import importlib.util
import json
import sys
import tempfile
import unicodedata
from pathlib import Path

if "pure" in sys.argv:
    sys.modules["cryptography"] = None
spec = importlib.util.spec_from_file_location("rescue", sys.argv[1])
rescue = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(rescue)
vectors = json.loads(Path(sys.argv[2]).read_text("utf-8"))
checked = 0


def same(what, found, wanted):
    global checked
    checked += 1
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def made(seed, size):
    return b"".join(hashlib.sha256(f"{seed} {i}".encode()).digest() for i in range(-(-size // 32)))[:size]


def mac(key, data):
    return hmac.new(key, data, "sha256").digest()


def hkdf(key, salt, info):
    """Once more, from RFC 5869."""
    extracted = mac(salt or bytes(32), key)
    return mac(extracted, b"colab-escape 1 " + info.encode() + b"\x01")


if "pure" in sys.argv:
    same("aes", rescue.aes(), rescue.open_slowly)
master = bytes.fromhex(vectors["master"])
keys = rescue.Keys(master)
for info, wanted in vectors["keys"].items():
    same(info, hkdf(master, b"", info)[: len(wanted) // 2].hex(), wanted)
derived = {info: bytes.fromhex(wanted) for info, wanted in vectors["keys"].items()}
for info, found in {"key id": keys.id, "objects": keys.objects, "nonces": keys.nonces, "object names": keys.names}.items():
    same(info, found, derived[info])

for i, wanted in enumerate(vectors["gear"]):
    number = int.from_bytes(mac(derived["gear"], f"colab-escape gear {i}".encode())[:4], "little", signed=True)
    same(f"gear {i}", number, wanted)
for row in vectors["chunks"]:
    same(f"chunk of {row['size']}", mac(keys.chunk_ids, made("chunk", row["size"])).hex(), row["id"])

for row in vectors["objects"]:
    plain = made(f"object {row['size']}", row["size"])
    kind = rescue.KINDS.index(row["kind"])
    nonce = mac(derived["nonces"], bytes([kind]) + hashlib.sha256(plain).digest())[:16]
    header = b"CES1" + bytes([kind, 0, 0, 0]) + keys.id + nonce
    same("nonce", nonce.hex(), row["nonce"])
    same("header", header.hex(), row["header"])
    same("size", 32 + len(plain) + 16 * max(1, -(-len(plain) // 65536)), row["sealedSize"])
    if "sealed" in row:
        sealed = bytes.fromhex(row["sealed"])
        same("hash", hashlib.sha256(sealed).hexdigest(), row["sealedHash"])
        with tempfile.TemporaryFile() as file:
            file.write(sealed)
            file.seek(0)
            same("plain size", keys.plain_size(file), len(plain))
            same("opened", keys.segments(file, 0, 1), plain)
    if "pure" not in sys.argv:
        # sealed here, from the format
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            continue
        aes, sealed = AESGCM(hkdf(derived["objects"], header, "object")), header
        count = max(1, -(-len(plain) // 65536))
        for i in range(count):
            iv = bytes(7) + i.to_bytes(4, "big") + bytes([i == count - 1])
            sealed += aes.encrypt(iv, plain[i * 65536 : (i + 1) * 65536], header)
        same(f"sealed object of {len(plain)}", hashlib.sha256(sealed).hexdigest(), row["sealedHash"])
        with tempfile.TemporaryFile() as file:
            file.write(sealed)
            file.seek(0)
            same("opened", keys.segments(file, 0, count), plain)

for row in vectors["names"]:
    same("name", keys.plain_name(row["name"]), row["plain"])

for row in vectors["keyObjects"]:
    data = row["bytes"].encode()
    content = json.loads(data)
    name = f"key-{keys.id.hex()}-{hashlib.sha256(data).hexdigest()}.json"
    same("name of a key", name, row["name"])
    secret, salt, cost = bytes.fromhex(row["secret"]), bytes.fromhex(content["salt"]), "-"
    if content["kind"] == "password":
        same("password", unicodedata.normalize("NFKC", row["password"]).encode(), secret)
        n, r, p = (content["kdf"][name] for name in "nrp")
        secret, cost = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=1 << 26, dklen=32), f"{n} {r} {p}"
    bound = f"colab-escape 1 key {keys.id.hex()} {content['kind']} {cost}".encode()
    found = rescue.unseal(hkdf(secret, salt, "wrapping key"), bytes.fromhex(content["wrapped"]), bound=bound)
    same("master key", found, master)
    label = rescue.unseal(hkdf(derived["labels of keys"], salt, "label"), bytes.fromhex(content["label"]), bound=bound)
    same("label", len(label), 96)
    same("label", row["label"].encode().startswith(label.rstrip(b"\0")), True)
    if content["kind"] != "machine":
        opened = rescue.open_key(keys.id.hex(), [content], row.get("code") or row["password"])
        same("opened with what a person types", opened and opened.names, keys.names)
        same("opened with something else", rescue.open_key(keys.id.hex(), [content], "wrong"), None)
print(f"{checked} checks passed")
