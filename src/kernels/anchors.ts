import { gearTable } from './fastcdc.ts'

/** Bytes that a kernel takes at once. */
export const ANCHORS_INPUT_BYTES = 1024 * 1024

/**
 * Finds anchors: places in bytes that depend only on the 32 bytes that end there, so equal strings have equal anchors
 * wherever they lie. The hash of a place is the gear hash of chunking (fastcdc.ts), which holds the last 32 bytes.
 * Between calls, an instance keeps only its regions, which are never detached.
 */
export interface AnchorsKernel {
  readonly kind: 'webassembly' | 'javascript'
  /** `ANCHORS_INPUT_BYTES` bytes. */
  readonly input: Uint8Array
  /** The anchors that the last call found: for each its place in the input, then its hash. */
  readonly anchors: Uint32Array
  /**
   * Finds the places in the input's first `length` bytes where the top `bits` (1 to 31) bits of the hash are zero.
   * `before` is the hash that the call for the bytes before returned, or 0. Returns how many there are, and the hash at
   * the end.
   */
  find(length: number, before: number, bits: number): { count: number; hash: number }
}

export function assertAnchorsFit(length: number, bits: number): void {
  if (length > ANCHORS_INPUT_BYTES || bits < 1 || bits > 31) throw new RangeError(`no anchors of ${bits} bits in ${length} bytes`)
}

/** The TypeScript twin of the WebAssembly kernel. Tests compare the two, and it runs where there is no WebAssembly. */
export function javascriptAnchors(): AnchorsKernel {
  const input = new Uint8Array(ANCHORS_INPUT_BYTES)
  const anchors = new Uint32Array(2 * ANCHORS_INPUT_BYTES)
  return {
    kind: 'javascript',
    input,
    anchors,
    find(length, before, bits) {
      assertAnchorsFit(length, bits)
      const gear = gearTable()
      let hash = before | 0
      let end = 0
      for (let at = 0; at < length; at++) {
        hash = ((hash << 1) + gear[input[at]!]!) | 0
        if (hash >>> (32 - bits) !== 0) continue
        anchors[end++] = at
        anchors[end++] = hash
      }
      return { count: end / 2, hash: hash >>> 0 }
    },
  }
}
