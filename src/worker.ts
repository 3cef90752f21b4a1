/*
 * The thread that encodes and decodes blocks. It answers jobs and knows nothing but `compression`.
 */

import { parentPort, workerData } from 'node:worker_threads'
import type { Job, Reply, WorkerSettings } from './compression/jobs.ts'
import { isShared, loadZstdIfAny, runJob, toErrorMessage, transferable } from './compression/jobs.ts'
import { freeUnusedBuffers } from './util/memory/unused-memory.ts'

const { prefer } = workerData as WorkerSettings
// ready for the first job, which asks again and is told what is wrong
loadZstdIfAny(prefer).catch(() => undefined)

async function answer(job: Job): Promise<{ reply: Reply; transfer: ArrayBuffer[] }> {
  try {
    const result = await runJob(job, prefer)
    if (result instanceof Uint8Array) {
      const { bytes, transfer } = transferable(result)
      return { reply: { ok: true, result: bytes }, transfer }
    }
    const { bytes, transfer } = transferable(job.kind === 'encode' ? inPlaceOf(job.plain, result.bytes) : result.bytes)
    return { reply: { ok: true, result: { ...result, bytes } }, transfer }
  } catch (error) {
    return { reply: { ok: false, error: toErrorMessage(error) }, transfer: [] }
  }
}

/** In shared memory the encoded bytes, which are never more, take the place of the plain ones: so all threads have them, and none has to free them. */
function inPlaceOf(plain: Uint8Array, encoded: Uint8Array): Uint8Array {
  if (!isShared(plain) || isShared(encoded)) return encoded
  plain.set(encoded)
  return plain.subarray(0, encoded.length)
}

// what cannot be read must be answered too, or the pool would wait for ever
parentPort?.on('messageerror', error => {
  parentPort?.postMessage({ ok: false, error: toErrorMessage(error) } satisfies Reply)
})
parentPort?.on('message', (job: Job) => {
  void answer(job).then(({ reply, transfer }) => {
    parentPort?.postMessage(reply, transfer)
    freeUnusedBuffers()
  })
})
