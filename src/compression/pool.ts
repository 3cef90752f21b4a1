import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { AppError, messageOf } from '../util/errors.ts'
import type { BlockLayout, BlockRequest, EncodedBlock } from './block.ts'
import type { DecodeResult, EncodeResult, Job, JobResult, Reply, WorkerSettings } from './jobs.ts'
import { fromErrorMessage, isShared, runJob } from './jobs.ts'
import type { ZstdName } from './load-zstd.ts'
import { zstdName } from './load-zstd.ts'

export interface PoolOptions {
  /** Number of threads; 0 runs every job in the calling thread. */
  workers: number
  /** The bundled src/worker.ts; needed unless `workers` is 0. */
  workerUrl?: URL
  /** Forces one of the zstd codecs. By default the best one that this Node has. */
  prefer?: ZstdName
}

/**
 * Maximum heap of a worker. Buffers are outside the heap, but V8 frees them sooner if the heap is small. The portable
 * codec has its own memory and gains nothing from a small heap (docs/memory.md).
 */
const MAX_HEAP_MB: Record<ZstdName, number> = { native: 40, portable: 160 }

interface Task {
  job: Job
  transfer: ArrayBuffer[]
  resolve(result: JobResult): void
  reject(error: unknown): void
}

/**
 * Encodes and decodes blocks in worker threads, in order of submission, one job per thread at a time. Threads start
 * when they are needed. Idle threads do not keep the process alive. Waiting jobs are unlimited: the caller checks
 * `pending`. Always call `close()`.
 */
export class CompressionPool {
  private readonly options: PoolOptions
  private readonly queue: Task[] = []
  private readonly idle: Worker[] = []
  private readonly busy = new Map<Worker, Task>()
  private inline = 0
  private closed = false

  constructor(options: PoolOptions) {
    if (options.workers > 0 && options.workerUrl === undefined) throw new TypeError('a pool with workers needs a workerUrl')
    this.options = options
  }

  /** Number of jobs that run in parallel. */
  get workers(): number {
    return this.options.workers
  }

  /** Jobs that wait or run. */
  get pending(): number {
    return this.queue.length + this.busy.size + this.inline
  }

  /**
   * See `encodeBlock`. Takes ownership of `plain` and the base: a buffer is transferred if its view covers all of it,
   * and must not be used again. Shared memory is read in place, and must not change before this resolves; the result
   * may overwrite a shared `plain`.
   */
  async encode(plain: Uint8Array, request: BlockRequest): Promise<EncodedBlock> {
    const given: ArrayBuffer[] = []
    const give = (bytes: Uint8Array): Uint8Array => {
      if (isShared(bytes)) return bytes
      const owned = ownedOrCopy(bytes)
      given.push(owned.buffer)
      return owned
    }
    const base = request.base && { ...request.base, bytes: give(request.base.bytes) }
    const job: Job = { kind: 'encode', plain: give(plain), request: { ...request, base } }
    const { block } = (await this.run(job, given)) as EncodeResult
    return block
  }

  /**
   * See `decodeBlock`. Takes ownership of `stored` and `base`, as `encode` does. A thread puts the result into the
   * shared memory `into` if it fits, and this returns a view of it.
   */
  async decode(
    layout: BlockLayout,
    stored: Uint8Array,
    base?: Uint8Array,
    chunkLengths?: readonly number[],
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const { filter, parameters, parts } = layout
    const owned = ownedOrCopy(stored)
    const ownedBase = base && ownedOrCopy(base)
    const job: Job = { kind: 'decode', layout: { filter, parameters, parts }, stored: owned, base: ownedBase, chunkLengths, into }
    const { plain } = (await this.run(job, ownedBase ? [owned.buffer, ownedBase.buffer] : [owned.buffer])) as DecodeResult
    return plain
  }

  /** Starts the threads, so that they load their codecs while the caller waits for something else. */
  warmUp(): void {
    while (!this.closed && this.idle.length + this.busy.size < this.options.workers) this.rest(this.start())
  }

  /** Ends the threads. Waiting and running jobs are rejected as `interrupted`. */
  async close(): Promise<void> {
    this.closed = true
    const workers = [...this.idle.splice(0), ...this.busy.keys()]
    const tasks = [...this.busy.values(), ...this.queue.splice(0)]
    this.busy.clear()
    for (const task of tasks) task.reject(closedError())
    await Promise.all(workers.map(endWorker))
  }

  private async run(job: Job, transfer: ArrayBuffer[]): Promise<JobResult> {
    if (this.closed) throw closedError()
    if (this.options.workers <= 0) return this.runInline(job)
    return new Promise((resolve, reject) => {
      this.queue.push({ job, transfer, resolve, reject })
      this.dispatch()
    })
  }

  private async runInline(job: Job): Promise<JobResult> {
    this.inline++
    try {
      // lets the caller's timers and signals run between two jobs
      await nextTurn()
      if (this.closed) throw closedError()
      return await runJob(job, this.options.prefer)
    } finally {
      this.inline--
    }
  }

  private dispatch(): void {
    while (this.queue.length > 0 && (this.idle.length > 0 || this.busy.size < this.options.workers)) {
      const task = this.queue.shift()!
      let worker: Worker | undefined
      try {
        worker = this.idle.pop() ?? this.start()
        worker.postMessage(task.job, task.transfer)
      } catch (error) {
        // for example because a buffer of the job was already transferred
        if (worker !== undefined) this.rest(worker)
        task.reject(error)
        continue
      }
      worker.ref()
      this.busy.set(worker, task)
    }
  }

  private start(): Worker {
    const workerData: WorkerSettings = { prefer: this.options.prefer }
    const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MB[zstdName(this.options.prefer)] }
    const worker = new Worker(this.options.workerUrl!, { workerData, resourceLimits })
    worker.on('message', (reply: Reply) => this.finish(worker, reply))
    worker.on('error', error => this.lose(worker, messageOf(error)))
    worker.on('messageerror', error => this.lose(worker, messageOf(error)))
    worker.on('exit', code => this.lose(worker, `it exited with code ${code}`))
    return worker
  }

  private finish(worker: Worker, reply: Reply): void {
    const task = this.busy.get(worker)
    if (task === undefined) return
    this.busy.delete(worker)
    this.rest(worker)
    if (reply.ok) task.resolve(reply.result)
    else task.reject(fromErrorMessage(reply.error))
    this.dispatch()
  }

  /** The job of a failed worker fails too. The next job starts a new worker. */
  private lose(worker: Worker, why: string): void {
    const task = this.busy.get(worker)
    const idleAt = this.idle.indexOf(worker)
    this.busy.delete(worker)
    if (idleAt >= 0) this.idle.splice(idleAt, 1)
    task?.reject(lostError(why))
    void worker.terminate()
    this.dispatch()
  }

  private rest(worker: Worker): void {
    worker.unref()
    this.idle.push(worker)
  }
}

async function endWorker(worker: Worker): Promise<void> {
  // an idle worker is unreferenced: without this the process could end while the caller still waits
  worker.ref()
  await worker.terminate()
}

function ownedOrCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) return bytes as Uint8Array<ArrayBuffer>
  return new Uint8Array(bytes)
}

function closedError(): AppError {
  return new AppError('interrupted', 'Interrupted.', { hint: 'Run the same command again: it continues where it stopped.' })
}

function lostError(why: string): AppError {
  return new AppError('io', `A compression thread ended unexpectedly: ${why}.`, {
    hint: 'Run the same command again: it continues where it stopped.',
  })
}
