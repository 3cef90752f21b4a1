/** Bytes of a stream, for decoders that read bits: `more` waits, everything else does not. */
export class ByteFeed {
  /** What is buffered, and the position of the next byte in it. */
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  private readonly source: AsyncIterator<Uint8Array>

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.source = stream[Symbol.asyncIterator]()
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  /** Waits until `count` bytes are buffered, or all that there are. */
  async more(count: number): Promise<void> {
    while (this.left < count) {
      const next = await this.source.next()
      if (next.done === true) return
      this.bytes = this.left === 0 ? next.value : Buffer.concat([this.bytes.subarray(this.at), next.value])
      this.at = 0
    }
  }

  async close(): Promise<void> {
    await this.source.return?.()
  }
}
