import { type BlockLayout, decodeBlock, encodeBlock, type BlockRequest } from '../../../src/compression/block.ts'
import { codedDeltaParameters, deltaModel } from '../../../src/compression/coded-delta.ts'
import { codedFloatsParameters, floatsModel, inSegments, segmentsOf } from '../../../src/compression/coded-floats.ts'
import { codedMatricesParameters, contextsOf, FILTER_CODED_MATRICES, meansOf, packMeans } from '../../../src/compression/coded-matrices.ts'
import { baseScale } from '../../../src/compression/filters.ts'
import { encodeContexts } from '../../../src/compression/contexts.ts'
import { encodeNumbers } from '../../../src/compression/numbers.ts'
import { MAX_STORED_EXCESS } from '../../../src/compression/limits.ts'
import { loadZstd } from '../../../src/compression/load-zstd.ts'
import {
  CODEC_CONTEXTS,
  CODEC_COPIES,
  CODEC_LONG_COPIES,
  CODEC_DEFLATE,
  CODEC_NUMBERS,
  CODEC_PAIRS,
  CODEC_RAW,
  CODEC_ZSTD,
  deflate,
  joinCopies,
  joinLongCopies,
} from '../../../src/compression/codecs.ts'
import { hasNativeZstd } from '../../../src/compression/zstd/native-zstd.ts'
import type { ZstdCodec } from '../../../src/compression/zstd/codec.ts'
import { GGML_BLOCKS } from '../../../src/chunking/layouts/ggml-blocks.ts'
import { encodeConfig } from '../../../src/repository/format/config.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import { ELEMENT_TYPES, type RecordField, recordLength } from '../../../src/util/element-type.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'
import { encodePack, rawBlock } from '../../helpers/encode.ts'
import { deflatePairs } from '../../helpers/pairs.ts'
import { seededBytes, seededText } from '../../helpers/seeded.ts'
import type { Rescue } from '../rescue.ts'
import { NONCE } from '../seeds.ts'
import { decoded, promise, Structure, type Target } from '../target.ts'

const MAX_PART = 4096
const SKEWED = 2003
const TYPES = [...ELEMENT_TYPES.values()]
const FP32 = TYPES.findIndex(({ dtype }) => dtype === 'F32')
const RECORDS: readonly (readonly RecordField[])[] = [
  ...[...GGML_BLOCKS.values()].map(({ fields }) => fields),
  ([1, 2, 4, 8] as const).map(width => ({ width, count: 3, kind: 'float' })),
]

interface Stored {
  layout: BlockLayout
  stored: Uint8Array
  chunkLengths: number[]
  /** One base for each chunk; none for filters without one. */
  bases: Uint8Array[]
}

/** A block whose parts are compressed here, so that what filters get is input; or with stored bytes as they are. */
function readBlock(structure: Structure, zstd: ZstdCodec): Stored {
  const filter = structure.byte()
  const parameters = structure.take(structure.byte() % (filter === FILTER_CODED_MATRICES ? 48 : 16))
  const pieces: Uint8Array[] = []
  const parts = Array.from({ length: structure.byte() % 20 }, () => {
    const codec = structure.byte()
    const plain = structure.take(structure.u16() % MAX_PART)
    const stored = codec >= 128 ? plain : compressed(codec, plain, zstd)
    pieces.push(stored)
    return { codec: codec & 127, storedLength: stored.length, plainLength: codec >= 128 ? structure.u16() % MAX_PART : plain.length }
  })
  const plainLength = parts.reduce((sum, part) => sum + part.plainLength, 0)
  const chunkLengths = cut(plainLength, structure)
  const scale = baseScale(filter)
  const noise = seededBytes(scale * plainLength, structure.byte())
  let at = 0
  const bases = scale === 0 ? [] : chunkLengths.map(length => noise.slice(at, (at += scale * length)))
  return { layout: { filter, parameters, parts }, stored: Buffer.concat(pieces), chunkLengths, bases }
}

function compressed(codec: number, plain: Uint8Array, zstd: ZstdCodec): Uint8Array {
  if (plain.length === 0) return plain
  if (codec === CODEC_ZSTD) return zstd.compress(plain, zstd.levels.fast)
  if (codec === CODEC_DEFLATE) return deflate(plain)
  if (codec === CODEC_PAIRS) return deflatePairs(plain) ?? plain
  if (codec === CODEC_CONTEXTS) return encodeContexts(plain)?.bytes ?? plain
  return plain
}

function cut(length: number, structure: Structure): number[] {
  const first = Math.min(length, structure.u16())
  return [first, length - first].filter(each => each > 0)
}

