/** The size of the kernel's regions: a block of the largest size. */
export const FIELDS_REGION_BYTES = 4 * 1024 * 1024

/** Maximum number of streams of a block. */
export const MAX_STREAMS = 128

export const LINE_FEED = 0x0a
export const CARRIAGE_RETURN = 0x0d
export const QUOTE = 0x22

/**
 * How text is split into streams. `separator` ends a field; `rowEnd` ends a field and a row. `positions` has the
 * number of streams, 1 or more, of each column. Byte i of a field goes to stream i of its column; bytes beyond the last
 * stream go to the last one. Fields beyond the last column count as fields of the last column.
 */
export interface FieldShape {
  /** A byte, neither the row end nor a quote. */
  separator: number
  /** A line feed, or the carriage return of old Macs. */
  rowEnd: typeof LINE_FEED | typeof CARRIAGE_RETURN
  /** The sum is at most `MAX_STREAMS`. */
  positions: readonly number[]
}

/**
 * Splits text into streams that group all bytes of one column, or of one position in the fields of a column. No byte is
 * dropped: separators and row ends go to the stream of the position where they occur, so any bytes can be split and
 * joined again. Between two quotes a separator is an ordinary byte; a row end ends a quoted section. Between calls,
 * an instance keeps only its regions, which are never detached.
 */
export interface FieldsKernel {
  readonly kind: 'webassembly' | 'javascript'
  readonly input: Uint8Array
  readonly output: Uint8Array
  /**
   * Splits input bytes [0, length) into the output, stream by stream. Returns the lengths of the streams, which may be
   * 0.
   */
  split(shape: FieldShape, length: number): number[]
  /** Undoes `split`, given the lengths that it returned. False if the streams can't be its output. */
  join(shape: FieldShape, lengths: readonly number[]): boolean
}

export function assertFieldShape({ separator, rowEnd, positions }: FieldShape): void {
  const streams = positions.reduce((sum, count) => sum + count, 0)
  const possible = separator !== rowEnd && separator !== QUOTE && separator >= 0 && separator <= 255
  if (!possible || positions.length === 0 || !positions.every(count => count >= 1) || streams > MAX_STREAMS) {
    throw new RangeError(`a block of text can't be taken apart at ${separator} into ${positions.join(', ')} streams`)
  }
}

export function assertFieldsFit(length: number): void {
  if (!Number.isInteger(length) || length < 0 || length > FIELDS_REGION_BYTES) {
    throw new RangeError(`${length} bytes can't be in a region of ${FIELDS_REGION_BYTES}`)
  }
}

/** Finds the stream of each byte in turn. */
function streamFinder({ separator, rowEnd, positions }: FieldShape): { readonly stream: number; pass: (byte: number) => void } {
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
      if (byte !== rowEnd && (byte !== separator || quoted)) return
      column = byte === rowEnd ? 0 : Math.min(column + 1, positions.length - 1)
      if (byte === rowEnd) quoted = false
      place = 0
    },
  }
}

/** The TypeScript twin of the WebAssembly kernel. Tests compare the two, and it runs where there is no WebAssembly. */
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

/**
 * The start of each stream in the input of `join`. Throws RangeError for a wrong number of lengths, or too large ones.
 */
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
