import type { ErrorCode } from '../util/errors.ts'
import { AppError, isAppError, messageOf } from '../util/errors.ts'
import type { BlockLayout, BlockRequest, EncodedBlock } from './block.ts'
import { decodeBlock, encodeBlock } from './block.ts'
import { mayNeedZstd } from './codecs.ts'
import type { ZstdCodec, ZstdName } from './load-zstd.ts'
import { loadZstd } from './load-zstd.ts'

/** A message from a pool to a worker. The worker answers each job with one reply. */
export type Job =
  | { kind: 'encode'; plain: Uint8Array; request: BlockRequest }
  | {
      kind: 'decode'
      layout: BlockLayout
      stored: Uint8Array
      base: Uint8Array | undefined
      chunkLengths: readonly number[] | undefined
      /** Shared memory for the result, if it fits. */
      into: Uint8Array | undefined
    }

export interface EncodeResult {
  kind: 'encode'
  block: EncodedBlock
}

export interface DecodeResult {
  kind: 'decode'
  plain: Uint8Array
}

export type JobResult = EncodeResult | DecodeResult

export type Reply = { ok: true; result: JobResult } | { ok: false; error: ErrorMessage }

/** An error in a form that survives a structured clone. `code` is undefined unless it is an AppError. */
export interface ErrorMessage {
  code: ErrorCode | undefined
  message: string
  hint: string | undefined
}

/** `workerData` of a compression worker. */
export interface WorkerSettings {
  prefer: ZstdName | undefined
}

/**
 * Deflate sees no farther back. Up to here it makes most blocks 4 to 10 % smaller than zstd does at its fast levels.
 * It saves a short command the time in which the portable codec is loaded, which is a third of its own.
 */
const DEFLATE_WINDOW_BYTES = 32 * 1024

/** Runs a job in this thread. */
export async function runJob(job: Job, prefer: ZstdName | undefined): Promise<JobResult> {
  const zstd = needsZstd(job) ? await loadZstdIfAny(prefer) : undefined
  if (job.kind === 'encode') return { kind: 'encode', block: encodeBlock(job.plain, job.request, zstd) }
  return { kind: 'decode', plain: decodeBlock(job.layout, job.stored, zstd, job.base, job.chunkLengths) }
}

function needsZstd(job: Job): boolean {
  if (job.kind === 'decode') return job.layout.parts.some(mayNeedZstd)
  return job.request.level === 'max' || job.plain.length > DEFLATE_WINDOW_BYTES
}

/** Undefined if no codec can be loaded. Then deflate replaces zstd, and raw and deflated blocks stay readable. */
export async function loadZstdIfAny(prefer: ZstdName | undefined): Promise<ZstdCodec | undefined> {
  try {
    return await loadZstd(prefer)
  } catch (error) {
    if (isAppError(error, 'unsupported')) return undefined
    throw error
  }
}

export function toErrorMessage(error: unknown): ErrorMessage {
  if (error instanceof AppError) return { code: error.code, message: error.message, hint: error.hint }
  return { code: undefined, message: messageOf(error), hint: undefined }
}

export function fromErrorMessage({ code, message, hint }: ErrorMessage): Error {
  return code === undefined ? new Error(message) : new AppError(code, message, hint === undefined ? {} : { hint })
}

/**
 * Maximum unused bytes around a view that may be transferred. node:zlib returns views with one or two spare bytes;
 * slices of Buffer's shared pool have far more.
 */
const SPARE_BYTES = 64

/** True for shared memory, which is neither copied nor transferred. */
export function isShared(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer
}

/**
 * `bytes`, copied unless they are in shared memory or have their own ArrayBuffer, and the transfer list for posting
 * them to another thread.
 */
export function transferable(bytes: Uint8Array): { bytes: Uint8Array; transfer: ArrayBuffer[] } {
  if (isShared(bytes)) return { bytes, transfer: [] }
  if (bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength - bytes.byteLength <= SPARE_BYTES) {
    return { bytes, transfer: [bytes.buffer] }
  }
  const copy = new Uint8Array(bytes)
  return { bytes: copy, transfer: [copy.buffer] }
}
