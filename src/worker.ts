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
      const into = job.kind === 'decode' ? job.into : undefined
      const { bytes, transfer } = transferable(into ? inPlaceOf(into, result.plain) : result.plain)
      return { reply: { ok: true, result: { kind: 'decode', plain: bytes } }, transfer }
    }
    const { block } = result
    const { bytes, transfer } = transferable(job.kind === 'encode' ? inPlaceOf(job.plain, block.bytes) : block.bytes)
    return { reply: { ok: true, result: { kind: 'encode', block: { ...block, bytes } } }, transfer }
  } catch (error) {
    return { reply: { ok: false, error: toErrorMessage(error) }, transfer: [] }
  }
}

/** Moves a result into shared memory, if it fits. All threads see it there, and none has to free it. */
function inPlaceOf(shared: Uint8Array, result: Uint8Array): Uint8Array {
  if (!isShared(shared) || isShared(result) || result.length > shared.length) return result
  shared.set(result)
  return shared.subarray(0, result.length)
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
