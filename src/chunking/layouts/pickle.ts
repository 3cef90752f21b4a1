import { ByteReader } from '../../util/bytes.ts'
import { type PickleBytes, type PickleGlobal, isGlobal, isNode, NAMELESS, type PickleNode, type PickleValue } from './pickle-value.ts'
import { type Notation, textOf } from './pickle-text.ts'
import { refuse, refuseKind } from './span.ts'

const MARK = Symbol('mark')

type StackItem = PickleValue | typeof MARK

/**
 * Maximum number of nodes. A node costs far more memory than the one or two bytes of the pickle that make it. 100,000
 * tensors need about as many nodes.
 */
const MAX_NODES = 500_000
/** Maximum number of values and keys in all nodes. */
const MAX_VALUES = 2_000_000
const MAX_STACK = 1_000_000
/** Largest key of a value that is kept to be recalled. Pickles number them from 0 or 1. */
const MAX_MEMO = 1_500_000
/**
 * A call, or a persistent reference, with at most this many arguments gets a copy of them. So no two nodes ever share
 * their values.
 */
const MAX_ARGUMENTS = 16

export interface Pickle {
  value: PickleValue
  /** The persistent references, in the order in which the pickle makes them. */
  references: PickleNode[]
  /** Where it ends in the bytes. */
  end: number
}

/**
 * Parses the structure of a pickle that begins at `start` (protocols 0 to 5, of Python 2 and 3). It runs nothing: a
 * call is only recorded. Throws `unsupported` for opcodes of extensions. Time: linear in the length of `bytes`. Memory:
 * linear too, and at most about 200 MB, whatever the length.
 */
export function readPickle(bytes: Uint8Array, start = 0): Pickle {
  return new PickleReader(bytes, start).run()
}

/** The machine of pickles. It reads all bytes of an opcode before it changes anything. */
export class PickleReader extends ByteReader {
  protected stack: StackItem[] = []
  protected memo: PickleValue[] = []
  private readonly references: PickleNode[] = []
  private readonly share: number
  private nodes = 0
  private values = 0

  /** `share`: the share of the usual limits that it may take in memory. */
  constructor(bytes: Uint8Array, start: number, share = 1) {
    super(bytes, 'A pickle', start)
    this.share = share
  }

  run(): Pickle {
    while (this.next());
    return { value: this.pop(), references: this.references, end: this.position }
  }

  /** False at its end. */
  protected next(): boolean {
    const opcode = String.fromCharCode(this.byte())
    if (opcode === '.') return false
    this.step(opcode)
    const { stack, memo, values, share } = this
    if (stack.length > share * MAX_STACK || memo.length > share * MAX_MEMO || values > share * MAX_VALUES)
      this.refuseLarge('a pickle needs too much memory')
    return true
  }

