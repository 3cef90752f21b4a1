import { findGgmlTensors, isGgml } from '../chunking/layouts/ggml.ts'
import { isGguf, findGgufTensors } from '../chunking/layouts/gguf.ts'
import { isHdf5Behind } from '../chunking/layouts/hdf5-file.ts'
import { isHdf5, isLegacyTorch, isMatlab5, isTarTorch, isTflite, mayFlax, mayOnnx, mayPickle } from '../chunking/layouts/magic.ts'
import { isNpy } from '../chunking/layouts/npy.ts'
import { maySafetensors, readSafetensors } from '../chunking/layouts/safetensors.ts'
import { checkSpans, elementsOf, type TensorSpan } from '../chunking/layouts/span.ts'
import { isTable } from '../chunking/layouts/table.ts'
import { isZip } from '../chunking/layouts/zip.ts'
import { ELEMENT_TYPES } from '../util/element-type.ts'
import { AppError, isAppError } from '../util/errors.ts'
import { formatBytes } from '../util/format-bytes.ts'
import { MAX_POINTER_BYTES, pointerOf } from '../util/pointer-file.ts'
import { decompressed, gatheredFrom, isCompressed } from './compressed-file.ts'
import { readFlaxFile } from './flax-tensors.ts'
import { readHdf5File } from './hdf5-tensors.ts'
import { readMatlabFile } from './matlab-tensors.ts'
import { readNpyFile } from './numpy-tensors.ts'
import { readOnnxFile } from './onnx-tensors.ts'
import { otherKind, otherKindByName } from './other-kinds.ts'
import { mayOldPickle, readPickleFile } from './pickled-tensors.ts'
import { type ByteSource, reasonOf, type Tensor, type TensorFile } from './tensor.ts'
import { mayCheckpointIndex, readCheckpointIndex } from './tf-checkpoint.ts'
import { readTfliteFile } from './tflite-tensors.ts'
import { readLegacyTorchFile } from './torch-tensors.ts'
import { readZip } from './zip-tensors.ts'

const SNIFFED_BYTES = 16
const OPENING_BRACE = 0x7b
/** Compressed blocks begin in any way. */
const CHECKPOINT_INDEX = /\.index$/i
const PICKLE_NAMES = /\.(pkl|pickle|p|joblib)$/i
const DAMAGED_HINT = 'It may be truncated or half written: download or copy it again, or use an older version.'
const HINT =
  'Supported formats: safetensors, PyTorch (.pt, .pth), NumPy (.npy, .npz), pickles and joblib, GGUF, ONNX, HDF5, Keras, MATLAB, TensorFlow Lite and TensorFlow checkpoints.'

/**
 * The tensors of a file, from its headers alone. `subject` names the file in messages. Throws `corrupt` for a damaged
 * file, `unsupported` for one of another kind.
 */
export async function readTensorFile(subject: string, source: ByteSource): Promise<TensorFile> {
  const start = await source.read(0, Math.min(source.size, SNIFFED_BYTES))
  await refusePointer(subject, source)
  try {
    const file = await (await readerOf(subject, start, source))(source)
    const [first] = file.tensors
    // damage to some tensors is told with them
    if (first?.isDamaged && file.tensors.every(tensor => tensor.isDamaged)) throw damaged(subject, first.unread!)
    return { ...file, tensors: withUniqueNames(file.tensors) }
  } catch (error) {
    if (isAppError(error, 'corrupt') && error.hint !== DAMAGED_HINT) throw damaged(subject, reasonOf(error), error.isMissing)
    if (!isAppError(error, 'unsupported') || error.hint !== undefined) throw error
    throw new AppError('unsupported', `${subject} can't be read: ${reasonOf(error)}.`, { hint: HINT })
  }
}

/** Whoever forgot to fetch the large files of a clone has small texts in their place. */
async function refusePointer(subject: string, { size, read }: ByteSource): Promise<void> {
  const pointer = size <= MAX_POINTER_BYTES ? pointerOf(await read(0, size)) : undefined
  if (pointer === undefined) return
  const { program, bytes, command } = pointer
  throw new AppError(
    'unsupported',
    `${subject} is a pointer of ${program}, not the file${bytes === undefined ? '' : ` of ${formatBytes(bytes)}`} that it stands for.`,
    {
      hint: `Run ${command} in the clone that it comes from.`,
    },
  )
}

function damaged(subject: string, why: string, isMissing = false): AppError {
  return new AppError('corrupt', `${subject} is damaged: ${why}`, {
    hint: DAMAGED_HINT,
    isMissing,
  })
}

