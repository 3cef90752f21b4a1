// The first 16 bytes of files with tensors, apart from what reads such files: a push loads that only where it needs it.

const HDF5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')
const MATLAB_HDF5 = Buffer.from('MATLAB 7.3 MAT')
const MATLAB_5 = Buffer.from('MATLAB 5.0 MAT-')
const TFLITE = Buffer.from('TFL3')
const TFLITE_AT = 4
const ONNX_TAG_IR_VERSION = 0x08
const ONNX_MAX_IR_VERSION = 64
/** The tags that may come after the version of an ONNX model: texts, numbers, sets of operators and the graph. */
const ONNX_SECOND_TAGS = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72]
/** The number 0x1950a86a20f9469cfc6c, pickled. */
const LEGACY_TORCH = Buffer.from('\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1')
/** The first 16 bytes of the same number in protocol 1, which writes its digits. */
const LEGACY_TORCH_LINE = Buffer.from('L119547037146038')
const PROTO = 0x80
const FRAME = 0x95
/** The first entries of a tar archive of PyTorch 0.1. */
const TAR_NAMES = ['sys_info', 'pickle', 'tensors', 'storages'].map(name => Buffer.from(`${name}\0`, 'latin1'))

/** True for a file of torch.save without zip, by its first 16 bytes. Its pickles may be of protocol 1 to 5. */
export function isLegacyTorch(start: Uint8Array): boolean {
  if (start.length > 0 && LEGACY_TORCH_LINE.equals(start)) return true
  if (start[0] !== PROTO || start[1]! < 2) return false
  const at = start[2] === FRAME ? 11 : 2
  const magic = start.subarray(at, at + LEGACY_TORCH.length)
  return magic.length >= 4 && LEGACY_TORCH.subarray(0, magic.length).equals(magic)
}

/** True for a file that may be a pickle of protocol 2 to 5, or one of joblib. */
export function mayPickle(start: Uint8Array): boolean {
  return start[0] === PROTO && start[1]! >= 2 && start[1]! <= 5
}

/** True for a file of torch.save of PyTorch 0.1, a tar archive. */
export function isTarTorch(start: Uint8Array): boolean {
  return TAR_NAMES.some(name => name.equals(start.subarray(0, name.length)))
}

/** True for a file of HDF5, also as MATLAB writes it, with 512 bytes of its own before. */
export function isHdf5(start: Uint8Array): boolean {
  return [HDF5, MATLAB_HDF5].some(magic => magic.equals(start.subarray(0, magic.length)))
}

/** True for a MAT-file of version 5. */
export function isMatlab5(start: Uint8Array): boolean {
  return MATLAB_5.equals(start.subarray(0, MATLAB_5.length))
}

/** True for a model of TensorFlow Lite. */
export function isTflite(start: Uint8Array): boolean {
  return TFLITE.equals(start.subarray(TFLITE_AT, TFLITE_AT + TFLITE.length))
}

/** True if a file with this start may be an ONNX model. The format has no magic number. */
export function mayOnnx(start: Uint8Array): boolean {
  return start[0] === ONNX_TAG_IR_VERSION && start[1]! > 0 && start[1]! <= ONNX_MAX_IR_VERSION && ONNX_SECOND_TAGS.includes(start[2]!)
}

/** True if a file with this start may be a model of flax: a map of MessagePack, whose first key is a text. */
export function mayFlax(start: Uint8Array): boolean {
  const [first = 0] = start
  const key = (first >= 0x81 && first <= 0x8f ? start[1] : first === 0xde ? start[3] : undefined) ?? 0
  return (key > 0xa0 && key <= 0xbf) || key === 0xd9
}