  private step(opcode: string): void {
    switch (opcode) {
      case '\x80': // PROTO
        if (this.byte() > 5) refuseKind('a pickle of a newer protocol')
        return
      case '\x95': // FRAME
        this.take(8)
        return
      case '(': // MARK
        this.stack.push(MARK)
        return
      case '0': // POP
        this.stack.pop()
        return
      case '1': // POP_MARK
        this.popToMark()
        return
      case '2': // DUP
        this.stack.push(this.peek())
        return

      case 'N': // NONE
        this.stack.push(undefined)
        return
      case '\x88': // NEWTRUE
      case '\x89': // NEWFALSE
        this.stack.push(opcode === '\x88')
        return
      case 'K': // BININT1
        this.stack.push(this.byte())
        return
      case 'M': // BININT2
        this.stack.push(this.uint(2))
        return
      case 'J': // BININT
        this.stack.push(this.uint(4) | 0)
        return
      case 'G': // BINFLOAT
        this.stack.push(Buffer.from(this.take(8)).readDoubleBE())
        return
      case 'I': // INT, or a boolean; Python 2 writes it for numbers of 33 to 64 bits
        this.int(this.line())
        return
      case 'L': // LONG
        this.decimal(this.line())
        return
      case '\x8a': // LONG1
        this.long(this.byte())
        return
      case '\x8b': // LONG4
        this.long(this.uint(4))
        return
      case 'F': // FLOAT
        this.stack.push(Number(this.line()))
        return
      case 'S': // STRING, a text of Python 2
        this.textLine('literal')
        return
      case 'V': // UNICODE
        this.textLine('escaped')
        return
      case 'X': // BINUNICODE
        this.text(this.uint(4))
        return
      case '\x8c': // SHORT_BINUNICODE
        this.text(this.byte())
        return
      case '\x8d': // BINUNICODE8
        this.text(this.uint(8))
        return
      case 'U': // SHORT_BINSTRING, a text of Python 2
        this.oldText(this.byte())
        return
      case 'T': // BINSTRING
        this.oldText(this.uint(4))
        return
      case 'C': // SHORT_BINBYTES
        this.skip(this.byte())
        return
      case 'B': // BINBYTES
        this.skip(this.uint(4))
        return
      case '\x8e': // BINBYTES8
      case '\x96': // BYTEARRAY8
        this.skip(this.uint(8))
        return

      case ')': // EMPTY_TUPLE
      case ']': // EMPTY_LIST
      case '\x8f': // EMPTY_SET
        this.node([])
        return
      case '}': // EMPTY_DICT
        this.node([], { keys: [] })
        return
      case '\x85': // TUPLE1
      case '\x86': // TUPLE2
      case '\x87': // TUPLE3
        this.node(this.popSeveral(opcode.charCodeAt(0) - 0x84))
        return
      case 't': // TUPLE
      case 'l': // LIST
      case '\x91': // FROZENSET
        this.node(this.popToMark())
        return
      case 'd': // DICT
        this.dict(this.popToMark())
        return
      case 'a': // APPEND
        this.append([this.pop()])
        return
      case 'e': // APPENDS
      case '\x90': // ADDITEMS
        this.append(this.popToMark())
        return
      case 's': // SETITEM
        this.setItems(this.popSeveral(2))
        return
      case 'u': // SETITEMS
        this.setItems(this.popToMark())
        return

      case 'p': // PUT
        this.keep(this.key())
        return
      case 'g': // GET
        this.recall(this.key())
        return
      case 'q': // BINPUT
        this.keep(this.byte())
        return
      case 'r': // LONG_BINPUT
        this.keep(this.uint(4))
        return
      case '\x94': // MEMOIZE
        this.keep(this.memo.length)
        return
      case 'h': // BINGET
        this.recall(this.byte())
        return
      case 'j': // LONG_BINGET
        this.recall(this.uint(4))
        return

      case 'c': // GLOBAL
        this.global([this.line(), this.line()])
        return
      case '\x93': // STACK_GLOBAL
        this.global(this.popSeveral(2))
        return
      case 'R': // REDUCE
      case '\x81': // NEWOBJ
        this.call(this.popSeveral(2))
        return
      case '\x92': // NEWOBJ_EX
        this.call(this.popSeveral(3))
        return
      case 'o': // OBJ, an instance of an old class of Python 2
        this.instance(this.popToMark())
        return
      case 'i': // INST, the same
        this.instance([this.named(), ...this.popToMark()])
        return
      case 'b': // BUILD
        this.build()
        return
      case 'P': // PERSID
        this.persistent(this.line())
        return
      case 'Q': // BINPERSID
        this.persistent(this.pop())
        return
      default:
        refuseKind(`a pickle with opcode ${opcode.charCodeAt(0)}`)
    }
  }

  protected refuseLarge(why: string): never {
    return refuse(why)
  }

  private uint(count: number): number {
    let value = 0
    for (let i = 0, scale = 1; i < count; i++, scale *= 256) value += this.byte() * scale
    return value
  }

  private line(): string {
    return Buffer.from(this.lineBytes()).toString('utf8')
  }

  protected lineBytes(): Uint8Array {
    const end = this.bytes.indexOf(0x0a, this.position)
    if (end === -1) this.fail('a line has no end')
    const line = this.take(end - this.position)
    this.take(1)
    return line
  }

  private key(): number {
    const line = this.line()
    return /^\d{1,9}$/.test(line) ? Number(line) : refuse('a pickle keeps something under an absurd number')
  }

  private named(): PickleGlobal {
    return { module: this.line(), name: this.line() }
  }

