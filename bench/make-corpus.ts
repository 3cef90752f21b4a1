// A project in five versions, made from a seed: `node scripts/run.mjs bench/make-corpus.ts <folder> [--small]`.
// Nothing in it was trained or photographed.
//   v1 data only
//   v2 a first checkpoint
//   v3 the CSV grew, a second checkpoint
//   v4 a third checkpoint, exports of the same weights, a folder renamed
//   v5 a fourth checkpoint, the first one deleted, the CSV edited in its middle
import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { crc32, deflateRawSync, deflateSync } from 'node:zlib'
import { Seeded } from './seeded.ts'

export const CORPUS_SEED = 1

/** Makes `folder`/v1 to v5, 40 to 150 MB each, or a tenth of that, and returns their paths. */
export function makeCorpus(folder: string, { small = false } = {}): string[] {
  const random = new Seeded(CORPUS_SEED)
  const scale = small ? 0.1 : 1
  const path = (version: string): string => join(folder, version)
  const [v1, v2, v3, v4, v5] = [path('v1'), path('v2'), path('v3'), path('v4'), path('v5')] as const
  const csvRows = Math.round(350_000 * scale)
  const next = (from: string, to: string): void => cpSync(from, to, { recursive: true, preserveTimestamps: true })

  const csv = new OrderTable(random)
  write(v1, 'data/orders.csv', csv.header + csv.rows(csvRows))
  write(v1, 'data/texts.jsonl', texts(random, Math.round(12_000 * scale)))
  for (let i = 0; i < 1200 * scale; i++) write(v1, `data/photos/${folderOf(i)}/${i}.jpg`, photo(random))
  for (let i = 0; i < 400 * scale; i++) write(v1, `data/masks/${folderOf(i)}/${i}.png`, mask(random))
  for (let i = 0; i < 300 * scale; i++) write(v1, `code/module_${i % 20}/part_${i}.py`, code(random))
  write(v1, 'data/embeddings.npy', npy(random, Math.round(9000 * scale), 192))

  const model = new Model(random, small ? 128 : 400)
  next(v1, v2)
  write(v2, 'runs/epoch_1.safetensors', model.checkpoint())

  next(v2, v3)
  appendFileSync(join(v3, 'data/orders.csv'), csv.rows(Math.round(csvRows * 0.04)))
  model.train(3e-4)
  write(v3, 'runs/epoch_2.safetensors', model.checkpoint())

  next(v3, v4)
  model.train(2e-4)
  write(v4, 'runs/epoch_3.safetensors', model.checkpoint())
  write(v4, 'export/model-f32.safetensors', model.weightsAs('F32'))
  write(v4, 'export/model-bf16.safetensors', model.weightsAs('BF16'))
  renameSync(join(v4, 'data/photos/07'), join(v4, 'data/photos/70'))

  next(v4, v5)
  model.train(1e-4)
  write(v5, 'runs/epoch_4.safetensors', model.checkpoint())
  rmSync(join(v5, 'runs/epoch_1.safetensors'))
  const lines = readFileSync(join(v5, 'data/orders.csv'), 'utf8').split('\n')
  const middle = lines.length >> 1
  lines[middle] = lines[middle]!.replace('2025', '2026')
  lines.splice(lines.length >> 4, 50)
  write(v5, 'data/orders.csv', lines.join('\n'))
  return [v1, v2, v3, v4, v5]
}

function write(folder: string, path: string, contents: string | Uint8Array): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, contents)
}

const folderOf = (number: number): string => String(number % 25).padStart(2, '0')

class OrderTable {
  readonly header = 'order_id,day,sku,qty,unit_price,discount,lat,lon,comment\n'
  readonly #random: Seeded
  #made = 0

  constructor(random: Seeded) {
    this.#random = random
  }

