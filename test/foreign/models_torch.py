"""Writes models as torch and numpy write them, and what these read of them, into the folder that is named.

truth.json: file -> name of tensor -> [dtype, shape, SHA-256 of the elements in C order, little-endian], or a text for
a tensor that can't be read.
"""

import collections
import hashlib
import io
import json
import pickle
import sys
import warnings
import zipfile

sys.set_int_max_str_digits(0)

import joblib
import numpy as np
import torch

warnings.simplefilter('ignore')
folder = sys.argv[1]
truth = {}

TYPES = {
    torch.float64: 'F64', torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16', torch.int64: 'I64',
    torch.int32: 'I32', torch.int16: 'I16', torch.int8: 'I8', torch.uint8: 'U8', torch.bool: 'BOOL',
    torch.complex64: 'C64', torch.complex128: 'C128', torch.qint8: 'I8', torch.quint8: 'U8', torch.qint32: 'I32',
}
for name, dtype in [('uint16', 'U16'), ('uint32', 'U32'), ('uint64', 'U64'), ('float8_e4m3fn', 'F8_E4M3'),
                    ('float8_e5m2', 'F8_E5M2'), ('float8_e4m3fnuz', 'F8_E4M3FNUZ'), ('float8_e5m2fnuz', 'F8_E5M2FNUZ'),
                    ('float8_e8m0fnu', 'F8_E8M0'), ('bits8', 'bits8'), ('bits16', 'bits16')]:
    if hasattr(torch, name):
        TYPES[getattr(torch, name)] = dtype


def sha(data):
    return hashlib.sha256(data).hexdigest()


