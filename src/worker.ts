/*
 * The thread that encodes and decodes blocks. It answers jobs and knows only `compression`.
 */

import { parentPort, workerData } from 'node:worker_threads'
import type { BlockLayout } from './compression/block.ts'
import type { Job, Reply, WorkerSettings } from './compression/jobs.ts'
import { isShared, loadZstdIfAny, runJob, toErrorMessage, transferable } from './compression/jobs.ts'
import { freeUnusedBuffers } from './util/memory/unused-memory.ts'

const { prefer } = workerData as WorkerSettings
// loads the codec before the first job, which loads it again and reports an error
loadZstdIfAny(prefer).catch(() => undefined)

async function answer(job: Job): Promise<{ reply: Reply; transfer: ArrayBuffer[] }> {
  try {
    const result = await runJob(job, prefer)
    if (result.kind === 'decode') {
      const { bytes, transfer } = transferable(result.plain)
      return { reply: { ok: true, result: { kind: 'decode', plain: bytes } }, transfer }
    }
    const { block } = result
    const { bytes, transfer } = transferable(job.kind === 'encode' ? inPlaceOf(job.plain, block.bytes) : block.bytes)
    return { reply: { ok: true, result: { kind: 'encode', block: { ...block, bytes } } }, transfer }
  } catch (error) {
    return { reply: { ok: false, error: toErrorMessage(error) }, transfer: [] }
  }
}

/**
 * Overwrites the plain bytes in shared memory with the encoded bytes, which are never longer. All threads see them
 * there, and none has to free them.
 */
function inPlaceOf(plain: Uint8Array, encoded: Uint8Array): Uint8Array {
  if (!isShared(plain) || isShared(encoded)) return encoded
  plain.set(encoded)
  return plain.subarray(0, encoded.length)
}

function plainLengthOf({ parts }: BlockLayout): number {
  return parts.reduce((sum, { plainLength }) => sum + plainLength, 0)
}

// also answers a message that can't be read; otherwise the pool would wait forever
parentPort?.on('messageerror', error => {
  parentPort?.postMessage({ ok: false, error: toErrorMessage(error) } satisfies Reply)
})
parentPort?.on('message', (job: Job) => {
  void answer(job).then(({ reply, transfer }) => {
    parentPort?.postMessage(reply, transfer)
    freeUnusedBuffers(job.kind === 'encode' ? job.plain.length : plainLengthOf(job.layout))
  })
})