  rows(count: number): string {
    const random = this.#random
    let text = ''
    for (let i = 0; i < count; i++) {
      const order = this.#made++
      const day = `2025-${two(1 + (Math.floor(order / 30_000) % 12))}-${two(1 + (Math.floor(order / 1000) % 28))}`
      const sku = `SKU-${String(Math.floor((1 - random.fraction()) ** -0.9) % 4000).padStart(5, '0')}`
      const price = Math.exp(2.5 + 0.6 * random.normal()).toFixed(2)
      const place = `${(52 + random.normal()).toFixed(6)},${(13 + random.normal()).toFixed(6)}`
      const comment = random.pick(['', '', '', '', 'gift', 'call before delivery'])
      text += `${10_000_000 + order},${day},${sku},${random.pick([1, 1, 1, 2, 3, 5])},${price},${random.pick(['', '', '0.05', '0.10'])},${place},${comment}\n`
    }
    return text
  }
}

const two = (number: number): string => String(number).padStart(2, '0')

/** Words by rank: the first ones are frequent, as in a language. */
const VOCABULARY = (() => {
  const random = new Seeded('vocabulary')
  const syllables = Array.from({ length: 80 }, () => random.pick([...'bcdfghklmnprstvwz']) + random.pick([...'aeiou']))
  return Array.from({ length: 4000 }, (_, rank) =>
    Array.from({ length: 1 + Number(rank > 40) + Number(rank > 900) }, () => random.pick(syllables)).join(''),
  )
})()

function words(random: Seeded, count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) text += `${VOCABULARY[Math.floor(VOCABULARY.length ** random.fraction())]!} `
  return text
}

function texts(random: Seeded, count: number): string {
  let out = ''
  for (let id = 0; id < count; id++)
    out += `${JSON.stringify({ id, text: words(random, random.between(12, 200)), label: random.between(0, 5) })}\n`
  return out
}

function code(random: Seeded): string {
  let out = ''
  for (let i = random.between(10, 60); i > 0; i--)
    out += `    ${words(random, 1)}= ${words(random, 2).trim().replace(' ', '(')}, ${random.between(0, 100)})\n`
  return `def ${words(random, 1).trim()}(self):\n${out}`
}

/** 64 x 64 pixels of a wave with noise. Deflated, they look random, as the entropy-coded bytes of a photo do. */
function pixels(random: Seeded, noise: number): Buffer {
  const a = 0.02 + 0.1 * random.fraction()
  const b = 0.02 + 0.1 * random.fraction()
  const phase = 6 * random.fraction()
  const bytes = Buffer.alloc(64 * 64 * 3)
  for (let i = 0; i < bytes.length; i++) {
    const x = Math.floor(i / 3) % 64
    const y = Math.floor(i / 192)
    bytes[i] = Math.min(255, Math.max(0, 127 + 90 * Math.sin(x * a + y * b + phase + (i % 3)) + noise * random.normal()))
  }
  return bytes
}

const JPEG_HEAD = Buffer.concat([
  Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
  Buffer.from(VOCABULARY.join('').slice(0, 580)),
])

const photo = (random: Seeded): Buffer =>
  Buffer.concat([JPEG_HEAD, deflateRawSync(pixels(random, 0.7), { level: 9 }), Buffer.from([0xff, 0xd9])])

function mask(random: Seeded): Buffer {
  const bytes = pixels(random, 0)
  const lines = Array.from({ length: 64 }, (_, y) =>
    Buffer.concat([Buffer.from([0]), bytes.subarray(y * 192, (y + 1) * 192).map(byte => byte & 0xe0)]),
  )
  const chunk = (type: string, data: Buffer): Buffer => {
    const out = Buffer.alloc(12 + data.length)
    out.writeUInt32BE(data.length, 0)
    out.write(type, 4, 'latin1')
    data.copy(out, 8)
    out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length)
    return out
  }
  const head = Buffer.from('00000040000000400802000000', 'hex')
  const data = deflateSync(Buffer.concat(lines), { level: 9 })
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

