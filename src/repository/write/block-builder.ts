import { type GuessedNumbers, guessNumbers } from '../../chunking/layouts/guess-width.ts'
import { type BlockBase, type BlockKind, type BlockRequest, type Matrix, mayBeLong } from '../../compression/block.ts'
import { hasSigns } from '../../compression/filters.ts'
import { findTable, type Table } from '../../compression/find-table.ts'
import { RegularStrings } from '../../compression/likeness.ts'
import type { Level } from '../../compression/limits.ts'
import { sampledRepeats } from '../../compression/sample.ts'
import { type ElementType, recordLength } from '../../util/element-type.ts'
import type { SharedBuffers } from '../../util/memory/shared-buffers.ts'
import type { ChunkBases } from '../format/directory.ts'
import { MAX_BLOCK_CHUNKS } from '../format/limits.ts'

/** The bases of a chunk, with their bytes one after the other. */
export interface OfferedBase extends BlockBase, ChunkBases {}

/** How a chunk that is part of a tensor may be encoded. */
interface TensorForm {
  element: ElementType
  /** Of records: bytes from the beginning of one to that of the chunk. */
  offset?: number
  rows?: RowsOfTensor | undefined
  base?: OfferedBase | undefined
}

/** How the elements of a tensor follow each other in rows. */
export interface RowsOfTensor {
  /** Elements of a row. */
  columns: number
  /** Elements of the tensor before the chunk. */
  before: number
}

/** How a chunk may be encoded. All chunks of a block share it. */
export interface BlockContent {
  kind: BlockKind
  table?: Table | undefined
  numbers?: GuessedNumbers | undefined
  tensor?: TensorForm | undefined
}

/** A smaller chunk gains more from a block with its neighbours than from a block of tables or numbers. */
const MIN_OWN_BYTES = 16 * 1024
/** Numbers go into blocks of planes if these save such a share, or if so few short strings repeat. */
const LARGE_GAIN = 0.25
const FEW_REPEATS = 0.3

/** Classifies a chunk that is not part of a known tensor: compressed already, a table, numbers, or anything else. */
export function classifyContent(bytes: Uint8Array, isCompressed: boolean): BlockContent {
  if (isCompressed) return { kind: 'compressed' }
  if (bytes.length < MIN_OWN_BYTES) return { kind: 'general' }
  const table = findTable(bytes)
  if (table) return { kind: 'general', table }
  const numbers = guessNumbers(bytes)
  return numbers && gainsFromPlanes(bytes, numbers) ? { kind: 'general', numbers } : { kind: 'general' }
}

/** Content that repeats, such as a program, is mostly smaller in one with its neighbours. */
function gainsFromPlanes(bytes: Uint8Array, { gain }: GuessedNumbers): boolean {
  return gain > LARGE_GAIN || sampledRepeats(bytes) < FEW_REPEATS
}

/**
 * Chunks with the same key share blocks. All chunks of a block with bases have the same depth, which is greater than
 * the depth of their bases. So two blocks never need each other.
 */
export function blockKeyOf(bytes: Uint8Array, { kind, table, numbers, tensor }: BlockContent): string {
  if (table) return `table ${table.rowEnd} ${table.separator} ${table.columns}`
  if (numbers) return `numbers ${numbers.width}`
  if (tensor === undefined) return kind
  const { element, base } = tensor
  const { width, kind: type, dtype = '', record } = element
  // floats without signs, such as averages of squares, differ from floats with signs in their exponents and in how they
  // change
  const signed = type === 'float' && hasSigns(bytes, width) ? 'signed' : ''
  const predicted = base === undefined ? '' : `${base.relation} ${base.depth}`
  const fields = record === undefined ? '' : record.map(field => `${field.width}x${field.count}${field.kind}`).join(' ')
  return `${width} ${type} ${dtype} ${signed} ${predicted} ${fields}`
}

/** Bytes from one element to the next. */
const elementLength = ({ element }: TensorForm): number => (element.record ? recordLength(element.record) : element.width)

/** Where in a chunk the first whole record begins. */
function startOfRecords(tensor: TensorForm | undefined): number {
  if (!tensor?.element.record) return 0
  const length = elementLength(tensor)
  return (length - ((tensor.offset ?? 0) % length)) % length
}

/** Buffers that a block of such chunks holds: one for the chunks, and one for their bases if they have any. */
export const buffersFor = ({ tensor }: BlockContent): number => (tensor?.base ? 2 : 1)

/** A full block becomes longer if the next one repeats so much of it. */
const MUCH_REPEATS = 0.05

/** Used again, as buffers are. */
const spareStrings: RegularStrings[] = []

/** A block being filled. */
export class BlockBuilder {
  /** Blocks are numbered in the order in which they are begun. */
  readonly number: number
  readonly ids: Uint8Array[] = []
  readonly lengths: number[] = []
  readonly bases = new Map<number, ChunkBases>()
  private readonly content: BlockContent
  private readonly element: ElementType | undefined
  private readonly relation: BlockBase['relation'] | undefined
  private buffers: SharedBuffers
  private plain: Uint8Array
  private long = false
  private strings: RegularStrings | undefined
  private readonly basePlain: Uint8Array | undefined
  /** Plain bytes in the block, at most. */
  private readonly capacity: number
  private used = 0
  private baseUsed = 0
  private readonly matrices: Matrix[] = []
  /** The byte of the block where its first whole number or record begins. */
  private readonly phase: number