/** Expects from rescue.py what the program has decoded. */
async function expectRescue(rescue: Rescue, { layout, stored, chunkLengths, bases }: Stored, plain: Uint8Array): Promise<void> {
  let at = 0
  const chunks = chunkLengths.map(length => plain.subarray(at, (at += length)))
  const blocks = bases.map(base => rawBlock(base))
  const named = new Map(bases.map((base, chunk) => [chunk, { depth: 1, ids: [sha256(base)] }]))
  blocks.push({ block: { ...layout, bytes: stored }, chunkIds: Buffer.concat(chunks.map(sha256)), chunkLengths, bases: named })
  const pack = encodePack(blocks, NONCE)
  const answer = await rescue.repository(
    new Map([
      ['config.json', encodeConfig()],
      [packName(pack.id), pack.bytes],
    ]),
  )
  const got = (answer as { chunks: Record<string, string | null> }).chunks
  for (const chunk of chunks) promise(got[sha256Hex(chunk)] === sha256Hex(chunk), 'rescue.py decodes the same', layout, got)
}

export const block: Target = {
  name: 'block',
  // tables of contexts take as long for few bytes as for many: 4,096 slots for each part
  workPerByte: 50_000,
  seeds: () => [...layouts()],
  async run(input, rescue) {
    const zstd = await loadZstd()
    const made = readBlock(new Structure(input), zstd)
    const { layout, stored, chunkLengths, bases } = made
    const plain = decoded(() => decodeBlock(layout, stored, zstd, bases.length > 0 ? Buffer.concat(bases) : undefined, chunkLengths))
    if (!plain) return
    promise(plain.length === chunkLengths.reduce((sum, length) => sum + length, 0), 'a block has the length that it states')
    // a directory can't state a longer one
    if (rescue && stored.length <= plain.length + MAX_STORED_EXCESS) await expectRescue(rescue, made, plain)
  },
}

