"""Makes files with h5py and onnx in the folder that is named, and truth.json: what these libraries read in them."""

import hashlib
import json
import sys

import h5py
import numpy as np
import onnx
from onnx import helper, numpy_helper

folder = sys.argv[1]
random = np.random.default_rng(1)
truth = {}
NAMES = {
    "f2": "F16", "f4": "F32", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64",
    "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL", "c8": "C64", "c16": "C128",
}


def told(array):
    array = np.asarray(array)
    plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return [NAMES[array.dtype.str[1:]], list(array.shape), hashlib.sha256(plain.tobytes()).hexdigest()]


def hdf5(name, **options):
    with h5py.File(f"{folder}/{name}", "w", **options) as file:
        for dtype in "<f4 >f4 <f2 <f8 >i2 <i8 u1 i1 <u4 <c8 >c16 ?".split():
            file["plain/" + dtype.replace("<", "le_").replace(">", "be_").replace("?", "bool")] = (
                random.standard_normal((37, 21)) * 50
            ).astype(dtype)
        chunked = file.create_group("chunked")
        floats = random.standard_normal((100, 77)).astype("f4")
        chunked.create_dataset("plain", data=floats, chunks=(32, 20))
        chunked.create_dataset("gzip", data=floats, chunks=(32, 20), compression="gzip")
        chunked.create_dataset("shuffle", data=floats, chunks=(32, 20), compression="gzip", shuffle=True)
        chunked.create_dataset("checksum", data=floats, chunks=(32, 20), compression="gzip", fletcher32=True)
        chunked.create_dataset("lzf", data=floats.round(1), chunks=(32, 20), compression="lzf")
        chunked.create_dataset("cube", data=random.integers(0, 999, (7, 9, 11)), chunks=(3, 4, 5), compression="gzip")
        partial = chunked.create_dataset("partial", (100, 77), "i4", chunks=(10, 10), fillvalue=7)
        partial[33:47, 5:60] = 3
        shrunk = chunked.create_dataset("shrunk", data=np.arange(100), chunks=(16,), maxshape=(None,))
        shrunk.resize((40,))
        chunked.create_dataset("single", data=floats, chunks=floats.shape, compression="gzip")
        file.create_dataset("never", (5, 5), "f4")
        file.create_dataset("filled", (5,), ">i4", fillvalue=9)
        file.create_dataset("scalar", data=np.float32(3))
        file.create_dataset("empty", data=np.zeros((0, 3), "f4"))
        file["hard"] = file["plain/le_f4"]
        file["committed"] = np.dtype("<f4")
        file.create_dataset("of_committed", data=floats, dtype=file["committed"])
        many = file.create_group("many")
        for i in range(2000 if options.get("libver") == "latest" else 200):
            many.create_dataset(f"weight {i}", data=np.full(3, i, "i4"))
        attributes = file.create_dataset("attributes", data=np.arange(3))
        for i in range(20):
            attributes.attrs[f"a{i}"] = "x" * 50
        found = {}
        file.visititems(lambda path, item: found.update({path: item}) if isinstance(item, h5py.Dataset) else None)
        # objects are visited once, under one of their names
        found.update({"hard": file["hard"], "plain/le_f4": file["plain/le_f4"]})
        truth[name] = {path: told(item[()]) for path, item in found.items()}


