const HEAD_BYTES = 8

/**
 * The input that a worker is running, in memory that its starter sees too: a worker that hangs or dies can't tell it.
 */
export class InFlight {
  static readonly MAX_BYTES = 128 * 1024
  readonly memory: SharedArrayBuffer
  private readonly head: Int32Array
  private readonly bytes: Uint8Array

  constructor(memory = new SharedArrayBuffer(HEAD_BYTES + InFlight.MAX_BYTES)) {
    this.memory = memory
    this.head = new Int32Array(memory, 0, 2)
    this.bytes = new Uint8Array(memory, HEAD_BYTES)
  }

  begin(input: Uint8Array): void {
    this.bytes.set(input.subarray(0, InFlight.MAX_BYTES))
    this.head[1] = input.length
    Atomics.add(this.head, 0, 1)
  }

  /** How many inputs have begun. */
  get begun(): number {
    return Atomics.load(this.head, 0)
  }

  get input(): Uint8Array {
    return Uint8Array.from(this.bytes.subarray(0, this.head[1]))
  }
}