/** Input for `block`: each filter, each codec. */
function* layouts(): Generator<Uint8Array> {
  const part = (codec: number, plain: Uint8Array): Buffer =>
    Buffer.concat([Uint8Array.of(codec, plain.length & 255, plain.length >> 8), plain])
  const made = (filter: number, parameters: number[], parts: Buffer[], first: number): Buffer =>
    Buffer.concat([
      Uint8Array.of(filter, parameters.length, ...parameters, parts.length),
      ...parts,
      Uint8Array.of(first & 255, first >> 8, 1),
    ])
  const text = seededText(1, 40)
  for (const codec of [CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE, CODEC_PAIRS]) yield made(0, [], [part(codec, text)], 13)
  yield made(0, [], [part(CODEC_CONTEXTS, skewed())], 13)
  const coded = encodeContexts(skewed())!.bytes
  const stated = Uint8Array.of(SKEWED & 255, SKEWED >> 8)
  yield made(0, [], [Buffer.concat([part(128 | CODEC_CONTEXTS, coded), stated])], 100)
  const digits = Buffer.from(Array.from(skewed(), byte => 48 + (byte & 7)))
  yield made(4, [44, 2, 1, 1], [part(CODEC_CONTEXTS, digits), part(2, Buffer.from('b\nd\nf\n'))], 3)
  const planes = (width: number): Buffer[] => [
    ...Array.from({ length: width }, (_, i) => part(i % 4, Buffer.alloc(6, `${i}ab`))),
    part(0, text.subarray(0, 1)),
  ]
  for (const width of [2, 4, 8]) {
    yield made(1, [width, 0], planes(width), 2 * width)
    yield made(1, [width, 1, 3], planes(width), width)
    yield made(2, [width], planes(width), 3 * width)
    yield made(5, [width, 3, 5], planes(width), width)
    yield made(6, [width, 1, 2, 1], planes(width), width)
  }
  yield made(
    7,
    [0, 0, 2, 1, 0, 0x21, 3, 0],
    [part(0, Buffer.from('abc')), part(2, Buffer.from('aaa')), part(3, Buffer.from('012345678'))],
    4,
  )
  yield made(7, [5, 0, 0x18, 1, 0, 8], [...planes(8)], 9)
  yield made(9, [1, 0, 0x34, 1, 0, 0x31, 2, 0], [...planes(4).slice(0, 4), part(1, Buffer.alloc(12, 'ab')), part(0, Buffer.from('z'))], 7)
  for (const [type, width] of [
    [0, 4],
    [1, 2],
    [2, 2],
  ] as const) {
    const heads = Buffer.from([...scaleBytes(0.01), 128, 30, 0, 0, ...scaleBytes(0), 0, 1, 0, 0, ...scaleBytes(-1.5), 7, 9, 0, 0])
    const runs = Array.from({ length: 12 }, (_, k) => part(0, Buffer.of(heads[k]!, heads[12 + k]!, heads[24 + k]!)))
    const upper = Array.from({ length: width - 1 }, () => part(0, Buffer.of(63)))
    const zeros = 39 * (width - 1) - 36
    if (width === 4)
      yield made(
        8,
        [type, 1],
        [part(0, Buffer.alloc(40, 'k3')), ...runs, ...upper, part(2, Buffer.alloc(39, 'ab')), part(1, Buffer.alloc(zeros - 39))],
        9,
      )
    yield made(
      8,
      [type, 0, 2],
      [part(2, Buffer.alloc(40, 'k3')), ...runs, ...upper, part(1, Buffer.alloc(zeros)), part(0, Buffer.from('z'))],
      9,
    )
  }
  const pieces = [Buffer.from('abcdef'), Uint8Array.of(4, 0), Uint8Array.of(9, 2), Uint8Array.of(3, 7)]
  const copies = joinCopies(pieces.map(bytes => ({ codec: CODEC_RAW, bytes, plainLength: bytes.length })))
  yield made(0, [], [Buffer.concat([part(128 + CODEC_COPIES, copies), Uint8Array.of(17, 0)])], 13)
  const raw = pieces.map(bytes => ({ codec: CODEC_RAW, bytes, plainLength: bytes.length }))
  const long = joinLongCopies([{ codec: CODEC_RAW, bytes: Buffer.from('xy'), plainLength: 2 }, raw[0]!], raw.slice(1))
  yield made(0, [], [Buffer.concat([part(128 + CODEC_LONG_COPIES, long), Uint8Array.of(19, 0)])], 13)
  yield made(6, [1, 0, 3, 2], [part(2, text)], 7)
  for (const width of [2, 4] as const) {
    const model = deltaModel(width, { shift: 4, bits: 3 }, -3)
    // the base that `readBlock` makes of the last byte of the input
    const base = seededBytes(2001, 1)
    const coded = encodeNumbers(mixed(base, 5), model, [1000, 1001], base)!
    const values = base.map((byte, i) => (i % width === width - 1 ? 60 + (byte & 3) : byte))
    const floats = inSegments(floatsModel(values, width, 8 * width - 9, true), values.length)
    const own = encodeNumbers(values, floats.model, [values.length], segmentsOf(values.length, floats))!
    const elements = Math.floor(values.length / width)
    const matrices = [
      { elements: 300, columns: 50, start: 20 },
      { elements: elements - 300, columns: 100, start: 0 },
    ]
    const matrixed = { model: floats.model, matrices }
    const means = meansOf(values, matrixed).means
    const inRows = encodeNumbers(values, floats.model, [values.length], contextsOf(matrixed, means), packMeans(means))!
    yield made(11, [...codedFloatsParameters(floats)], [Buffer.concat([part(128 | CODEC_NUMBERS, own), Uint8Array.of(0xd1, 7)])], 1000)
    yield made(
      13,
      [...codedMatricesParameters(matrixed)],
      [Buffer.concat([part(128 | CODEC_NUMBERS, inRows), Uint8Array.of(0xd1, 7)])],
      1000,
    )
    yield made(12, [...codedDeltaParameters(model), 4], [Buffer.concat([part(128 | CODEC_NUMBERS, coded), Uint8Array.of(0xd1, 7)])], 1000)
  }
  yield made(2, [1], [part(2, text)], 7)
  yield made(3, [1], planes(2), 4)
  yield made(3, [2], planes(2), 4)
  yield made(4, [], [part(0, Buffer.from('a,b\nc,d\n'))], 3)
  yield made(4, [44, 2, 1, 1], [part(0, Buffer.from('a,c,e,')), part(2, Buffer.from('b\nd\nf\n'))], 3)
  yield made(4, [44, 2, 2, 1], [part(0, Buffer.from('ace')), part(0, Buffer.from(',,,')), part(2, Buffer.from('b\nd\nf\n'))], 3)
  yield made(10, [], [part(0, Buffer.from('a,b\rc,d\r'))], 3)
  yield made(10, [44, 2, 1, 1], [part(0, Buffer.from('a,c,e,')), part(2, Buffer.from('b\rd\rf\r'))], 3)
  yield made(10, [10, 2, 2, 1], [part(0, Buffer.from('ace')), part(0, Buffer.from('\n\n\n')), part(2, Buffer.from('b\rd\rf\r'))], 3)
}

function scaleBytes(scale: number): Uint8Array {
  return new Uint8Array(Float64Array.of(scale).buffer)
}