  /** `buffers` are as long as a block may be. */
  constructor(number: number, content: BlockContent, buffers: SharedBuffers) {
    const { tensor, numbers } = content
    this.number = number
    this.content = content
    this.element = tensor?.element
    this.relation = tensor?.base?.relation
    this.phase = numbers?.phase ?? startOfRecords(tensor)
    this.buffers = buffers
    this.plain = buffers.take()
    if (this.relation) this.basePlain = buffers.take()
    // the base of a rounded chunk has twice as many bytes
    this.capacity = this.relation && this.relation !== 'delta' ? this.plain.length / 2 : this.plain.length
  }

  get buffersHeld(): number {
    return buffersFor(this.content)
  }

  /** Whether a chunk of this length fits. All elements of a block are aligned. */
  fits(length: number, { numbers, tensor }: BlockContent): boolean {
    const isAligned = numbers ? this.continues(numbers) : this.isInLine(tensor)
    return isAligned && this.used + length <= this.capacity && this.lengths.length < MAX_BLOCK_CHUNKS
  }

  /** Whether the numbers of a chunk that is added next would be in line with those of the block. */
  private continues({ width, phases }: GuessedNumbers): boolean {
    return ((phases >> ((this.phase + this.used * (width - 1)) % width)) & 1) === 1
  }

  /** Whether the elements of a chunk that is added next would be in line with those of the block. */
  private isInLine(tensor: TensorForm | undefined): boolean {
    const length = tensor ? elementLength(tensor) : 1
    return (this.used + startOfRecords(tensor) - this.phase) % length === 0
  }

  add(id: Uint8Array, bytes: Uint8Array, tensor: TensorForm | undefined): void {
    const base = tensor?.base
    if (base) {
      this.basePlain!.set(base.bytes, this.baseUsed)
      this.baseUsed += base.bytes.length
      this.bases.set(this.lengths.length, { depth: base.depth, ids: base.ids })
    }
    if (tensor?.element.kind === 'float') this.addMatrix(bytes.length / tensor.element.width, tensor.rows)
    this.plain.set(bytes, this.used)
    this.used += bytes.length
    this.ids.push(id.slice())
    this.lengths.push(bytes.length)
  }

  /** Elements of a tensor may continue those of the chunk before. */
  private addMatrix(elements: number, rows: RowsOfTensor | undefined): void {
    const last = this.matrices.at(-1)
    const { columns, before } = rows ?? { columns: 0, before: 0 }
    const isNext = before > 0 && last?.columns === columns && (last.start + last.elements - before) % columns === 0
    if (isNext) last.elements += elements
    else this.matrices.push({ elements, columns, start: columns > 0 ? before % columns : 0 })
  }

  /** Whether blocks that follow may be joined to this one. */
  get mayGrow(): boolean {
    return mayBeLong(this.content)
  }

  /** Whether others were joined to it. */
  get isLong(): boolean {
    return this.long
  }

  /** Whether the next block of the same content repeats so much of this one that one long block is worth its costs. */
  isRepeatedBy({ plain, used, lengths }: BlockBuilder, longest: number): boolean {
    if (this.used + used > longest || this.lengths.length + lengths.length > MAX_BLOCK_CHUNKS) return false
    if (this.strings === undefined) {
      this.strings = spareStrings.pop() ?? new RegularStrings()
      this.strings.add(this.plain.subarray(0, this.used))
    }
    return this.strings.repeatedIn(plain.subarray(0, used)) >= MUCH_REPEATS
  }

  /** Joins the next block to this one, and releases that. `longBuffers` are as long as a long block may be. */
  join(next: BlockBuilder, longBuffers: SharedBuffers): void {
    const bytes = next.plain.subarray(0, next.used)
    if (!this.long) {
      const plain = longBuffers.take()
      plain.set(this.plain.subarray(0, this.used))
      this.buffers.give(this.plain)
      this.buffers = longBuffers
      this.plain = plain
      this.long = true
    }
    this.plain.set(bytes, this.used)
    this.strings?.add(bytes)
    this.used += next.used
    for (const id of next.ids) this.ids.push(id)
    for (const length of next.lengths) this.lengths.push(length)
    next.release()
  }

  /** The bytes to encode, without a copy, and the request that says how. They are valid until `release`. */
  take(level: Level): { plain: Uint8Array; request: BlockRequest } {
    const { content, element, relation, phase: start, matrices } = this
    const { kind, table, numbers } = content
    const base = relation && { relation, bytes: this.basePlain!.subarray(0, this.baseUsed) }
    const request: BlockRequest = { level, kind, table, numbers, element, start, matrices, base, chunkLengths: base && this.lengths }
    return { plain: this.plain.subarray(0, this.used), request }
  }

  /** Gives the buffers back. Call it when the bytes are no longer needed. */
  release(): void {
    if (this.strings) {
      this.strings.clear()
      spareStrings.push(this.strings)
      this.strings = undefined
    }
    this.buffers.give(this.plain)
    if (this.basePlain) this.buffers.give(this.basePlain)
  }
}