function npy(random: Seeded, rows: number, columns: number): Buffer {
  const scales = Array.from({ length: columns }, () => Math.exp(random.normal()))
  const values = Float32Array.from({ length: rows * columns }, (_, i) => random.normal() * scales[i % columns]!)
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`.padEnd(117) + '\n'
  return Buffer.concat([Buffer.from('934e554d505901007600', 'hex'), Buffer.from(head, 'latin1'), bytesOf(values)])
}

const bytesOf = (array: Float32Array | Uint16Array): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength)

interface Tensor {
  shape: number[]
  values: Float32Array
}

type Tensors = Map<string, Tensor>

/** Six layers of fp32 weights and the two moments that Adam keeps of each; 4 * `width`^2 weights a layer. */
class Model {
  readonly #random: Seeded
  readonly #weights: Tensors = new Map()
  readonly #first: Tensors = new Map()
  readonly #second: Tensors = new Map()

  constructor(random: Seeded, width: number) {
    this.#random = random
    for (let layer = 0; layer < 6; layer++) {
      this.#add(`layers.${layer}.attention.weight`, [width, width], 1 / Math.sqrt(width))
      this.#add(`layers.${layer}.mlp.weight`, [3 * width, width], 0.8 / Math.sqrt(width))
      this.#add(`layers.${layer}.norm.weight`, [width], 0.02)
    }
    this.train(1e-3)
  }

  #add(name: string, shape: number[], deviation: number): void {
    const count = shape.reduce((a, b) => a * b)
    const tensor = (): Tensor => ({ shape, values: new Float32Array(count) })
    const weights = tensor()
    for (let i = 0; i < count; i++) weights.values[i] = deviation * this.#random.normal()
    this.#weights.set(name, weights)
    this.#first.set(name, tensor())
    this.#second.set(name, tensor())
  }

  /** Moves each weight by about `rate`, and the moments as that many steps would. */
  train(rate: number): void {
    for (const [name, { values }] of this.#weights) {
      const first = this.#first.get(name)!.values
      const second = this.#second.get(name)!.values
      for (let i = 0; i < values.length; i++) {
        const gradient = this.#random.normal()
        values[i]! -= rate * gradient
        first[i] = 1e-4 * (0.02 * first[i]! * 1e4 + gradient)
        second[i] = 0.96 * second[i]! + 4e-10 * gradient * gradient
      }
    }
  }

  checkpoint(): Buffer {
    const named = (tensors: Tensors, prefix: string): [string, Tensor][] => [...tensors].map(([name, tensor]) => [prefix + name, tensor])
    const all = [...named(this.#weights, 'model.'), ...named(this.#first, 'exp_avg.'), ...named(this.#second, 'exp_avg_sq.')]
    return safetensors(all.map(([name, { shape, values }]) => ({ name, shape, dtype: 'F32', bytes: bytesOf(values) })))
  }

  weightsAs(dtype: 'F32' | 'BF16'): Buffer {
    const encode = dtype === 'BF16' ? roundedToBf16 : bytesOf
    return safetensors([...this.#weights].map(([name, { shape, values }]) => ({ name, shape, dtype, bytes: encode(values) })))
  }
}

function roundedToBf16(values: Float32Array): Buffer {
  const words = new Uint32Array(values.buffer)
  return bytesOf(Uint16Array.from(words, word => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16))
}

interface NamedTensor {
  name: string
  shape: number[]
  dtype: string
  bytes: Buffer
}

function safetensors(tensors: readonly NamedTensor[]): Buffer {
  const head: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const { name, shape, dtype, bytes } of tensors) head[name] = { dtype, shape, data_offsets: [offset, (offset += bytes.length)] }
  const text = JSON.stringify(head)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...tensors.map(({ bytes }) => bytes)])
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder, ...options] = process.argv.slice(2)
  if (folder === undefined) throw new Error('usage: node scripts/run.mjs bench/make-corpus.ts <folder> [--small]')
  makeCorpus(folder, { small: options.includes('--small') })
}