/** What an encoder makes, whatever it is given. */
export const blockEncode: Target = {
  name: 'block-encode',
  // tables of contexts take as long for few bytes as for many: some 65,536 counts for each part that is tried
  workPerByte: 50_000,
  seeds: () => [
    ...[0, 1, 2, 3].flatMap(kind =>
      [
        seededText(2, 300),
        seededBytes(256, 3),
        seededBytes(2000, 3),
        Buffer.alloc(200, 'ab'),
        Buffer.from('a,b,c\n1,2,3\n'.repeat(20)),
      ].map(plain => Buffer.concat([Uint8Array.of(Math.min(kind, 2), kind, 40, kind < 3 ? 0 : 39, 1), plain])),
    ),
    // integers that change little, digits of rows of one length
    ...[8, 14].map(type => Buffer.concat([Uint8Array.of(2, 1, type, 0, 1), skewed()])),
    ...[products(), Buffer.concat([products(), Buffer.alloc(20_000)])].map(plain =>
      Buffer.concat([Uint8Array.of(2, 1, FP32, 0, 1), plain]),
    ),
  ],
  async run(input, rescue) {
    const structure = new Structure(input)
    const kind = (['general', 'compressed', 'tensor'] as const)[structure.byte() % 3]!
    const level = (['fast', 'balanced'] as const)[structure.byte() & 1]!
    const type = TYPES[structure.byte() % TYPES.length]!
    const [flags, seed] = [structure.byte(), structure.byte()]
    const record = (flags & 2) === 2 ? RECORDS[(flags >> 2) % RECORDS.length] : undefined
    const element = { ...type, record }
    const start = record && seed % recordLength(record)
    const plain = structure.rest()
    if (plain.length === 0) return
    const chunkLengths = [plain.length]
    const base = kind === 'tensor' && (flags & 1) === 1 ? { bytes: mixed(plain, seed), relation: 'delta' as const } : undefined
    // some rows, which the bytes need not have
    const whole = Math.floor(plain.length / element.width)
    const matrices = [
      { elements: whole >> 2, columns: 1 + (seed >> 3), start: seed % (1 + (seed >> 3)) },
      { elements: whole - (whole >> 2), columns: seed & 4 ? 0 : 1 + seed, start: 0 },
    ]
    const request: BlockRequest = { kind, level, ...(kind === 'tensor' ? { element, start, base, chunkLengths, matrices } : {}) }
    const zstd = await loadZstd()
    const { bytes: stored, ...layout } = encodeBlock(plain, request, zstd)
    const needed = baseScale(layout.filter) > 0 ? base!.bytes : undefined
    const again = decodeBlock(layout, stored, zstd, needed, chunkLengths)
    promise(Buffer.from(again).equals(plain), 'a block decodes to what was encoded', layout)
    promise(stored.length <= plain.length, 'a block is not larger than its content')
    if (rescue) await expectRescue(rescue, { layout, stored, chunkLengths, bases: needed ? [needed] : [] }, plain)
  },
}

/** fp32 numbers that are integers times one of two scales. */
function products(): Buffer {
  return Buffer.from(Float32Array.from(seededBytes(200, 5), (byte, i) => (byte - 128) * (i < 120 ? 0.0123 : 0.0456)).buffer)
}

/** A walk in small steps: each byte depends on the one before it. */
function skewed(): Uint8Array {
  let at = 128
  return seededBytes(SKEWED, 7).map(byte => (at += (byte % 5) - 2))
}

/** Nearly the same bytes, as a base has. */
function mixed(plain: Uint8Array, seed: number): Uint8Array {
  return plain.map((byte, i) => (i % 16 === seed % 16 ? byte ^ seed : byte))
}

/** A zstd frame, and the length that it should have. */
export const zstdFrame: Target = {
  name: 'zstd-frame',
  async seeds() {
    const zstd = await loadZstd('portable')
    return [seededText(1, 300), seededBytes(100, 1), Buffer.alloc(999, 'x'), Buffer.from('abc')].map(plain =>
      Buffer.concat([Uint8Array.of(plain.length & 255, plain.length >> 8), zstd.compress(plain, zstd.levels.balanced)]),
    )
  },
  async run(input, rescue) {
    const structure = new Structure(input)
    const plainLength = Math.max(1, structure.u16())
    const stored = structure.rest()
    const portable = await loadZstd('portable')
    const plain = decoded(() => portable.decompress(stored, plainLength))
    if (plain) promise(plain.length === plainLength, 'a frame gives the bytes that are asked for')
    if (hasNativeZstd()) {
      const native = await loadZstd('native')
      const other = decoded(() => native.decompress(stored, plainLength))
      promise((plain === undefined) === (other === undefined), 'both codecs accept the same frames')
      if (plain) promise(Buffer.from(plain).equals(other!), 'both codecs decode the same')
    }
    if (!plain || !rescue || stored.length > plainLength + 64) return
    const layout = { filter: 0, parameters: new Uint8Array(0), parts: [{ codec: CODEC_ZSTD, storedLength: stored.length, plainLength }] }
    await expectRescue(rescue, { layout, stored, chunkLengths: [plainLength], bases: [] }, plain)
  },
}