  protected textLine(notation: Notation): void {
    this.stack.push(textOf(this.lineBytes(), notation))
  }

  private int(text: string): void {
    if (text === '00' || text === '01') this.stack.push(text === '01')
    else this.decimal(text)
  }

  /** `12L`. Undefined beyond 53 bits. */
  private decimal(text: string): void {
    const [, digits] = /^(-?\d{1,16})L?$/.exec(text) ?? []
    const value = Number(digits ?? NaN)
    this.stack.push(Number.isSafeInteger(value) ? value : undefined)
  }

  protected text(length: number): void {
    this.stack.push(Buffer.from(this.take(length)).toString('utf8'))
  }

  /** A text of Python 2, which may hold any bytes. */
  protected oldText(length: number): void {
    this.text(length)
  }

  protected skip(length: number): void {
    this.take(length)
    this.stack.push(undefined)
  }

  /** Two's complement, of any length; undefined beyond 6 bytes. */
  private long(length: number): void {
    if (length > 6) return this.skip(length)
    const bytes = Buffer.from(this.take(length))
    this.stack.push(length === 0 ? 0 : bytes.readIntLE(0, length))
  }

  protected peek(): PickleValue {
    const item = this.stack.at(-1)
    return this.stack.length === 0 || item === MARK ? refuse('a pickle takes what is not there') : item
  }

  protected pop(): PickleValue {
    const value = this.peek()
    this.stack.pop()
    return value
  }

  private popSeveral(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse()
  }

  private popToMark(): PickleValue[] {
    const at = this.stack.lastIndexOf(MARK)
    if (at === -1) refuse('a pickle has no mark')
    const values = this.stack.splice(at + 1) as PickleValue[]
    this.stack.pop()
    return values
  }

  private node(values: PickleValue[], more: Omit<PickleNode, 'values'> = {}): void {
    this.values += values.length
    this.object({ values, ...more })
  }

  protected object(object: PickleNode | PickleGlobal | PickleBytes): void {
    if (++this.nodes > this.share * MAX_NODES) this.refuseLarge('a pickle has too many containers')
    this.stack.push(object)
  }

  private dict(items: PickleValue[]): void {
    this.node([], { keys: [] })
    this.setItems(items)
  }

  protected build(): void {
    this.append([this.pop()])
  }

  private append(values: PickleValue[]): void {
    const target = this.peek()
    if (!isNode(target)) return
    this.values += target.keys ? 2 * values.length : values.length
    for (const value of values) {
      target.values.push(value)
      target.keys?.push(undefined)
    }
  }

  private setItems(items: PickleValue[]): void {
    const target = this.peek()
    if (!isNode(target)) return
    if (target.keys === undefined) {
      target.keys = target.values.map(() => undefined)
      this.values += target.keys.length
    }
    this.values += items.length
    for (let i = 0; i + 1 < items.length; i += 2) {
      target.keys.push(items[i])
      target.values.push(items[i + 1])
    }
  }

  private keep(key: number): void {
    if (key > this.share * MAX_MEMO) this.refuseLarge('a pickle needs too much memory')
    this.memo[key] = this.peek()
  }

  private recall(key: number): void {
    if (!(key in this.memo)) refuse('a pickle recalls what was not kept')
    this.stack.push(this.memo[key])
  }

  private global([module, name]: PickleValue[]): void {
    if (typeof module !== 'string' || typeof name !== 'string') refuse('a pickle names no class')
    this.object({ module, name })
  }

  private call([callable, passed]: PickleValue[]): void {
    this.node(argumentsOf(passed), { made: isGlobal(callable) ? callable : NAMELESS })
  }

  private instance([callable, ...passed]: PickleValue[]): void {
    this.node(passed, { made: isGlobal(callable) ? callable : NAMELESS })
  }

  private persistent(reference: PickleValue): void {
    this.node(argumentsOf(reference), { persistent: true })
    this.references.push(this.peek() as PickleNode)
  }
}

function argumentsOf(passed: PickleValue): PickleValue[] {
  return isNode(passed) && passed.values.length <= MAX_ARGUMENTS ? [...passed.values] : [passed]
}
