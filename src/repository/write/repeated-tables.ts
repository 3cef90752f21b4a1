import { longStrings } from '../../compression/repeats.ts'
import type { BlockContent } from './block-builder.ts'

/** As many strings as a block of 4 MiB has. */
const TABLE_BITS = 16
/** A chunk of which this share repeats is smaller in one block with what it repeats than taken apart into columns. */
const MUCH = 0.4

/**
 * Tells tables that repeat the tables before them, such as dumps of one database in several dialects. Taken apart into
 * columns, and in blocks by their number, they would lose these repeats.
 */
export class RepeatedTables {
  private readonly seen = new Int32Array(1 << TABLE_BITS)
  /** The strings of the chunk before. Rows are often like their neighbours, which columns use too. */
  private before: number[] = []

  /** `content`, but not as a table if much of `bytes` repeats earlier chunks. Time: about 2 ns a byte of tables. */
  classify(bytes: Uint8Array, content: BlockContent): BlockContent {
    if (content.table === undefined) return content
    const strings = longStrings(bytes)
    const repeated = strings.filter(string => this.seen[slotOf(string)] === string).length
    for (const string of this.before) this.seen[slotOf(string)] = string
    this.before = strings
    return repeated > MUCH * strings.length ? { kind: content.kind } : content
  }
}

const slotOf = (string: number): number => Math.imul(string, 0x9e3779b1) >>> (32 - TABLE_BITS)
