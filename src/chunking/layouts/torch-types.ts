import { ELEMENT_TYPES, type ElementType } from '../../util/element-type.ts'
import { nameIn, type PickleValue } from './pickle-value.ts'

/** An element type of PyTorch. */
export interface TorchType {
  /** Its `dtype` is missing for a type that safetensors does not have. */
  element: ElementType
  /** Its name in safetensors, else in PyTorch. */
  dtype: string
  /** Bytes per element; for a type of less than a byte, bytes per `packed` elements. */
  item: number
  /** How many elements share a byte. */
  packed?: number
}

const TORCH = ['torch']
/** Old files of models on a GPU name the class there. */
const STORAGE_MODULES = ['torch', 'torch.cuda', 'torch.storage']

/** The types by PyTorch's names; an alias stands after the name that PyTorch writes. */
const TYPES: ReadonlyMap<string, TorchType> = new Map([
  ...known('F64', 'float64', 'double'),
  ...known('F32', 'float32', 'float'),
  ...known('F16', 'float16', 'half'),
  ...known('BF16', 'bfloat16'),
  ...known('I64', 'int64', 'long'),
  ...known('I32', 'int32', 'int', 'qint32'),
  ...known('I16', 'int16', 'short'),
  ...known('I8', 'int8', 'qint8'),
  ...known('U8', 'uint8', 'quint8'),
  ...known('BOOL', 'bool'),
  ...known('C64', 'complex64', 'cfloat'),
  ...known('C128', 'complex128', 'cdouble'),
  ...known('U16', 'uint16'),
  ...known('U32', 'uint32'),
  ...known('U64', 'uint64'),
  ...known('F8_E4M3', 'float8_e4m3fn'),
  ...known('F8_E5M2', 'float8_e5m2'),
  ...known('F8_E4M3FNUZ', 'float8_e4m3fnuz'),
  ...known('F8_E5M2FNUZ', 'float8_e5m2fnuz'),
  ...known('F8_E8M0', 'float8_e8m0fnu'),
  ...other('complex32', { width: 2, kind: 'float' }, 4),
  ...other('bits8', { width: 1, kind: 'unknown' }),
  ...other('bits16', { width: 2, kind: 'unknown' }),
  ...other('float4_e2m1fn_x2', { width: 1, kind: 'unknown' }),
  // the shape of these counts bytes
  ...['bits1x8', 'bits2x4', 'bits4x2'].flatMap(name => other(name, { width: 1, kind: 'unknown' })),
  // a byte each, whatever their names say
  ...[1, 2, 3, 4, 5, 6, 7].flatMap(bits => [`uint${bits}`, `int${bits}`].flatMap(name => other(name, { width: 1, kind: 'unknown' }))),
  ...other('quint4x2', { width: 1, kind: 'unknown' }, 1, 2),
  ...other('quint2x4', { width: 1, kind: 'unknown' }, 1, 4),
])

/** The types of the storages that had a class for each type, by the names of the classes. */
const STORAGE_TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    DoubleStorage: 'float64',
    FloatStorage: 'float32',
    HalfStorage: 'float16',
    BFloat16Storage: 'bfloat16',
    LongStorage: 'int64',
    IntStorage: 'int32',
    ShortStorage: 'int16',
    CharStorage: 'int8',
    ByteStorage: 'uint8',
    BoolStorage: 'bool',
    ComplexFloatStorage: 'complex64',
    ComplexDoubleStorage: 'complex128',
    QInt8Storage: 'qint8',
    QUInt8Storage: 'quint8',
    QInt32Storage: 'qint32',
    QUInt4x2Storage: 'quint4x2',
    QUInt2x4Storage: 'quint2x4',
    // its elements are bytes, until a tensor states another type
    UntypedStorage: 'uint8',
    _UntypedStorage: 'uint8',
  }),
)

function known(dtype: string, ...names: string[]): [string, TorchType][] {
  const element = ELEMENT_TYPES.get(dtype)!
  const item = dtype.startsWith('C') ? 2 * element.width : element.width
  return names.map(name => [name, { element, dtype, item }])
}

function other(name: string, element: ElementType, item: number = element.width, packed?: number): [string, TorchType][] {
  return [[name, { element, dtype: name, item, ...(packed === undefined ? {} : { packed }) }]]
}

/** The type that a class of storages stands for; undefined for an unknown one. */
export function storageType(storageClass: PickleValue): TorchType | undefined {
  return TYPES.get(STORAGE_TYPES.get(nameIn(STORAGE_MODULES, storageClass) ?? '') ?? '')
}

/** The type that a tensor states, such as `torch.float8_e5m2`. */
export function statedType(dtype: PickleValue): TorchType | undefined {
  return TYPES.get(nameIn(TORCH, dtype) ?? '')
}