async function readerOf(
  subject: string,
  start: Uint8Array,
  { size, read }: ByteSource,
): Promise<(source: ByteSource) => Promise<TensorFile>> {
  if ((mayCheckpointIndex(start) || CHECKPOINT_INDEX.test(subject)) && (await isTable(size, read))) return readCheckpointIndex
  if (isZip(start)) return source => readZip(subject, source)
  if (isNpy(start)) return readNpyFile
  if (isGguf(start)) return source => readSpans('GGUF', findGgufTensors, source)
  if (isGgml(start)) return source => readSpans('ggml', findGgmlTensors, source)
  if (maySafetensors(start, size)) return readSafetensorsFile
  if (isLegacyTorch(start)) return readLegacyTorchFile
  const readPickle = (source: ByteSource, found?: () => void): Promise<TensorFile> => readPickleFile(subject, source, found)
  if (mayPickle(start)) return readPickle
  if (isTflite(start)) return readTfliteFile
  if (isHdf5(start)) return readHdf5File
  if (isMatlab5(start)) return readMatlabFile
  if (mayOnnx(start)) return source => readUnlessOther(subject, /\.onnx$/i.test(subject), source, readOnnxFile)
  if (isTarTorch(start))
    throw new AppError('unsupported', `${subject} is a tar archive of PyTorch 0.1.`, {
      hint: 'Load it and save it again with torch.save of a newer PyTorch.',
    })
  if (mayFlax(start)) return source => readUnlessOther(subject, /\.msgpack$/i.test(subject), source, readFlaxFile)
  if (mayOldPickle(start)) return source => readUnlessOther(subject, PICKLE_NAMES.test(subject), source, readPickle)
  if (size > 8 && start[8] === OPENING_BRACE && /\.safetensors$/i.test(subject))
    throw damaged(subject, 'its header is longer than the file')
  if (isCompressed(start)) return source => readCompressed(subject, source)
  const other = otherKind(start)
  if (other === undefined && (await isHdf5Behind(size, read))) return readHdf5File
  throw other === undefined ? unknown(subject) : notRead(subject, other)
}

function notRead(subject: string, { what, cure }: { what: string; cure: string }): AppError {
  return new AppError('unsupported', `${subject} is ${what}.`, { hint: cure })
}

function unknown(subject: string): AppError {
  const other = otherKindByName(subject)
  if (other !== undefined) return notRead(subject, other)
  return new AppError('unsupported', `${subject} is not a file with tensors of a known format.`, { hint: HINT })
}

/** A compressed file is read in memory. One that unpacks to another compressed file is no model. */
async function readCompressed(subject: string, source: ByteSource): Promise<TensorFile> {
  const plain = await decompressed(subject, source)
  const start = await plain.read(0, SNIFFED_BYTES)
  if (isCompressed(start)) throw unknown(subject)
  return gatheredFrom(await (await readerOf(subject, start, plain))(plain), plain)
}

/**
 * ONNX and old pickles have no magic number. What is damaged before the reader has found what only they have may be
 * anything, unless its name says what it is.
 */
async function readUnlessOther(
  subject: string,
  isNamed: boolean,
  source: ByteSource,
  readFile: (source: ByteSource, found: () => void) => Promise<TensorFile>,
): Promise<TensorFile> {
  let isFound = isNamed
  try {
    return await readFile(source, () => (isFound = true))
  } catch (error) {
    throw isFound || !isAppError(error, 'corrupt', 'unsupported') ? error : unknown(subject)
  }
}

/** Names are unique in most files; a repeated name gets a number. */
export function withUniqueNames(tensors: readonly Tensor[]): Tensor[] {
  const times = new Map<string, number>()
  return tensors.map(tensor => {
    let { name } = tensor
    for (let count = times.get(name) ?? 0; count > 0; count = times.get(name) ?? 0) {
      times.set(name, count + 1)
      name = `${name}#${count + 1}`
    }
    times.set(name, 1)
    return name === tensor.name ? tensor : { ...tensor, name }
  })
}

async function readSafetensorsFile({ size, read }: ByteSource): Promise<TensorFile> {
  const { spans, metadata } = await readSafetensors(size, read)
  checkSpans(spans, size)
  return { format: 'safetensors', metadata, tensors: spans.map(tensorOf) }
}

async function readSpans(format: TensorFile['format'], find: typeof findGgufTensors, { size, read }: ByteSource): Promise<TensorFile> {
  const spans = await find(size, read)
  checkSpans(spans, size)
  return { format, metadata: new Map(), tensors: spans.map(tensorOf) }
}

/** For formats that state the name, type and shape of each tensor. */
function tensorOf({ name, dtype = 'unknown', shape = [], offset, length }: TensorSpan): Tensor {
  const type = ELEMENT_TYPES.get(dtype)
  return { name, dtype, shape, count: elementsOf(shape), bytes: length, offset, ...(type === undefined ? {} : { type }) }
}
