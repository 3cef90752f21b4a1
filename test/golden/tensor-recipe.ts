import { type Entry, npy, npyHeader, safetensors, zip } from '../chunking/layouts/writers.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { pushes } from './pushes.ts'
import type { Step } from './stage.ts'
import type { TreeNode } from './trees.ts'

/** fp32 numbers spread like weights, one in 50 of them any bits at all: infinities, NaNs with payloads, denormals. */
function weights(count: number, seed: number): Uint32Array {
  const noise = seededBytes(12 * count, seed)
  const draw = new DataView(noise.buffer, noise.byteOffset)
  const values = Float32Array.from({ length: count }, (_, i) => (draw.getUint16(4 * i) + draw.getUint16(4 * i + 2) - 65_535) / 1_500_000)
  const bits = new Uint32Array(values.buffer)
  for (let i = 7; i < count; i += 50) bits[i] = draw.getUint32(4 * (count + i))
  const edges = [0x7f800000, 0xff800000, 0x7f800001, 0xffc12345, 1, 0x807fffff, 0x33000000, 0x33000001, 0x477fefff, 0x477ff000, 0x7f7fffff]
  edges.forEach((edge, i) => (bits[11 + i] = edge))
  return bits
}

/** Every number a few places off. */
function trained(bits: Uint32Array, seed: number, places: number): Uint32Array {
  const steps = seededBytes(bits.length, seed)
  return bits.map((value, i) => value + (steps[i]! % (2 * places + 1)) - places)
}

/**
 * What a training program makes of fp32: cut off rather than rounded where the value is no ordinary number, so that a
 * reader has to round the same way.
 */
function exported(bits: Uint32Array, type: 'bf16' | 'fp16'): Uint16Array {
  return Uint16Array.from(bits, value => {
    const exponent = (value >>> 23) & 0xff
    if (exponent === 0xff || exponent < 114) return value >>> 16
    if (type === 'bf16') return (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
    const small = (value & 0x7fffffff) - 0x38000000
    return ((value >>> 16) & 0x8000) | Math.min(0x7c00, (small + 0xfff + ((small >>> 13) & 1)) >>> 13)
  })
}

function doubles(bits: Uint32Array): BigUint64Array {
  return BigUint64Array.from(bits, value => 0x3f80_0000_0000_0000n + (BigInt(value) << 19n))
}

function entry(name: string, dtype: string, values: Uint8Array | Uint16Array | Uint32Array | BigUint64Array): Entry {
  return { name, dtype, shape: [values.length], data: Buffer.from(values.buffer, values.byteOffset, values.byteLength) }
}

const COUNT = 9001

/**
 * Elements of 1, 2, 4 and 8 bytes; `step` 0 is the first of the versions, each of which is a little different from the
 * one before.
 */
function model(step: number): Record<string, TreeNode> {
  let bits = weights(COUNT, 1)
  let bytes = seededBytes(20_003, 2)
  for (let i = 1; i <= step; i++) {
    const steps = seededBytes(bytes.length, 50 + i)
    bits = trained(bits, i, 3)
    bytes = bytes.map((byte, at) => byte + (steps[at]! > 240 ? 1 : 0))
  }
  const wide = doubles(bits.subarray(0, 3001))
  const shorts = Uint16Array.from(bits, value => value >>> 14)
  const stored = entry('wide', 'F64', wide)
  return {
    'model.safetensors': { file: safetensors([entry('fp32', 'F32', bits), entry('fp16', 'I16', shorts), entry('bytes', 'U8', bytes)]) },
    'arrays.npz': {
      file: zip([
        { name: 'wide.npy', data: npy(npyHeader("'<f8'", `(${wide.length},)`), stored.data) },
        { name: 'odd.npy', data: npy(npyHeader("'|u1'", `(${bytes.length},)`), bytes) },
      ]),
    },
  }
}

/** A checkpoint that is overwritten in place again and again. */
function checkpoint(step: number): Record<string, TreeNode> {
  let bits = weights(4500, 3)
  for (let i = 1; i <= step; i++) bits = trained(bits, 100 + i, 60_000)
  return { 'last.safetensors': { file: safetensors([entry('w', 'BF16', Uint16Array.from(bits, value => value >>> 16))]) } }
}

function exports(): Record<string, TreeNode> {
  const bits = weights(COUNT, 4)
  return {
    'original.safetensors': { file: safetensors([entry('w', 'F32', bits)]) },
    'half/bf16.safetensors': { file: safetensors([entry('w', 'BF16', exported(bits, 'bf16'))]) },
    'half/fp16.safetensors': { file: safetensors([entry('w', 'F16', exported(bits, 'fp16'))]) },
  }
}

export function tensorSteps(): Step[] {
  return [
    pushes('model', [0, 1, 2].map(model)),
    pushes('chain', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(checkpoint)),
    pushes('exports', [exports()]),
  ]
}
