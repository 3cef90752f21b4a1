import { type Entry, gguf, npy, npyHeader, safetensors, u32, zip } from '../chunking/layouts/writers.ts'
import { seededRandom } from './seeded.ts'

/** A tensor of made-up weights. */
export interface Weights {
  name: string
  values: Float32Array
}

/** Bell-shaped, as weights are. */
export function weights(seed: number, name: string, count: number): Weights {
  const random = seededRandom(seed)
  return { name, values: Float32Array.from({ length: count }, () => (random() + random() + random() + random() - 2) * 0.05) }
}

/** A small network: tensors of several sizes, one of them of more than one chunk. */
export function network(seed: number, counts: readonly number[] = [300_000, 40_000, 5_000, 1_100, 64]): Weights[] {
  return counts.map((count, i) => weights(seed * 100 + i, `layers.${i}.weight`, count))
}

/** The same after a little more training. */
export function tuned(tensors: readonly Weights[], seed: number, rate = 1e-5): Weights[] {
  const random = seededRandom(seed)
  return tensors.map(({ name, values }) => ({ name, values: values.map(value => value + rate * (random() - 0.5)) }))
}

export function fp32(tensors: readonly Weights[]): Entry[] {
  return tensors.map(({ name, values }) => entry(name, 'F32', values.length, bytesOf(values)))
}

export function fp64(tensors: readonly Weights[]): Entry[] {
  return tensors.map(({ name, values }) => entry(name, 'F64', values.length, bytesOf(Float64Array.from(values))))
}

/** Rounded to the nearest, ties to even. */
export function bf16(tensors: readonly Weights[]): Entry[] {
  const round = (bits: number): number => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
  return tensors.map(({ name, values }) => {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
    return entry(name, 'BF16', values.length, bytesOf(Uint16Array.from(bits, round)))
  })
}

/** Rounded to the nearest, ties to even, by way of a table of all fp16 numbers between 0 and 1. */
export function fp16(tensors: readonly Weights[]): Entry[] {
  return tensors.map(({ name, values }) => entry(name, 'F16', values.length, bytesOf(Uint16Array.from(values, toFp16))))
}

function toFp16(value: number): number {
  const size = Math.abs(value)
  const exponent = Math.max(-14, Math.floor(Math.log2(size === 0 ? 1e-9 : size)))
  const steps = size / 2 ** (exponent - 10)
  const below = Math.floor(steps)
  const rest = steps - below
  const count = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
  return (value < 0 ? 0x8000 : 0) | ((exponent + 14) * 1024 + count)
}

export function int16(tensors: readonly Weights[]): Entry[] {
  return tensors.map(({ name, values }) => entry(name, 'I16', values.length, bytesOf(Int16Array.from(values, value => value * 3e4))))
}

function entry(name: string, dtype: string, count: number, data: Uint8Array): Entry {
  return { name, dtype, shape: [count], data }
}

function bytesOf(values: ArrayBufferView): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}

export { safetensors }

const STORAGES: Record<string, string> = {
  F64: 'DoubleStorage',
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  I16: 'ShortStorage',
}

/** As `torch.save` writes a dict of tensors. */
export function pt(entries: readonly Entry[], root = 'archive'): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from('X'), u32(Buffer.byteLength(value)), Buffer.from(value)])
  const number = (value: number): Buffer => Buffer.concat([Buffer.from('J'), u32(value)])
  const items = entries.map(({ name, dtype, shape }, key) =>
    Buffer.concat([
      text(name),
      Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n(('),
      text('storage'),
      Buffer.from(`ctorch\n${STORAGES[dtype]!}\n`),
      text(String(key)),
      text('cpu'),
      number(shape[0]!),
      Buffer.from('tQ'),
      number(0),
      Buffer.from('('),
      number(shape[0]!),
      Buffer.from('t('),
      number(1),
      Buffer.from('t\x89ccollections\nOrderedDict\n)RtR', 'latin1'),
    ]),
  )
  const pickle = Buffer.concat([Buffer.from('\x80\x02}(', 'latin1'), ...items, Buffer.from('u.')])
  const storages = entries.map(({ data }, key) => ({ name: `${root}/data/${key}`, data, padding: (key * 13) % 64 }))
  return zip([{ name: `${root}/data.pkl`, data: pickle }, ...storages, { name: `${root}/version`, data: Buffer.from('3\n') }])
}

const DESCRS: Record<string, string> = { F64: '<f8', F32: '<f4', F16: '<f2', I16: '<i2' }

export function npz(entries: readonly Entry[]): Buffer {
  return zip(
    entries.map(({ name, dtype, shape, data }) => ({
      name: `${name}.npy`,
      data: npy(npyHeader(`'${DESCRS[dtype] ?? '<u2'}'`, `(${shape[0]!},)`), data),
    })),
  )
}

const GGUF_TYPES: Record<string, number> = { F32: 0, F16: 1, I16: 25, F64: 28, BF16: 30 }

export function asGguf(entries: readonly Entry[]): Buffer {
  return gguf(entries.map(({ name, dtype, shape, data }) => ({ name, shape, type: GGUF_TYPES[dtype]!, data })))
}

/** Weights under training, and what Adam knows of their gradients. */
export interface Trained {
  model: Weights[]
  optimizer: Weights[]
}

/** What a training has after each of `steps` steps of Adam on noisy gradients. */
export function adamSteps(model: readonly Weights[], steps: number, rate: number): Trained[] {
  const random = seededRandom(steps)
  const states: Trained[] = []
  const named = (kind: string): Weights[] =>
    model.map(({ name, values }) => ({ name: `${kind}.${name}`, values: new Float32Array(values.length) }))
  let [averages, squares] = [named('exp_avg'), named('exp_avg_sq')] as [Weights[], Weights[]]
  let weights: readonly Weights[] = model
  for (let step = 1; step <= steps; step++) {
    const gradients = weights.map(({ values }) => values.map(value => 0.01 * value + 1e-3 * (random() + random() + random() - 1.5)))
    averages = averages.map(({ name, values }, i) => ({ name, values: values.map((value, k) => 0.9 * value + 0.1 * gradients[i]![k]!) }))
    squares = squares.map(({ name, values }, i) => ({
      name,
      values: values.map((value, k) => 0.999 * value + 0.001 * gradients[i]![k]! ** 2),
    }))
    const [average, square] = [1 - 0.9 ** step, 1 - 0.999 ** step]
    const change = (i: number, k: number): number => averages[i]!.values[k]! / average / (Math.sqrt(squares[i]!.values[k]! / square) + 1e-8)
    weights = weights.map(({ name, values }, i) => ({ name, values: values.map((value, k) => value - rate * change(i, k)) }))
    states.push({ model: [...weights], optimizer: [...averages, ...squares] })
  }
  return states
}
