import { safetensors } from '../chunking/layouts/writers.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { pushes } from './pushes.ts'
import type { Step } from './stage.ts'
import type { TreeNode } from './trees.ts'

function draws(count: number, seed: number): number[] {
  const bytes = seededBytes(4 * count, seed)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i) / 2 ** 32)
}

/** Rows as programs write them: quotes around text, missing values, a header, and no line feed at the end. */
function rows(count: number, seed: number, { separator, end }: { separator: string; end: string }): string {
  const header = ['id', 'day', 'price', 'place', 'note'].join(separator)
  const random = draws(4 * count, seed)
  const lines = Array.from({ length: count }, (_, i) => {
    const [price, place, kind, missing] = random.slice(4 * i, 4 * i + 4) as [number, number, number, number]
    const note = kind < 0.2 ? `"two${separator} with a quote"` : kind < 0.21 ? 'an odd " quote' : kind < 0.3 ? 'gift' : ''
    const cells = [100_000 + i, `2026-11-${String(1 + (i % 30)).padStart(2, '0')}`, missing < 0.05 ? '' : (300 * price).toFixed(2)]
    return [...cells, (50 + 4 * place).toFixed(6), note].join(separator)
  })
  return [header, ...lines].join(end)
}

function tables(step: number): Record<string, TreeNode> {
  const csv = rows(1800, 1, { separator: ',', end: '\r\n' })
  const ragged = draws(4000, 9).map(draw => ';'.repeat(Math.floor(4 * draw)) + draw.toFixed(5))
  return {
    'orders.csv': { file: step === 0 ? csv : csv.replaceAll('\r\n', '\n') },
    'orders.tsv': { file: rows(1500, 2, { separator: '\t', end: '\n' }) },
    'ragged.txt': { file: ragged.join('\n') },
    'wide.csv': { file: Array.from({ length: 60 }, (_, i) => draws(90, 20 + i).map(draw => Math.floor(256 * draw)).join(',')).join('\n') },
  }
}

/** Normal-like values, each a little off what it was a step before, the small ones by as much as the large ones. */
export function values(count: number, seed: number, step: number): number[] {
  const sums = draws(4 * count, seed)
  const steps = Array.from({ length: step }, (_, i) => draws(count, seed + 100 + i))
  return Array.from({ length: count }, (_, i) => {
    const start = (sums[4 * i]! + sums[4 * i + 1]! + sums[4 * i + 2]! + sums[4 * i + 3]! - 2) / 20
    return steps.reduce((value, noise) => value + (noise[i]! - 0.5) / 5000, start)
  })
}

export function bytesOf(array: Float32Array | Float64Array | Uint16Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}

function fp16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!
  const magnitude = (bits & 0x7fffffff) - 0x38000000
  return ((bits >>> 16) & 0x8000) | (magnitude < 0x800000 ? 0 : (magnitude + 0xfff) >>> 13)
}

function weights(step: number): Record<string, TreeNode> {
  const tensor = (name: string, dtype: string, data: Buffer, width: number) => ({ name, dtype, shape: [data.length / width], data })
  const single = Float32Array.from(values(16_001, 1, step))
  const half = new Uint32Array(Float32Array.from(values(24_000, 2, step)).buffer).map(bits => bits >>> 16)
  const entries = [
    tensor('bf16', 'BF16', bytesOf(Uint16Array.from(half)), 2),
    tensor('fp16', 'F16', bytesOf(Uint16Array.from(values(24_000, 3, step), fp16)), 2),
    tensor('fp32', 'F32', bytesOf(single), 4),
    tensor('fp32 too', 'F32', bytesOf(single.slice(7000).map(value => value * 1.5)), 4),
    tensor('fp64', 'F64', bytesOf(Float64Array.from(values(9000, 4, step))), 8),
  ]
  return { 'last.safetensors': { file: safetensors(entries) } }
}

export function tableSteps(): Step[] {
  return [pushes('tables', [0, 1].map(tables)), pushes('weights', [0, 1, 2].map(weights))]
}
