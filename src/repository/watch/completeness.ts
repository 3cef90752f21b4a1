import { open } from 'node:fs/promises'
import { findGgufTensors, isGguf } from '../../chunking/layouts/gguf.ts'
import { isHdf5 } from '../../chunking/layouts/magic.ts'
import { findNpyTensors, isNpy } from '../../chunking/layouts/npy.ts'
import { findSafetensors } from '../../chunking/layouts/safetensors.ts'
import type { ReadAt } from '../../chunking/layouts/span.ts'
import { checkZipEnd, isZip } from '../../chunking/layouts/zip.ts'
import { AS_LISTED, readAt } from '../../local/read-at.ts'
import { isAppError } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'

/** Safetensors headers above this are not parsed. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024
/** The safetensors library refuses longer headers. */
const HEADER_LIMIT_BYTES = 100_000_000

/** Containers by extension. A file that does not begin like its container is not finished. */
const CONTAINERS: Readonly<Record<string, string>> = { npz: 'zip', zip: 'zip', keras: 'zip', npy: 'npy', safetensors: 'safetensors' }
/** Files with these extensions are unfinished when they are empty. How they begin differs from program to program. */
const NEVER_EMPTY = [
  'pt',
  'pth',
  'ckpt',
  'bin',
  'gguf',
  'h5',
  'hdf5',
  'pkl',
  'joblib',
  'onnx',
  'tar',
  'gz',
  'zst',
  ...Object.keys(CONTAINERS),
]

/**
 * Why a file can't be finished, by the length that its container states; undefined if it may be finished. Throws the
 * errors of `read`.
 */
async function whyIncomplete(path: string, size: number, read: ReadAt): Promise<string | undefined> {
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ''
  if (size === 0) return NEVER_EMPTY.includes(extension) ? 'it is empty' : undefined
  const start = await read(0, Math.min(size, 64))
  const found = containerOf(start)
  const expected = Object.hasOwn(CONTAINERS, extension) ? CONTAINERS[extension] : undefined
  if (expected !== undefined && expected !== 'safetensors' && found !== expected) return `it does not begin as a .${extension} file does`
  try {
    return await reasons[expected ?? found ?? 'other']!(size, read, Buffer.from(start))
  } catch (error) {
    if (isAppError(error, 'corrupt')) return 'it is shorter than its container states'
    if (isAppError(error, 'unsupported')) return undefined
    throw error
  }
}

/** Why a local file can't be finished; undefined if it may be. */
export async function whyFileIncomplete(localPath: string, size: number): Promise<string | undefined> {
  const file = await open(fsPath(localPath), AS_LISTED)
  try {
    return await whyIncomplete(localPath, size, (offset, length) => readAt(file, offset, length))
  } finally {
    await file.close()
  }
}

type Reason = (size: number, read: ReadAt, start: Buffer) => Promise<string | undefined>

const reasons: Readonly<Record<string, Reason>> = {
  other: () => Promise.resolve(undefined),
  zip: async (size, read) => void (await checkZipEnd(size, read)),
  npy: async (size, read) => void (await findNpyTensors(size, read)),
  safetensors: safetensorsReason,
  gguf: async (size, read) => void (await findGgufTensors(size, read)),
  hdf5: (size, _, start) => Promise.resolve(hdf5Reason(size, start)),
}

function containerOf(start: Uint8Array): string | undefined {
  if (isZip(start)) return 'zip'
  if (isNpy(start)) return 'npy'
  if (isGguf(start)) return 'gguf'
  return isHdf5(start) ? 'hdf5' : undefined
}

async function safetensorsReason(size: number, read: ReadAt, start: Buffer): Promise<string | undefined> {
  if (start.length < 8) return 'its header is not complete'
  const header = Number(start.readBigUInt64LE())
  if (header > HEADER_LIMIT_BYTES || 8 + header > size) return 'its header is not complete'
  if (header <= MAX_HEADER_BYTES) await findSafetensors(size, read)
  return undefined
}

/** The superblock states where the file ends and, from version 3 on, whether a program has it open for writing. */
function hdf5Reason(size: number, start: Buffer): string | undefined {
  const version = start[8]!
  const wide = start[version < 2 ? 13 : 9] === 8
  const at = version === 0 ? 40 : version === 1 ? 44 : 28
  if (version > 3 || !wide || start.length < at + 8) return start.length < 48 ? 'its header is not complete' : undefined
  if (version === 3 && (start[11]! & 1) === 1) return 'a program has it open for writing'
  return Number(start.readBigUInt64LE(at)) > size ? 'it is shorter than its container states' : undefined
}
