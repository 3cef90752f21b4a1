import type { CallKind } from '../../../src/storage/storage.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from '../../../src/storage/storage.ts'
import { AppError } from '../../../src/util/errors.ts'
import { sleep } from '../../../src/util/waiting.ts'
import type { Sleep } from '../../../src/util/waiting.ts'

export interface StoreProfile {
  /** Every call takes this long, give or take the share `jitter`. */
  latencyMs: number
  jitter: number
  /** What a `put` takes on top. */
  creationMs: number
  /** A bucket of `creationBurst` creations, filled at this rate; with an empty one a `put` is `throttled`. */
  creationsPerSecond: number
  creationBurst: number
  bytesPerSecondEach: number
  bytesPerSecondTotal: number
  /** A `list` makes one call for each page. */
  objectsPerPage: number
}

/** Google Drive as seen from a Colab machine. */
export const COLAB_PROFILE: StoreProfile = {
  latencyMs: 120,
  jitter: 0.2,
  creationMs: 350,
  creationsPerSecond: 3,
  creationBurst: 10,
  bytesPerSecondEach: 40e6,
  bytesPerSecondTotal: 100e6,
  objectsPerPage: 1000,
}

/** One call as the store saw it. `began` and `ended` are places in the order of all beginnings and endings. */
interface RecordedCall {
  kind: CallKind
  began: number
  ended: number
}

export interface ModelOptions {
  sleep?: Sleep
  /** ms that only ever grow. */
  now?: () => number
  random?: () => number
}

/**
 * Lets a local store take the time of a remote one and counts what was asked of it. With a `VirtualClock` as `options`
 * no real time passes; give the inner store the same clock for its creation times.
 */
export class ModelledStorage implements Storage {
  readonly location: string
  private readonly inner: Storage
  private readonly profile: StoreProfile
  private readonly sleep: Sleep
  private readonly now: () => number
  private readonly random: () => number
  private creations: number
  private creationsAt: number
  private linkFreeAt: number
  private order = 0
  private recorded: RecordedCall[] = []
  private up = 0
  private down = 0
  private refused = 0

  constructor(inner: Storage, profile: StoreProfile, options: ModelOptions = {}) {
    this.location = inner.location
    this.inner = inner
    this.profile = profile
    this.sleep = options.sleep ?? sleep
    this.now = options.now ?? (() => performance.now())
    this.random = options.random ?? Math.random
    this.creations = profile.creationBurst
    this.creationsAt = this.now()
    this.linkFreeAt = this.creationsAt
  }

  /** Calls that began and ended, failed ones included. */
  get calls(): Record<CallKind, number> {
    const counts = { put: 0, get: 0, list: 0, remove: 0, quota: 0 }
    for (const { kind } of this.recorded) counts[kind]++
    return counts
  }

  get totalCalls(): number {
    return this.recorded.length
  }

  get bytesUp(): number {
    return this.up
  }

  get bytesDown(): number {
    return this.down
  }

  /** How many of the `put`s were throttled. */
  get throttled(): number {
    return this.refused
  }

  /**
   * The most calls of which each began only after the one before had ended: what a program can't do in less than so
   * many round trips' time. Found in the order of events alone, so it does not depend on the profile's numbers unless
   * they change what overlaps.
   */
  longestCallChain(): number {
    return longestChain(this.recorded)
  }

  longestPutChain(): number {
    return longestChain(this.recorded.filter(({ kind }) => kind === 'put'))
  }

  /**
   * Forgets the counts and chains so far, not the throttling: for the next step of a test. No call may be under way.
   */
  resetCounts(): void {
    this.recorded = []
    this.up = this.down = this.refused = 0
  }

  put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    return this.record('put', async () => {
      const latency = this.latency()
      if (!this.takeCreation()) {
        this.refused++
        await this.sleep(latency, options.signal)
        throw new AppError('throttled', `${this.location} takes no more new objects right now.`)
      }
      this.up += bytes.length
      await this.sleep(latency + this.profile.creationMs + this.transfer(bytes.length), options.signal)
      return this.inner.put(name, bytes, options)
    })
  }

  get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    return this.record('get', async () => {
      await this.sleep(this.latency(), options.signal)
      const bytes = await this.inner.get(name, range, options)
      this.down += bytes.length
      await this.sleep(this.transfer(bytes.length), options.signal)
      return bytes
    })
  }

  async list(options: StorageOptions = {}): Promise<Listing> {
    const listing = await this.record('list', async () => {
      const answer = await this.inner.list(options)
      await this.sleep(this.latency(), options.signal)
      return answer
    })
    const pages = Math.ceil(listing.objects.length / this.profile.objectsPerPage)
    for (let page = 1; page < pages; page++) await this.record('list', () => this.sleep(this.latency(), options.signal))
    return listing
  }

  remove(name: string, options: StorageOptions = {}): Promise<void> {
    return this.record('remove', async () => {
      await this.sleep(this.latency(), options.signal)
      await this.inner.remove(name, options)
    })
  }

  quota(options: StorageOptions = {}): Promise<Quota> {
    return this.record('quota', async () => {
      await this.sleep(this.latency(), options.signal)
      return this.inner.quota(options)
    })
  }

  private async record<T>(kind: CallKind, call: () => Promise<T>): Promise<T> {
    const began = this.order++
    try {
      return await call()
    } finally {
      this.recorded.push({ kind, began, ended: this.order++ })
    }
  }

  private latency(): number {
    const { latencyMs, jitter } = this.profile
    return latencyMs * (1 + jitter * (2 * this.random() - 1))
  }

  private takeCreation(): boolean {
    const { creationsPerSecond, creationBurst } = this.profile
    const now = this.now()
    this.creations = Math.min(creationBurst, this.creations + ((now - this.creationsAt) / 1000) * creationsPerSecond)
    this.creationsAt = now
    if (this.creations < 1) return false
    this.creations--
    return true
  }

  /** ms for the bytes at one connection's rate, or until the shared link has sent them after all that came before. */
  private transfer(bytes: number): number {
    const { bytesPerSecondEach, bytesPerSecondTotal } = this.profile
    const now = this.now()
    this.linkFreeAt = Math.max(now, this.linkFreeAt) + (bytes / bytesPerSecondTotal) * 1000
    return Math.max((bytes / bytesPerSecondEach) * 1000, this.linkFreeAt - now)
  }
}

/**
 * Calls ordered by their ending: taking each that begins after the last one taken has ended gives the longest chain.
 */
function longestChain(calls: readonly RecordedCall[]): number {
  let length = 0
  let ended = -1
  for (const call of calls) {
    if (call.began < ended) continue
    length++
    ended = call.ended
  }
  return length
}
