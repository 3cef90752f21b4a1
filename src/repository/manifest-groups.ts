import { crc32 } from 'node:zlib'
import { encodeRows, type Entry } from './manifest.ts'

/** Groups of a manifest, about: each is a chunk or more, and the snapshot names them all. */
const GROUPS = 16
const MIN_ENTRIES = 8
const PIECE_CHARACTERS = 256 * 1024

/** A part of a manifest's bytes; `last` of its group. */
export interface ManifestPiece {
  bytes: Buffer
  last: boolean
}

/**
 * The rows of a manifest in groups that are to be cut into chunks each by itself. Where one ends depends on the paths alone, so that a file more, or a changed one,
 * costs the next version a group of rows: far less than a chunk of the usual size, which in a manifest holds many hundred rows.
 */
export function* groupRows(entries: readonly Entry[]): Generator<ManifestPiece> {
  const share = entries.length / GROUPS
  const mask = 2 ** Math.ceil(Math.log2(Math.max(MIN_ENTRIES, share))) - 1
  let text = ''
  for (const [i, entry] of entries.entries()) {
    for (const row of encodeRows(entry)) {
      text += row
      if (text.length < PIECE_CHARACTERS) continue
      yield { bytes: Buffer.from(text, 'utf8'), last: false }
      text = ''
    }
    const next = entries[i + 1]
    if (next && (crc32(next.path) & mask) !== 0) continue
    yield { bytes: Buffer.from(text, 'utf8'), last: true }
    text = ''
  }
}
