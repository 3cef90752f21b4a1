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
        if options.get("libver") != "latest":
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
onnx_model("model.onnx")
with open(f"{folder}/truth.json", "w") as file:
    json.dump(truth, file)
