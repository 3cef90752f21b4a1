/*
 * The inner loops of chunking, byte planes and tables, in AssemblyScript (`assembly/`) and as TypeScript twins that
 * give the same bytes. It does not know files, formats or policies.
 */

import { createHash } from 'node:crypto'

/*
 * FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking. These numbers and the gear table decide where files
 * are cut, and so which chunks two versions share. If any of them changes, pushes share no chunk with older versions.
 */
export const MIN_CHUNK = 16 * 1024
const AVERAGE_CHUNK = 64 * 1024
export const MAX_CHUNK = 256 * 1024
/**
 * Number of top hash bits that must be zero for a cut, before and after the average size: log2(average) + 2 and - 2.
 */
const STRICT_BITS = 18
const LOOSE_BITS = 14

/** Size of a kernel's window of file data in bytes. */
export const WINDOW_BYTES = 8 * 1024 * 1024
/** Maximum number of cuts per call: all chunks but the last are longer than the minimum. */
const MAX_CUTS = WINDOW_BYTES / MIN_CHUNK + 1

/** Finds the cuts in a fixed window of memory. Between calls, an instance keeps only the contents of its window. */
export interface FastCdcKernel {
  readonly kind: 'webassembly' | 'javascript'
  /** `WINDOW_BYTES` bytes to read file data into. Never detached. */
  readonly window: Uint8Array
  /** The ends (exclusive, relative to the window) of the chunks found by the last call. */
  readonly cuts: Uint32Array
  /**
   * Cuts the window's bytes [start, end), where a chunk begins at `start`. Fills `cuts` and returns their number. If
   * `final`, the last cut is `end`. Otherwise the bytes after the last cut (fewer than `MAX_CHUNK`) wait for more data.
   * An empty range has no cuts.
   */
  findCuts(start: number, end: number, final: boolean): number
}

/**
 * 256 random-looking 32-bit numbers: the first 4 bytes (little-endian) of the digests of `colab-escape gear <i>`. They
 * are signed because engines add signed numbers fastest.
 */
export function gearTableOf(digest: (text: string) => Buffer): Int32Array {
  return Int32Array.from({ length: 256 }, (_, i) => digest(`colab-escape gear ${i}`).readInt32LE(0))
}

let gear: Int32Array | undefined

/** The table of all repositories that are not encrypted. It must never change. Its digest is SHA-256. */
export function gearTable(): Int32Array {
  gear ??= gearTableOf(text => createHash('sha256').update(text).digest())
  return gear
}

/**
 * The end (exclusive) of the chunk that begins at `start`, at most `end`. 0 if more bytes are needed: fewer than
 * `MAX_CHUNK` are there, and they are not `final`. A cut follows the byte that makes the top bits of the hash zero.
 * Needs start < end. `table`: the gear table.
 */
export function findCut(bytes: Uint8Array, start: number, end: number, final: boolean, table = gearTable()): number {
  const size = end - start
  if (size < MAX_CHUNK && !final) return 0
  if (size <= MIN_CHUNK) return end
  const last = Math.min(start + MAX_CHUNK, end)
  const middle = Math.min(start + AVERAGE_CHUNK, last)
  let fp = 0
  let position = start + MIN_CHUNK
  for (; position < middle; position++) {
    fp = ((fp << 1) + table[bytes[position]!]!) | 0
    if (fp >>> (32 - STRICT_BITS) === 0) return position + 1
  }
  for (; position < last; position++) {
    fp = ((fp << 1) + table[bytes[position]!]!) | 0
    if (fp >>> (32 - LOOSE_BITS) === 0) return position + 1
  }
  return last
}

/** The TypeScript twin of the WebAssembly kernel. Tests compare the two, and it runs where there is no WebAssembly. */
export function javascriptFastCdc(table = gearTable()): FastCdcKernel {
  const window = new Uint8Array(WINDOW_BYTES)
  const cuts = new Uint32Array(MAX_CUTS)
  return {
    kind: 'javascript',
    window,
    cuts,
    findCuts(start, end, final) {
      let count = 0
      for (let from = start; from < end; count++) {
        from = findCut(window, from, end, final, table)
        if (from === 0) break
        cuts[count] = from
      }
      return count
    },
  }
}
