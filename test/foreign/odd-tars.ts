import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { paxRecord } from '../helpers/tar.ts'

/** An archive of the kinds of headers that programs write, in any order. */
export interface OddTar {
  bytes: Buffer
  /** What it holds, for messages and for what other programs do differently on purpose. */
  parts: string[]
}

interface Fields {
  name: string
  type: string
  size?: number
  link?: string
  prefix?: string
  /** Bytes at their offsets, as a sparse map is. */
  set?: [at: number, bytes: Buffer][]
}

const BLOCK = 512

export function oddTar(seed: number): OddTar {
  return new Maker(seed).make()
}

class Maker {
  private readonly random: () => number
  private readonly pieces: Buffer[] = []
  private readonly parts: string[] = []
  private readonly files: string[] = []
  private readonly seed: number
  private count = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = seededRandom(seed)
  }

  make(): OddTar {
    const makers = [
      () => this.file(),
      () => this.file(),
      () => this.folder(),
      () => this.link(),
      () => this.longName(),
      () => this.pax(),
      () => this.global(),
      () => this.oldSparse(),
      () => this.paxSparse(),
      () => this.special(),
    ]
    for (let i = 1 + this.below(8); i > 0; i--) this.pick(makers)()
    this.end()
    return { bytes: Buffer.concat(this.pieces), parts: this.parts }
  }

  private below(most: number): number {
    return Math.floor(this.random() * most)
  }

  private chance(probability: number): boolean {
    return this.random() < probability
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  /** Latin1, so that names need not be UTF-8. */
  private name(): string {
    const folder = this.chance(0.3) ? `${this.pick(['d', 'e/f', 'd/\xe9'])}/` : this.chance(0.1) ? './' : ''
    return `${folder}${this.pick(['n', 'caf\xe8', 'caf\xc3\xa9', 'a b', 'x\\y', 'tab\t'])}${this.count++}`
  }

  private data(length: number): Buffer {
    return this.chance(0.2) ? Buffer.alloc(length) : seededNoise(this.seed + this.count, length)
  }

  private number(value: number, width: number): Buffer {
    const field = Buffer.alloc(width)
    if (value < 0 || (width > 8 && this.chance(0.2))) {
      field.fill(value < 0 ? 0xff : 0)
      field.writeBigInt64BE(BigInt(value), width - 8)
      field[0]! |= 0x80
    } else if (this.chance(0.3)) field.write(`${value.toString(8).padStart(width - 2, ' ')} `)
    else field.write(value.toString(8).padStart(width - 1, '0'))
    return field
  }

  private time(): number {
    return this.pick([0, 1, 1_000_000_000, 1_700_000_000, -86_400, 4_102_444_800])
  }

  private header({ name, type, size = 0, link = '', prefix = '', set = [] }: Fields): Buffer {
    const block = Buffer.alloc(BLOCK)
    block.write(name, 0, 100, 'latin1')
    this.number(this.pick([0o644, 0o755, 0o600, 0o700, 0o444, 0o640]), 8).copy(block, 100)
    this.number(this.pick([0, 1000, 2_000_000]), 8).copy(block, 108)
    this.number(0, 8).copy(block, 116)
    this.number(size, 12).copy(block, 124)
    this.number(this.time(), 12).copy(block, 136)
    block.write(type, 156, 'latin1')
    block.write(link, 157, 100, 'latin1')
    const isPosix = prefix !== '' || this.parts.at(-1)?.startsWith('pax') === true
    const magic = type === 'S' ? 'ustar  \0' : isPosix ? 'ustar\x0000' : this.pick(['ustar\x0000', 'ustar  \0', ''])
    block.write(magic, 257, 'latin1')
    block.write(prefix, 345, 155, 'latin1')
    for (const [at, bytes] of set) bytes.copy(block, at)
    return this.withSum(block)
  }

  private withSum(block: Buffer): Buffer {
    block.fill(' ', 148, 156)
    const isSigned = this.chance(0.1)
    const sum = block.reduce((total, byte) => total + (isSigned && byte > 127 ? byte - 256 : byte), 0)
    block.write(
      this.pick([`${sum.toString(8).padStart(6, '0')}\0 `, `${sum.toString(8).padStart(7, '0')}\0`, `${sum.toString(8).padStart(6)}\0 `]),
      148,
    )
    return block
  }

  private add(part: string, ...bytes: Buffer[]): void {
    this.parts.push(part)
    for (const piece of bytes) this.pieces.push(piece, Buffer.alloc(-piece.length & (BLOCK - 1)))
  }

  private file(): void {
    const data = this.data(this.pick([0, 1, 511, 512, 513, 2000]))
    const type = this.pick(['0', '\0', '7'])
    const prefix = this.chance(0.2) ? this.pick(['p', 'p/q']) : ''
    const name = this.name()
    if (!name.startsWith('./') && prefix === '') this.files.push(name)
    this.add('file', this.header({ name, type, size: data.length, prefix }), data)
  }

  private folder(): void {
    const name = this.pick(['d/', 'e/', 'e/f/', `g${this.count++}/`])
    const isOld = this.chance(0.3)
    const size = !isOld && this.chance(0.3) ? 4096 : 0
    this.add(isOld ? 'old folder' : 'folder', this.header({ name, type: isOld ? '\0' : '5', size }))
  }

  private link(): void {
    const size = this.chance(0.3) ? this.pick([5, 512, 1024]) : 0
    if (this.files.length > 0 && this.chance(0.5))
      this.add('hard link', this.header({ name: this.name(), type: '1', size, link: this.pick(this.files) }))
    else this.add('symlink', this.header({ name: this.name(), type: '2', size, link: this.pick(['n', 'caf\xe8', 'd/x']) }))
  }

  private longName(): void {
    const long = `${'long'.repeat(this.pick([20, 30, 60]))}${this.name().replaceAll('/', '_')}`
    const extension = (type: string, text: string): void => {
      const bytes = Buffer.from(`${text}${this.chance(0.8) ? '\0' : ''}`, 'latin1')
      this.add(`long ${type}`, this.header({ name: '././@LongLink', type, size: bytes.length }), bytes)
    }
    if (this.chance(0.4)) {
      extension('K', long)
      if (this.chance(0.5)) extension('L', `${long}l`)
      this.add('symlink', this.header({ name: `s${this.count++}`, type: '2', link: 'cut' }))
    } else {
      extension('L', long)
      const data = this.data(700)
      this.add('file', this.header({ name: `cut${this.count++}`, type: '0', size: 700 }), data)
    }
  }

  private records(...records: [string, string][]): Buffer {
    return Buffer.concat(records.map(([key, value]) => paxRecord(key, Buffer.from(value, 'latin1'))))
  }

  private extended(type: string, records: Buffer): void {
    this.add(`pax ${type}`, this.header({ name: 'PaxHeaders/x', type, size: records.length }), records)
  }

  private pax(): void {
    const type = this.chance(0.15) ? 'X' : 'x'
    const data = this.data(this.pick([0, 600, 1500]))
    const other: [string, string][] = this.chance(0.5)
      ? [
          ['SCHILY.xattr.user.a', 'v\n=v'],
          ['LIBARCHIVE.creationtime', '1'],
          ['comment', '\xff'],
        ]
      : []
    const name = this.name().replace('./', '')
    switch (this.below(5)) {
      case 0:
        this.extended(type, Buffer.alloc(0))
        return this.add('file', this.header({ name, type: '0', size: data.length }), data)
      case 1:
        this.extended(
          type,
          this.records(...(this.chance(0.5) ? [['hdrcharset', 'BINARY'] as [string, string]] : []), ['path', name], ...other),
        )
        return this.add('file', this.header({ name: 'short', type: '0', size: data.length }), data)
      case 2:
        this.extended(type, this.records(['linkpath', `to/${name}`], ['path', name], ...other))
        return this.add('symlink', this.header({ name: 'short', type: '2', link: 'short' }))
      case 3:
        this.extended(type, this.records(['size', String(data.length)], ...other))
        return this.add('file', this.header({ name, type: '0', size: 0 }), data)
      default:
        this.extended(type, this.records(...other, ['mtime', this.pick(['1700000000.123456789', '5', '-1.5', '1600000000.5'])]))
        return this.add('file', this.header({ name, type: '0', size: data.length }), data)
    }
  }

  private global(): void {
    this.extended('g', this.records(['comment', 'a comment'], ['mtime', this.pick(['1500000000', '1400000000.25'])]))
  }

  /** Where data lies: whole blocks but for the last, as programs write it. */
  private extents(): { map: [number, number][]; size: number; data: Buffer } {
    const map: [number, number][] = []
    let at = 0
    for (let i = this.pick([0, 1, 3, 4, 5, 25, 47]); i > 0; i--) {
      at += BLOCK * this.below(20)
      const length = i === 1 ? 1 + this.below(1000) : BLOCK * (1 + this.below(2))
      map.push([at, length])
      at += length
    }
    const size = this.chance(0.5) ? at : at + this.below(100_000)
    // GNU tar makes no hole at the end without it
    if (size > at || map.length === 0 || this.chance(0.5)) map.push([size, 0])
    return { map, size, data: this.data(map.reduce((sum, [, length]) => sum + length, 0)) }
  }

  private oldSparse(): void {
    const { map, size, data } = this.extents()
    const fields = map.map(([offset, length]) => Buffer.concat([this.octal(offset), this.octal(length)]))
    const blocks: Buffer[] = []
    for (let i = 4; i < fields.length; i += 21) {
      const block = Buffer.alloc(BLOCK)
      Buffer.concat(fields.slice(i, i + 21)).copy(block)
      if (i + 21 < fields.length) block[504] = 1
      blocks.push(block)
    }
    const set: [number, Buffer][] = [
      [386, Buffer.concat(fields.slice(0, 4))],
      [482, Buffer.of(fields.length > 4 ? 1 : 0)],
      [483, this.octal(size)],
    ]
    this.add('old sparse', this.header({ name: this.name(), type: 'S', size: data.length, set }), ...blocks, data)
  }

  private octal(value: number): Buffer {
    return Buffer.from(`${value.toString(8).padStart(11, '0')}\0`)
  }

  private paxSparse(): void {
    const { map, size, data } = this.extents()
    const name = this.name().replace('./', '')
    const form = this.pick(['0.0', '0.1', '1.0'])
    const flat = map.flat().map(String)
    const entry = (length: number, ...content: Buffer[]): void =>
      this.add(`sparse ${form}`, this.header({ name: form === '0.0' ? name : 'GNUSparseFile.1/x', type: '0', size: length }), ...content)
    if (form === '1.0') {
      const lines = Buffer.from([map.length, ...flat].map(number => `${number}\n`).join(''))
      const padded = Math.ceil(lines.length / BLOCK) * BLOCK
      this.extended(
        'x',
        this.records(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', name], ['GNU.sparse.realsize', `${size}`]),
      )
      return entry(padded + data.length, lines, data)
    }
    const head: [string, string][] = [
      ['GNU.sparse.size', `${size}`],
      ['GNU.sparse.numblocks', `${map.length}`],
    ]
    const pairs = map.flatMap(([offset, length]): [string, string][] => [
      ['GNU.sparse.offset', `${offset}`],
      ['GNU.sparse.numbytes', `${length}`],
    ])
    this.extended(
      'x',
      this.records(
        ...head,
        ...(form === '0.0'
          ? pairs
          : ([
              ['GNU.sparse.name', name],
              ['GNU.sparse.map', flat.join(',')],
            ] as [string, string][])),
      ),
    )
    entry(data.length, data)
  }

  private special(): void {
    const data = this.data(this.pick([0, 30, 600]))
    switch (this.below(this.parts.length > 0 ? 5 : 4)) {
      case 0:
        return this.add('label', this.header({ name: 'The label', type: 'V' }))
      case 1:
        return this.add('dump folder', this.header({ name: `dump${this.count++}/`, type: 'D', size: data.length }), data)
      case 2:
        return this.add('later part', this.header({ name: this.name(), type: 'M', size: data.length }), data)
      case 4: {
        // zeros behind it would look like an end, where GNU tar stops
        const noise = seededNoise(this.seed, data.length)
        const header = this.header({ name: this.name(), type: '0', size: noise.length })
        // another digit of the checksum than the right one
        header.write(header.toString('latin1', 150, 152) === '77' ? '00' : '77', 150)
        return this.add('bad header', header, noise)
      }
      default:
        return this.add('unknown type', this.header({ name: this.name(), type: 'Q', size: data.length }), data)
    }
  }

  private end(): void {
    const length = this.pieces.reduce((sum, piece) => sum + piece.length, 0)
    const end = this.pick(['mark', 'record', 'lone zero', 'none', 'junk', 'odd junk'])
    this.parts.push(`end: ${end}`)
    if (end === 'mark') this.pieces.push(Buffer.alloc(1024))
    else if (end === 'record') this.pieces.push(Buffer.alloc(1024 + ((20 * BLOCK - ((length + 1024) % (20 * BLOCK))) % (20 * BLOCK))))
    else if (end === 'lone zero') this.pieces.push(Buffer.alloc(BLOCK))
    else if (end === 'junk') this.pieces.push(Buffer.alloc(1024), seededNoise(this.seed, this.pick([512, 5120])))
    else if (end === 'odd junk') this.pieces.push(Buffer.alloc(1024), seededNoise(this.seed, this.pick([100, 5000, 20_480])))
  }
}
