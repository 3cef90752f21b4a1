import { parentPort, workerData } from 'node:worker_threads'
import type { Job, Reply, WorkerSettings } from './compression/jobs.ts'
import { loadZstdIfAny, runJob, toErrorMessage, transferable } from './compression/jobs.ts'
import { freeUnusedBuffers } from './util/unused-memory.ts'

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
    const { bytes, transfer } = transferable(result.bytes)
    return { reply: { ok: true, result: { ...result, bytes } }, transfer }
  } catch (error) {
    return { reply: { ok: false, error: toErrorMessage(error) }, transfer: [] }
  }
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
