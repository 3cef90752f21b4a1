/** What the kernel's regions hold: a block of the largest size. */
export const FIELDS_REGION_BYTES = 4 * 1024 * 1024

/** Streams of a block, at most. */
export const MAX_STREAMS = 128

export const LINE_FEED = 0x0a
export const QUOTE = 0x22

/**
 * How text is taken apart into streams: `separator` ends a field, a line feed ends a field and a row. `positions` has a number, 1 or more, for each column: the
 * first bytes of the column's fields go to as many streams, each its place in the field, and what follows to the last of these. Fields beyond the last column
 * count as fields of it.
 */
export interface FieldShape {
  /** A byte, neither a line feed nor a quote. */
  separator: number
  /** All together `MAX_STREAMS` at most. */
  positions: readonly number[]
}

/**
 * Takes text apart into streams: all bytes of one column, or of one place in the fields of a column, lie together. Every byte stays, separators and line feeds
 * too, each in the stream of the place where it was met: so any bytes at all can be taken apart and joined again. Between two quotes a separator is a byte as
 * any other; a line feed ends a quoted stretch. An instance holds no state between calls but its regions, which are never detached.
 */
export interface FieldsKernel {
  readonly kind: 'webassembly' | 'javascript'
  readonly input: Uint8Array
  readonly output: Uint8Array
  /** Takes bytes [0, length) of the input apart into the output, stream by stream; returns the lengths of the streams, some of which may be 0. */
  split(shape: FieldShape, length: number): number[]
  /** Undoes `split`, whose lengths must be given. False where the streams can't have come from it. */
  join(shape: FieldShape, lengths: readonly number[]): boolean
}

export function assertFieldShape({ separator, positions }: FieldShape): void {
  const streams = positions.reduce((sum, count) => sum + count, 0)
  const possible = separator !== LINE_FEED && separator !== QUOTE && separator >= 0 && separator <= 255
  if (!possible || positions.length === 0 || !positions.every(count => count >= 1) || streams > MAX_STREAMS) {
    throw new RangeError(`a block of text can't be taken apart at ${separator} into ${positions.join(', ')} streams`)
  }
}

export function assertFieldsFit(length: number): void {
  if (!Number.isInteger(length) || length < 0 || length > FIELDS_REGION_BYTES) {
    throw new RangeError(`${length} bytes can't be in a region of ${FIELDS_REGION_BYTES}`)
  }
}

/** Says for each byte, one after the other, which stream it is part of. */
function streamFinder({ separator, positions }: FieldShape): { readonly stream: number; pass: (byte: number) => void } {
  const firsts = positions.map((_, column) => positions.slice(0, column).reduce((sum, count) => sum + count, 0))
  let column = 0
  let place = 0
  let quoted = false
  return {
    get stream() {
      return firsts[column]! + Math.min(place, positions[column]! - 1)
    },
    pass(byte) {
      place++
      if (byte === QUOTE) quoted = !quoted
      if (byte !== LINE_FEED && (byte !== separator || quoted)) return
      column = byte === LINE_FEED ? 0 : Math.min(column + 1, positions.length - 1)
      if (byte === LINE_FEED) quoted = false
      place = 0
    },
  }
}

/** The plain twin of the WebAssembly kernel: its oracle in tests, and its stand-in where there is no WebAssembly. */
export function javascriptFields(): FieldsKernel {
  const input = new Uint8Array(FIELDS_REGION_BYTES)
  const output = new Uint8Array(FIELDS_REGION_BYTES)
  return {
    kind: 'javascript',
    input,
    output,
    split(shape, length) {
      assertFieldShape(shape)
      assertFieldsFit(length)
      const streams = new Uint8Array(length)
      const lengths = new Array<number>(streamCount(shape)).fill(0)
      const finder = streamFinder(shape)
      for (let i = 0; i < length; i++) {
        streams[i] = finder.stream
        lengths[finder.stream]!++
        finder.pass(input[i]!)
      }
      const next = startsOf(shape, lengths)
      for (let i = 0; i < length; i++) output[next[streams[i]!]!++] = input[i]!
      return lengths
    },
    join(shape, lengths) {
      assertFieldShape(shape)
      const next = startsOf(shape, lengths)
      const ends = next.map((start, stream) => start + lengths[stream]!)
      const finder = streamFinder(shape)
      const total = ends.at(-1)!
      for (let i = 0; i < total; i++) {
        const { stream } = finder
        if (next[stream]! >= ends[stream]!) return false
        const byte = input[next[stream]!++]!
        output[i] = byte
        finder.pass(byte)
      }
      return true
    },
  }
}

export function streamCount({ positions }: FieldShape): number {
  return positions.reduce((sum, count) => sum + count, 0)
}

/** Where each stream begins in the input of `join`. Throws RangeError where the lengths are not those of the shape's streams, or too great. */
export function startsOf(shape: FieldShape, lengths: readonly number[]): number[] {
  if (lengths.length !== streamCount(shape)) throw new RangeError(`${lengths.length} lengths for ${streamCount(shape)} streams`)
  let total = 0
  const starts = lengths.map(length => {
    assertFieldsFit(length)
    return (total += length) - length
  })
  assertFieldsFit(total)
  return starts
}
