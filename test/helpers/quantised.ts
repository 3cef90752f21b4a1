import { GGML_BLOCKS } from '../../src/chunking/layouts/ggml-blocks.ts'
import { recordLength, type RecordField } from '../../src/util/element-type.ts'
import { seededRandom } from './seeded.ts'

/** Blocks of normally distributed weights, as ggml quantises them. `length` is rounded down to whole blocks. */
export function quantisedLike(
  type: 'Q8_0' | 'Q4_0' | 'Q4_K',
  seed: number,
  length: number,
): { bytes: Uint8Array; record: readonly RecordField[] } {
  const { elements, fields: record } = GGML_BLOCKS.get(type)!
  const each = recordLength(record)
  const bytes = new Uint8Array(Math.floor(length / each) * each)
  const random = seededRandom(seed)
  const normal = (): number => random() + random() + random() + random() + random() + random() - 3
  for (let at = 0; at < bytes.length; at += each) {
    const weights = Array.from({ length: elements }, () => 0.05 * normal())
    bytes.set(type === 'Q8_0' ? q8(weights) : type === 'Q4_0' ? q4(weights) : q4k(weights), at)
  }
  return { bytes, record }
}

function q8(weights: readonly number[]): number[] {
  const scale = Math.max(...weights.map(Math.abs)) / 127
  return [...half(scale), ...weights.map(weight => Math.round(weight / scale) & 255)]
}

function q4(weights: readonly number[]): number[] {
  const most = weights.reduce((best, weight) => (Math.abs(weight) > Math.abs(best) ? weight : best), 0)
  return [...half(most / -8), ...nibbles(weights.map(weight => Math.min(15, Math.trunc(weight / (most / -8) + 8.5))))]
}

/** Scales and minima of 6 bits, each in units of the greatest of its block. */
function q4k(weights: readonly number[]): number[] {
  const groups = Array.from({ length: 8 }, (_, i) => weights.slice(32 * i, 32 * i + 32))
  const minima = groups.map(group => Math.max(0, -Math.min(...group)))
  const scales = groups.map((group, i) => (Math.max(...group) + minima[i]!) / 15)
  const [unit, minUnit] = [Math.max(...scales) / 63, Math.max(...minima) / 63]
  const [s, m] = [scales.map(value => Math.round(value / unit)), minima.map(value => Math.round(value / minUnit))]
  const packed = [
    ...[0, 1, 2, 3].map(i => s[i]! | ((s[i + 4]! >> 4) << 6)),
    ...[0, 1, 2, 3].map(i => m[i]! | ((m[i + 4]! >> 4) << 6)),
    ...[4, 5, 6, 7].map(i => (s[i]! & 15) | ((m[i]! & 15) << 4)),
  ]
  const levels = groups.map((group, i) =>
    group.map(weight => Math.max(0, Math.min(15, Math.round((weight + m[i]! * minUnit) / (s[i]! * unit || 1))))),
  )
  const pairs = [0, 2, 4, 6].flatMap(i => levels[i]!.map((level, k) => level | (levels[i + 1]![k]! << 4)))
  return [...half(unit), ...half(minUnit), ...packed, ...pairs]
}

/** The first half of the levels lies in the low nibbles. */
function nibbles(levels: readonly number[]): number[] {
  return levels.slice(0, 16).map((level, i) => level | (levels[16 + i]! << 4))
}

/** An fp16 number between 2^-14 and 65504, cut off. */
function half(value: number): [number, number] {
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  const bits = (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.floor((Math.abs(value) / 2 ** exponent - 1) * 1024)
  return [bits & 255, bits >> 8]
}
