import { pipeline, Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { bunzip2 } from '../archive/zip/bunzip2.ts'
import { ZipEntryError } from '../archive/zip/entry-error.ts'
import { AppError, isAppError } from '../util/errors.ts'
import { openElements } from './element-reader.ts'
import { type ByteSource, mostHeld, type Tensor, type TensorFile } from './tensor.ts'

/** Bytes per read. */
const STEP_BYTES = 1024 * 1024
const START_BYTES = 16
const UNPACK = 'Decompress it first. For a file of joblib: load it, and dump it with compress=0.'
const ZLIB_LEVELS = [0x01, 0x5e, 0x9c, 0xda]

/** What follows `BZh` and the level: a block, or the end of a stream without blocks. */
const BZIP2_START = /^425a683[1-9](314159265359|177245385090)/

/** True for a file with this start that is compressed as gzip, zlib or bzip2 do, which joblib writes as well. */
export function isCompressed(start: Uint8Array): boolean {
  return (start[0] === 0x1f && start[1] === 0x8b && start[2] === 8) || isZlib(start) || isBzip2(start)
}

const isZlib = (start: Uint8Array): boolean => start[0] === 0x78 && ZLIB_LEVELS.includes(start[1]!)
const isBzip2 = (start: Uint8Array): boolean => BZIP2_START.test(Buffer.from(start).toString('hex'))

/**
 * The plain bytes of a compressed file, in memory. Throws `unsupported` if they are too many for its length, `corrupt`.
 * Time and memory: linear in its length, and at most 512 MiB.
 */
export async function decompressed(subject: string, source: ByteSource): Promise<ByteSource> {
  const most = mostHeld(source.size)
  const pieces: Uint8Array[] = []
  let size = 0
  const start = await source.read(0, START_BYTES)
  try {
    for await (const piece of isBzip2(start) ? bunzip2(piecesOf(source)) : inflated(source)) {
      pieces.push(Uint8Array.from(piece))
      size += piece.length
      if (size > most)
        throw new AppError('unsupported', `${subject} is compressed, and unpacks to more than the ${most} bytes that are held in memory.`, {
          hint: UNPACK,
        })
    }
  } catch (error) {
    if (isAppError(error)) throw error
    const damaged = error instanceof ZipEntryError ? `: ${error.message}` : ': its compressed bytes are cut short or wrong'
    // a file of another kind may begin like one
    if (size === 0)
      throw new AppError('unsupported', `${subject} seems to be compressed (${kindOf(start)}), and can't be unpacked.`, {
        hint: UNPACK,
        cause: error,
      })
    throw new AppError('corrupt', `${subject} is damaged${damaged}`, { cause: error })
  }
  const plain = Buffer.concat(pieces)
  return { size, read: (offset, length) => Promise.resolve(plain.subarray(offset, offset + length)) }
}

function kindOf(start: Uint8Array): string {
  return isBzip2(start) ? 'bzip2' : isZlib(start) ? 'zlib' : 'gzip'
}

function inflated(source: ByteSource): AsyncIterable<Uint8Array> {
  const inflater = zlib.createUnzip({ chunkSize: STEP_BYTES })
  // the error of either stream is thrown by the reader of the second
  pipeline(Readable.from(piecesOf(source)), inflater, () => undefined)
  return inflater as AsyncIterable<Uint8Array>
}

async function* piecesOf({ size, read }: ByteSource): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < size; offset += STEP_BYTES) yield await read(offset, Math.min(STEP_BYTES, size - offset))
}

/** The file as one whose tensors are read from these plain bytes. */
export function gatheredFrom(file: TensorFile, plain: ByteSource): TensorFile {
  return { ...file, tensors: file.tensors.map(tensor => gathered(tensor, plain)) }
}

function gathered(tensor: Tensor, plain: ByteSource): Tensor {
  if (tensor.unread !== undefined || tensor.numbers !== undefined) return tensor
  const { name, dtype, shape, count, bytes, type, sharedWith } = tensor
  return {
    ...{ name, dtype, shape, count, bytes, offset: 0 },
    ...(type === undefined ? {} : { type }),
    ...(sharedWith === undefined ? {} : { sharedWith }),
    async gather() {
      const reader = await openElements(name, tensor, plain)
      return reader.read(0, reader.count)
    },
  }
}