def seeded(file, count):
    """Datasets of random shapes, chunks, limits, filters and types."""
    for number in range(count):
        rank = int(random.integers(1, 4))
        shape = tuple(int(n) for n in random.integers(1, [2000, 60, 20][rank - 1], rank))
        chunks = tuple(int(random.integers(1, max(2, n // int(random.integers(1, 12)) + 1))) for n in shape)
        while np.prod([-(-n // c) for n, c in zip(shape, chunks)]) > 300:
            chunks = tuple(min(n, 2 * c) for n, c in zip(shape, chunks))
        limits = [None if random.random() < 0.4 else int(n + random.integers(0, 30)) for n in shape]
        dtype = np.dtype(str(random.choice(["f4", ">f8", "i2", "u1", "c8", "?", ">i4"])))
        filters = [{}, {"compression": "gzip"}, {"shuffle": True, "compression": "gzip"}, {"fletcher32": True},
                   {"compression": "lzf"}, {"shuffle": True, "fletcher32": True}][int(random.integers(0, 6))]
        if not filters and random.random() < 0.4:
            # all chunks at once: without an index, if the shape has limits
            how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            how.set_chunk(chunks)
            how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            most = tuple(h5py.h5s.UNLIMITED if limit is None else limit for limit in limits)
            space = h5py.h5s.create_simple(shape, most)
            dataset = h5py.Dataset(h5py.h5d.create(file.id, b"%d" % number, h5py.h5t.py_create(dtype, logical=True), space, how))
        else:
            dataset = file.create_dataset(f"{number}", shape, dtype, chunks=chunks, maxshape=tuple(limits), **filters)
        part = tuple(slice(0, int(random.integers(1, n + 1))) for n in shape) if random.random() < 0.3 else ...
        dataset[part] = (random.standard_normal(dataset[part].shape) * 50).round().astype(dtype)
        if random.random() < 0.3:
            smaller = [max(1, n // 2) if limit is None else limit for n, limit in zip(shape, limits)]
            dataset.resize(tuple(n if random.random() < 0.5 else m for n, m in zip(shape, smaller)))


def chunk_indexes(name, libver):
    with h5py.File(f"{folder}/{name}", "w", libver=libver) as file:
        seeded(file, 70)
        if libver == "latest":
            file.create_dataset("pages", (70000,), "i4", chunks=(1,), maxshape=(90000,))[5:60000:700] = 5
            file.create_dataset("tree", data=np.arange(40000).reshape(200, 200), chunks=(4, 2), maxshape=(None, None), compression="gzip")
            places = [0, 5, 100, 70000, 131056, 131088, 131092, 133072, 262149, 399999]
            grown = file.create_dataset("grown", (400000,), "i4", chunks=(1,), maxshape=(None,))
            aside = file.create_dataset("aside", (2, 5, 400000), "i2", chunks=(1, 1, 4), maxshape=(2, 7, None), compression="gzip", fillvalue=3)
            for place in places:
                grown[place] = aside[1, place % 5, place] = place % 1000 + 1
        truth[name] = {path: told(file[path][()]) for path in file}


def matlab(name):
    with h5py.File(f"{folder}/{name}", "w", userblock_size=512, libver="earliest") as file:
        arrays = {"flags": ("logical", np.array([[1, 0, 1]], "u1")), "x": ("double", np.arange(6.0).reshape(2, 3)),
                  "none": ("double", np.array([0, 3], "u8")), "s/deep": ("single", np.arange(700, dtype="f4")),
                  "z": ("double", np.array([(1, 2), (3, 4)], [("real", "f8"), ("imag", "f8")]))}
        for path, (kind, array) in arrays.items():
            file.create_dataset(path, data=array, **({"chunks": (100,), "compression": "gzip"} if path == "s/deep" else {}))
            file[path].attrs["MATLAB_class"] = np.bytes_(kind)
        file["none"].attrs["MATLAB_empty"] = np.uint8(1)
        truth[name] = {path: told(file[path][()]) for path in ("x", "s/deep")}
        truth[name].update({"flags": told(arrays["flags"][1].astype("?")), "none": told(np.zeros(0, "u8")), "z": told(np.array([1 + 2j, 3 + 4j]))})
    with open(f"{folder}/{name}", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


def onnx_model(name):
    tensors = []
    for number in [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]:
        low = -100 if number in (1, 3, 5, 6, 7, 10, 11) else 0
        values = [int(value) for value in random.integers(low, 2 if number == 9 else 100, 6)]
        tensors.append(helper.make_tensor(f"typed {number}", number, [2, 3], values))
    tensors.append(helper.make_tensor("large", 7, [2], [-(2**62) - 1, 2**62 + 3]))
    for dtype in ["f4", "f2", "i8", "f8", "?"]:
        tensors.append(numpy_helper.from_array((random.standard_normal((64, 33)) * 9).astype(dtype), f"raw {dtype}"))
    tensors.append(numpy_helper.from_array(np.array(3, "f4"), "scalar"))
    tensors.append(numpy_helper.from_array(np.zeros((0, 3), "f4"), "empty"))
    value = numpy_helper.from_array(random.standard_normal((40, 40)).astype("f4"), "")
    constant = helper.make_node("Constant", [], ["constant"], value=value)
    inner = numpy_helper.from_array(np.arange(3, dtype="f4"), "inner")
    output = helper.make_tensor_value_info("y", 1, [3])
    branch = helper.make_graph([helper.make_node("Identity", ["inner"], ["y"])], "branch", [], [output], [inner])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=branch)
    graph = helper.make_graph([constant, choice], "graph", [], [output], tensors)
    onnx.save(helper.make_model(graph), f"{folder}/{name}")
    truth[name] = {tensor.name: told(numpy_helper.to_array(tensor)) for tensor in [*tensors, inner]}
    truth[name]["constant"] = told(numpy_helper.to_array(value))


hdf5("default.h5")
hdf5("earliest.h5", libver="earliest")
hdf5("latest.h5", libver="latest")
hdf5("tracked.h5", track_order=True)
chunk_indexes("indexes.h5", "latest")
chunk_indexes("trees.h5", "earliest")
matlab("matlab.mat")
with h5py.File(f"{folder}/behind.h5", "w", userblock_size=2048, libver="latest") as file:
    file.create_dataset("x", data=np.arange(700.0), chunks=(100,), maxshape=(None,))
    truth["behind.h5"] = {"x": told(file["x"][()])}
onnx_model("model.onnx")
with open(f"{folder}/truth.json", "w") as file:
    json.dump(truth, file)
