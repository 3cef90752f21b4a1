import type { CallKind } from '../../../src/storage/storage.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from '../../../src/storage/storage.ts'
import { AppError } from '../../../src/util/errors.ts'
import type { ErrorCode } from '../../../src/util/errors.ts'
import { sleep } from '../../../src/util/waiting.ts'
import type { Sleep } from '../../../src/util/waiting.ts'

export interface PlannedCall {
  kind: CallKind
  /** Empty for `list` and `quota`. */
  name: string
  /** Calls of this kind so far, this one included. */
  nth: number
  /** Calls of all kinds so far, this one included. */
  total: number
}

export type Fault =
  /** Nothing happens to the store; the caller sees this error. */
  | { fault: 'error'; code: ErrorCode; retryAfterMs?: number }
  /** The call takes effect; the caller sees `unavailable`, as when the answer is lost. */
  | { fault: 'lost-answer' }
  /** A `get` returns only its first `keep` bytes. */
  | { fault: 'truncate'; keep: number }
  /** A `get` returns its bytes with one bit inverted: bit 0 is the lowest of the first byte. */
  | { fault: 'flip'; bit: number }
  | { fault: 'delay'; ms: number }
  /** A `list` leaves these objects out, as a listing that lags does. */
  | { fault: 'hide'; hides: (name: string) => boolean }

export type FaultPlan = (call: PlannedCall) => Fault | undefined

const APPLIES: Record<Fault['fault'], readonly CallKind[]> = {
  error: ['put', 'get', 'list', 'remove', 'quota'],
  'lost-answer': ['put', 'remove'],
  truncate: ['get'],
  flip: ['get'],
  delay: ['put', 'get', 'list', 'remove', 'quota'],
  hide: ['list'],
}

/** Goes wrong where `plan` says so. A fault that can't happen to its call is a mistake in the plan: a `TypeError`. */
export class FaultyStorage implements Storage {
  readonly location: string
  private readonly inner: Storage
  private readonly plan: FaultPlan
  private readonly sleep: Sleep
  private readonly counts = new Map<CallKind, number>()
  private total = 0

  constructor(inner: Storage, plan: FaultPlan, options: { sleep?: Sleep } = {}) {
    this.location = inner.location
    this.inner = inner
    this.plan = plan
    this.sleep = options.sleep ?? sleep
  }

  async put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    const fault = await this.before('put', name, options)
    return this.answer(fault, await this.inner.put(name, bytes, options))
  }

  async get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    const fault = await this.before('get', name, options)
    const bytes = await this.inner.get(name, range, options)
    if (fault?.fault === 'truncate') return bytes.slice(0, fault.keep)
    if (fault?.fault === 'flip') flip(bytes, fault.bit)
    return bytes
  }

  async list(options: StorageOptions = {}): Promise<Listing> {
    const fault = await this.before('list', '', options)
    const { asOf, objects } = await this.inner.list(options)
    return { asOf, objects: fault?.fault === 'hide' ? objects.filter(({ name }) => !fault.hides(name)) : objects }
  }

  async remove(name: string, options: StorageOptions = {}): Promise<void> {
    const fault = await this.before('remove', name, options)
    return this.answer(fault, await this.inner.remove(name, options))
  }

  async quota(options: StorageOptions = {}): Promise<Quota> {
    await this.before('quota', '', options)
    return this.inner.quota(options)
  }

  private async before(kind: CallKind, name: string, { signal }: StorageOptions): Promise<Fault | undefined> {
    const nth = (this.counts.get(kind) ?? 0) + 1
    this.counts.set(kind, nth)
    const fault = this.plan({ kind, name, nth, total: ++this.total })
    if (fault === undefined) return undefined
    if (!APPLIES[fault.fault].includes(kind)) throw new TypeError(`the fault ${fault.fault} can't happen to a ${kind}`)
    if (fault.fault === 'error') {
      const { code, retryAfterMs } = fault
      throw new AppError(code, `A planned fault: ${kind} ${name} (${code}).`, retryAfterMs === undefined ? {} : { retryAfterMs })
    }
    if (fault.fault === 'delay') await this.sleep(fault.ms, signal)
    return fault
  }

  private answer<T>(fault: Fault | undefined, answer: T): T {
    if (fault?.fault === 'lost-answer') throw new AppError('unavailable', 'A planned fault: the answer was lost.')
    return answer
  }
}

function flip(bytes: Uint8Array, bit: number): void {
  const index = bit >>> 3
  if (index >= bytes.length) throw new TypeError(`there is no bit ${bit} in ${bytes.length} bytes`)
  bytes[index]! ^= 1 << (bit & 7)
}
