import { isUtf8 } from 'node:buffer'
import { isNode, makerOf, nameIn, type PickleNode, type PickleValue } from './pickle-value.ts'
import { bytesOf, type Notation, textOf } from './pickle-text.ts'
import { PickleReader } from './pickle.ts'
import { itemOfDtype, wrappedIn } from './pickled-numpy.ts'
import { asCount, elementsOf, type ReadAt, readExactly, refuseKind } from './span.ts'

/** A jump reads a short window, going on reads longer and longer ones. */
const FIRST_WINDOW_BYTES = 8 * 1024
const WINDOW_BYTES = 64 * 1024
/** No opcode takes more bytes than this, for longer texts and bytes are passed over. */
const MARGIN_BYTES = 4 * 1024
const MAX_TEXT_BYTES = 1024
/** Maximum bytes of the texts that are kept. */
const MAX_TEXTS_BYTES = 64 * 1024 * 1024
/** Maximum nesting depth of pickles in a file of joblib. */
const MAX_NESTING = 4
const PROTO = 0x80
/** Opcodes that a pickle of protocol 0 or 1 may begin with. */
const OLD_STARTS = Buffer.from('(]})cNIJKMLFGSTUVX')
/** Limits of what a `PickleStream` takes. */
export interface PickleLimits {
  /** The share of the usual memory. */
  share: number
  /** Bytes that it reads. */
  bytes: number
}

const NO_LIMITS: PickleLimits = { share: 1, bytes: Infinity }
/** Opcodes of texts and numbers that are lines, of any length. */
const LINES = Buffer.from('SVL')

/**
 * Reads the pickles of a file, one behind the other, without the long texts and bytes in them: it only notes where they
 * lie. joblib writes the elements of an array right behind the object that describes it, in the middle of the pickle
 * (`joblib/numpy_pickle.py`): these are bytes too, and become the last value of that object.
 *
 * Throws `corrupt` for a pickle that is cut short, `unsupported` for one that takes too much memory. Time: linear in
 * the bytes that it reads. Memory: about 300 MB at most, whatever the length, or the share of it that is given.
 */
export class PickleStream extends PickleReader {
  private readonly size: number
  private readonly read: ReadAt
  /** The first pickle is of protocol 0 or 1, which do not say so. */
  private isOld: boolean | undefined
  /** Where `bytes` begin in the file. */
  private base = 0
  private texts = 0
  private readonly limits: PickleLimits
  private window = FIRST_WINDOW_BYTES
  private total = 0
  /** The pickles around the one that is read, and the array whose elements it is. */
  private readonly around: { stack: PickleReader['stack']; memo: PickleValue[]; array: PickleNode }[] = []

  constructor(size: number, read: ReadAt, limits = NO_LIMITS) {
    super(new Uint8Array(0), 0, limits.share)
    this.limits = limits
    this.size = size
    this.read = read
  }

  /** The value of the next pickle; undefined if none follows. */
  async value(): Promise<{ value: PickleValue } | undefined> {
    if (!(await this.refill())) return undefined
    const opcode = this.bytes[this.position]!
    this.isOld ??= opcode !== PROTO
    if (opcode !== PROTO && !(this.isOld && OLD_STARTS.includes(opcode))) return undefined
    this.stack = []
    this.memo = []
    for (;;) {
      if (this.remaining < MARGIN_BYTES) await this.refill()
      if (LINES.includes(this.bytes[this.position] ?? 0) && (await this.longLine())) continue
      if (this.next()) continue
      const value = this.pop()
      const outer = this.around.pop()
      if (outer === undefined) return { value }
      outer.array.values.push(value)
      this.stack = outer.stack
      this.memo = outer.memo
    }
  }

  /** False at the end of the file. */
  private async refill(): Promise<boolean> {
    if (this.remaining < MARGIN_BYTES && this.base + this.end < this.size) {
      this.window = this.remaining < 0 ? FIRST_WINDOW_BYTES : Math.min(2 * this.window, WINDOW_BYTES)
      this.base += this.position
      this.bytes = await this.bytesAt(this.base, this.window)
      this.position = 0
      this.end = this.bytes.length
    }
    return this.remaining > 0
  }

  private async bytesAt(offset: number, most: number): Promise<Uint8Array> {
    const length = Math.min(most, this.size - offset)
    this.total += length
    if (this.total > this.limits.bytes) this.refuseLarge('a pickle is too long beside its arrays')
    return readExactly(this.read, offset, length)
  }

  /** Passes over a line that does not end in the window. False if it does. */
  private async longLine(): Promise<boolean> {
    const opcode = this.bytes[this.position]
    if (this.bytes.includes(0x0a, this.position)) return false
    const at = this.base + this.position + 1
    let end = this.base + this.end
    for (let found = -1; found < 0;) {
      if (end >= this.size) this.fail('a line has no end')
      const more = await this.bytesAt(end, WINDOW_BYTES)
      found = more.indexOf(0x0a)
      end += found < 0 ? more.length : found
    }
    this.position = end + 1 - this.base
    if (opcode === LINES[2]) this.stack.push(undefined)
    else this.object({ at, length: end - at, notation: opcode === LINES[0] ? 'literal' : 'escaped' })
    return true
  }

  /** A pickle may hold very much beside arrays: that is no damage. */
  protected override refuseLarge(why: string): never {
    return refuseKind(why)
  }

  protected override text(length: number): void {
    if (length > MAX_TEXT_BYTES) return this.skip(length)
    this.countText(length)
    super.text(length)
  }

  private countText(length: number): void {
    this.texts += length
    if (this.texts > this.limits.share * MAX_TEXTS_BYTES) this.refuseLarge('a pickle needs too much memory')
  }

  /** Bytes, if it is no text. */
  protected override textLine(notation: Notation): void {
    const at = this.base + this.position
    const line = this.lineBytes()
    const isText = line.length <= MAX_TEXT_BYTES && (notation === 'escaped' || isUtf8(bytesOf(line, notation)))
    if (!isText) return this.object({ at, length: line.length, notation })
    this.countText(line.length)
    this.stack.push(textOf(line, notation))
  }

  /** Bytes, if it is no text. */
  protected override oldText(length: number): void {
    const { position, bytes } = this
    if (length <= MAX_TEXT_BYTES && !isUtf8(bytes.subarray(position, position + length))) this.skip(length)
    else this.text(length)
  }

  protected override skip(length: number): void {
    const at = this.base + this.position
    this.jump(length)
    this.object({ at, length })
  }

  private jump(length: number): void {
    const missing = this.base + this.position + length - this.size
    if (missing > 0) this.fail(`it ends ${missing} bytes too early`)
    this.position += length
  }

  protected override build(): void {
    super.build()
    const array = this.peek()
    if (!isNode(array)) return
    if (nameIn(['joblib.numpy_pickle'], makerOf(array)) === 'NumpyArrayWrapper') this.elements(array)
  }

  private elements(array: PickleNode): void {
    const { dtype, shape, isAligned } = wrappedIn(array.values.at(-1))
    const item = itemOfDtype(dtype)
    if (item === undefined) {
      if (this.around.length === MAX_NESTING) refuseKind('pickles are nested too deep')
      this.around.push({ stack: this.stack, memo: this.memo, array })
      this.stack = []
      this.memo = []
      return
    }
    if (isAligned) this.jump(this.byte())
    const at = this.base + this.position
    const length = asCount(item * elementsOf(shape))
    this.jump(length)
    array.values.push({ at, length })
  }
}