def told(tensor):
    """What a plain tensor is."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        values = tensor.int_repr()
    else:
        values = tensor
    values = values.contiguous()
    data = bytes(values.view(-1).view(torch.uint8).numpy()) if values.numel() else b''
    return [TYPES[tensor.dtype], list(tensor.shape), sha(data)]


def numbers(dtype, *values):
    return [{'d': 'F64', 'q': 'I64'}[dtype], [], sha(np.array(values[0], dtype).tobytes())]


def size(tensor):
    return ['I64', [tensor.dim()], sha(np.array(tensor.shape, 'int64').tobytes())]


def flat(value, path, found):
    join = lambda key: f'{path}.{key}' if path else str(key)
    if isinstance(value, torch.Tensor):
        if value.is_quantized:
            found[path] = told(value)
            if value.qscheme() == torch.per_tensor_affine:
                found[join('scale')] = numbers('d', value.q_scale())
                found[join('zero_point')] = numbers('q', value.q_zero_point())
            else:
                found[join('scale')] = told(value.q_per_channel_scales())
                found[join('zero_point')] = told(value.q_per_channel_zero_points())
                found[join('axis')] = numbers('q', value.q_per_channel_axis())
        elif value.layout == torch.sparse_coo:
            found.update({join('indices'): told(value._indices()), join('values'): told(value._values()), join('size'): size(value)})
        elif value.layout == torch.sparse_csr:
            found.update({join('crow_indices'): told(value.crow_indices()), join('col_indices'): told(value.col_indices())})
            found.update({join('values'): told(value.values()), join('size'): size(value)})
        elif value.is_conj():
            # torch 1 stores the conjugated numbers, torch 2 the others with a flag
            found[path] = told(value) if torch.__version__ < '2' else 'changed signs'
        elif value.is_meta:
            found[path] = 'it has no elements'
        else:
            found[path] = told(value)
        if hasattr(value, 'note'):
            flat({'note': value.note}, path, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            flat(inner, join(key), found)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            flat(inner, join(i), found)
    return found


def save(name, value, expected=None, **how):
    torch.save(value, f'{folder}/{name}', **how)
    loaded = torch.load(f'{folder}/{name}', **({} if torch.__version__ < '2' else {'weights_only': False}))
    truth[name] = flat(loaded if expected is None else expected(loaded), '', {})


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(50, 60)
        self.second = torch.nn.Sequential(torch.nn.BatchNorm1d(60), torch.nn.Linear(60, 50, bias=False))

    def forward(self, x):
        return self.second(self.first(x))


class Tagged(torch.Tensor):
    pass


def module_truth(module):
    """The names as the pickle of a module nests them."""
    found = {}
    for name, child in module.named_modules():
        prefix = ''.join(f'_modules.{part}.' for part in name.split('.') if part)
        found.update({f'{prefix}_parameters.{key}': value for key, value in child._parameters.items() if value is not None})
        found.update({f'{prefix}_buffers.{key}': value for key, value in child._buffers.items() if value is not None})
    return found


# torch itself can't load these from a file without zip
NEW = ('torch.uint16', 'torch.uint32', 'torch.uint64', 'torch.float8', 'torch.bits')


def tensors(legacy):
    base = torch.randn(40, 60)
    every = {f'type.{dtype}'.replace('torch.', ''): (torch.randn(1100) * 50).to(dtype)
             for dtype in TYPES if 'q' not in str(dtype) and 'bits' not in str(dtype) and str(dtype)[-1] != 'u' and not (legacy and str(dtype).startswith(NEW))}
    noted = torch.randn(7, 9)
    noted.note = {'mask': torch.ones(3)}
    subclass = torch.randn(5, 6).as_subclass(Tagged)
    subclass.note = 1
    return {
        **every, 'base': base, 'row': base[3], 'transposed': base.t(), 'block': base[2:9:2, 5:50:3], 'tied': base,
        'expanded': torch.arange(5.0).expand(3, 5), 'scalar': torch.tensor(3.5), 'none': torch.empty(0, 7),
        'parameter': torch.nn.Parameter(torch.randn(33)), 'list': [torch.ones(2), (torch.zeros(3, dtype=torch.int8),)],
        'quantised': torch.quantize_per_tensor(torch.randn(30, 40), 0.05, 3, torch.qint8),
        'transposed quantised': torch.quantize_per_tensor(torch.randn(30, 40), 1.0, 128, torch.quint8).t(),
        'wide': torch.quantize_per_tensor(torch.randn(30), 0.001, 0, torch.qint32),
        'channels': torch.quantize_per_channel(torch.randn(30, 40), torch.rand(30) + 0.1, torch.arange(30), 0, torch.qint8),
        'sparse': torch.eye(50).to_sparse(), 'csr': torch.eye(60).to_sparse_csr(), 'meta': torch.empty(3, 4, device='meta'),
        'subclass': subclass, 'noted': noted, 'text': 'x' * 10, 7: torch.ones(4),
        'epoch': 3, 'lr': 0.1, 'nothing': None, 'size': torch.Size([2, 3]), 'dtype': torch.float16,
    }


for legacy in [False, True]:
    torch.manual_seed(1)
    end = '.legacy.pth' if legacy else '.pt'
    how = {'_use_new_zipfile_serialization': not legacy}
    for protocol in [1, 2, 3, 4, 5]:
        save(f'tensors-{protocol}{end}', tensors(legacy), pickle_protocol=protocol, **how)
    save(f'one{end}', tensors(legacy)['base'].clone(), lambda loaded: {'tensor': loaded}, **how)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 50)).sum().backward()
    optimizer.step()
    save(f'checkpoint{end}', {'model': net.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 3}, **how)
    save(f'module{end}', net, module_truth, **how)
    save(f'long{end}', {'text': 'x' * 600_000, 'w': torch.randn(2000)}, **how)
    save(f'empty{end}', {}, **how)
    quantised = torch.quantization.quantize_dynamic(Net(), {torch.nn.Linear}, torch.qint8)
    save(f'quantised{end}', quantised.state_dict(), **how)
    try:
        save(f'conj{end}', {'c': torch.randn(5, dtype=torch.complex64).conj()}, **how)
    except Exception as error:
        print(f'no conjugated view: {error}', file=sys.stderr)


# what PyTorch 0.3 wrote: storages that are views of others, and the texts of Python 2
def write_legacy(name, value, pickler_class, views=False, little=True):
    storages = {}
    out = io.BytesIO()

    class Pickler(pickler_class):
        def persistent_id(self, value):
            if not isinstance(value, torch.storage.TypedStorage):
                return None
            key = str(value._cdata)
            storages[key] = value
            view = (f'{key}-view', 3, value.size() - 3) if views else None
            return ('storage', getattr(torch, value.pickle_storage_type()), key, 'cpu', value.size(), view)

    for header in [0x1950A86A20F9469CFC6C, 1001, {'protocol_version': 1001, 'little_endian': little}]:
        out.write(pickle.dumps(header, 2))
    Pickler(out, 2).dump(value)
    out.write(pickle.dumps(sorted(storages), 2))
    for key in sorted(storages):
        data = storages[key]
        values = torch.tensor([], dtype=data.dtype).set_(data)
        out.write(len(values).to_bytes(8, 'little') + values.numpy().tobytes())
    with open(f'{folder}/{name}', 'wb') as file:
        file.write(out.getvalue())
    truth[name] = flat(torch.load(f'{folder}/{name}', **({} if torch.__version__ < '2' else {'weights_only': False})), '', {})


class Python2(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode()
        self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data if len(data) < 256 else pickle.BINSTRING + len(data).to_bytes(4, 'little') + data)
        self.memoize(value)

    def save_number(self, value):
        if isinstance(value, bool) or abs(value) < 2**31:
            return pickle._Pickler.save_long(self, value)
        self.write(b'I%d\n' % value)

    dispatch[str] = save_text
    dispatch[int] = save_number


old = collections.OrderedDict([('conv.weight', torch.randn(8, 3, 5, 5)), ('conv.bias', torch.arange(2000.0)), ('seen', 2**40)])
write_legacy('python2.legacy.pth', old, Python2)
write_legacy('views.legacy.pth', {'a': torch.arange(2000.0)[:50], 'b': torch.arange(3000)[7:9]}, pickle._Pickler, views=True)
write_legacy('big.legacy.pth', old, pickle._Pickler, little=False)

# the same archive, written by a zip program
for method, name in [(zipfile.ZIP_DEFLATED, 'deflated.pt'), (zipfile.ZIP_BZIP2, 'bzip2.pt')]:
    with zipfile.ZipFile(f'{folder}/checkpoint.pt') as source, zipfile.ZipFile(f'{folder}/{name}', 'w', method) as target:
        for member in source.namelist():
            target.writestr(member, source.read(member))
truth['deflated.pt'] = truth['checkpoint.pt']
truth['bzip2.pt'] = 'compressed by bzip2'

net = Net().eval()
torch.jit.save(torch.jit.script(net), f'{folder}/script.pt')
truth['script.pt'] = flat(net.state_dict(), '', {})
frozen = torch.jit.freeze(torch.jit.script(net))
torch.jit.save(frozen, f'{folder}/frozen.pt')
truth['frozen.pt'] = {'constants': len([1 for node in frozen.graph.nodes() if node.kind() == 'prim::Constant' and isinstance(node.output().type(), torch._C.TensorType)])}

# NumPy
arrays = {
    'f4.npy': np.arange(3000, dtype='f4').reshape(30, 100), 'fortran.npy': np.asfortranarray(np.arange(300, dtype='>i8').reshape(3, 100)),
    'complex.npy': np.arange(50, dtype='c16'), 'scalar.npy': np.array(3.5, 'f2'), 'empty.npy': np.zeros((0, 3), 'u2'),
}
TYPE = {'f4': 'F32', 'i8': 'I64', 'c16': 'C128', 'f2': 'F16', 'u2': 'U16', 'f8': 'F64'}


def array_truth(array):
    little = array.astype(array.dtype.newbyteorder('<'))
    return [TYPE[array.dtype.str[1:]], list(array.shape), sha(little.tobytes('C'))]


for name, array in arrays.items():
    np.save(f'{folder}/{name}', array)
    truth[name] = {'array': array_truth(array)}
with open(f'{folder}/two.npy', 'wb') as file:
    for array in list(arrays.values())[:3]:
        np.save(file, array)
truth['two.npy'] = {('array' if i == 0 else f'array.{i}'): array_truth(array) for i, array in enumerate(list(arrays.values())[:3])}
np.savez_compressed(f'{folder}/deflated.npz', **{name[:-4]: array for name, array in arrays.items()}, zeros=np.zeros(12_000_000))
truth['deflated.npz'] = {**{name[:-4]: array_truth(array) for name, array in arrays.items()}, 'zeros': array_truth(np.zeros(12_000_000))}
records = np.zeros(5, [('a', '<i4'), (('title', 'b'), 'u1', (2, 2)), ('c', [('d', '<f8', 2)])])
np.savez(f'{folder}/odd.npz', a=arrays['f4.npy'], objects=np.array([{}, None]), records=records, text=np.array([b'csr']))
truth['odd.npz'] = {'a': array_truth(arrays['f4.npy']), 'objects': ['objects', [2], None],
                    'records': ['records', [5], sha(records.tobytes())], 'text': ['|S3', [1], sha(b'csr')]}

# pickles of NumPy, and files of joblib
pickled = {
    **{name[:-4]: array for name, array in arrays.items()}, 'long': np.arange(70_000.0), 'bytes': b'\xff' * 70_000, 'text': 'é' * 5000,
    'axes': np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0), 'list': [np.arange(3), (np.arange(4.0),)],
    'objects': np.array([{'inner': np.ones(3)}, None, 2**80]), 'records': records,
}
expected = {
    **{name: array_truth(pickled[name]) for name in [*(name[:-4] for name in arrays), 'long', 'axes']},
    'list.0': array_truth(np.arange(3)), 'list.1.0': array_truth(np.arange(4.0)), 'objects': 'Python objects',
    'objects.0.inner': array_truth(np.ones(3)), 'records': ['records', [5], sha(records.tobytes())],
}
masked = np.ma.array(np.asfortranarray(np.arange(56.0).reshape(7, 8)), mask=np.asfortranarray(np.arange(56).reshape(7, 8) % 3 == 0))
pickled.update({'masked': masked, 'line\n': 'a\\u0041\'"', 'large': 10**6000})
expected.update({'masked': array_truth(masked.data), 'masked.mask': ['BOOL', [7, 8], sha(masked.mask.tobytes())]})
for protocol in range(6):
    with open(f'{folder}/arrays-{protocol}.pkl', 'wb') as file:
        pickle.dump(pickled, file, protocol)
    with open(f'{folder}/lines-{protocol}.pkl', 'wb') as file:
        pickle._Pickler(file, protocol).dump(pickled)
    joblib.dump(pickled, f'{folder}/arrays-{protocol}.joblib', protocol=protocol)
    for name in ['arrays-{}.pkl', 'lines-{}.pkl', 'arrays-{}.joblib']:
        truth[name.format(protocol)] = expected
for method in ['zlib', 'gzip']:
    joblib.dump(pickled, f'{folder}/{method}.joblib', compress=(method, 3))
    truth[f'{method}.joblib'] = expected

json.dump(truth, open(f'{folder}/truth.json', 'w'))
