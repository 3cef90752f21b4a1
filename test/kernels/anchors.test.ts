import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ANCHORS_INPUT_BYTES, type AnchorsKernel, javascriptAnchors } from '../../src/kernels/anchors.ts'
import { loadAnchors } from '../../src/kernels/load-anchors.ts'
import { loadFields } from '../../src/kernels/load-fields.ts'
import { seededBytes, seededNoise } from '../helpers/seeded.ts'

const WEBASSEMBLY = loadAnchors()
const JAVASCRIPT = javascriptAnchors()
const KERNELS = [WEBASSEMBLY, JAVASCRIPT]

/** The anchors of `bytes`, given to the kernel in pieces of these lengths, and the rest at last. */
function anchorsIn(
  kernel: AnchorsKernel,
  bytes: Uint8Array,
  bits: number,
  pieces: readonly number[] = [],
): [place: number, hash: number][] {
  const found: [number, number][] = []
  let hash = 0
  let from = 0
  for (const length of [...pieces, bytes.length]) {
    const piece = bytes.subarray(from, from + length)
    kernel.input.set(piece)
    const result = kernel.find(piece.length, hash, bits)
    for (let i = 0; i < result.count; i++) found.push([from + kernel.anchors[2 * i]!, kernel.anchors[2 * i + 1]!])
    hash = result.hash
    from += piece.length
  }
  return found
}

describe('both kernels', () => {
  test('are what they say', () => expect(KERNELS.map(({ kind }) => kind)).toEqual(['webassembly', 'javascript']))

  test('find the same anchors, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.nat(500), { maxLength: 5 }),
        (bytes, bits, pieces) => {
          const whole = anchorsIn(JAVASCRIPT, bytes, bits)
          for (const kernel of KERNELS) expect(anchorsIn(kernel, bytes, bits, pieces)).toEqual(whole)
        },
      ),
    )
  })

  test.each(KERNELS)('find those of a string wherever it lies ($kind)', kernel => {
    const text = seededNoise(1, 5000)
    const [first, second] = [300, 70_001].map(at => {
      const bytes = Buffer.concat([seededNoise(2, at), text])
      return anchorsIn(kernel, bytes, 5)
        .filter(([place]) => place >= at + 31)
        .map(([place, hash]) => [place - at, hash])
    })
    expect(first!.length).toBeGreaterThan(100)
    expect(second).toEqual(first)
  })

  test.each(KERNELS)('take as many bytes as they say, of which each may be an anchor ($kind)', kernel => {
    const byte = Array.from({ length: 256 }, (_, value) => value).find(
      value => anchorsIn(JAVASCRIPT, new Uint8Array(100).fill(value), 1).length > 68,
    )!
    const found = anchorsIn(kernel, new Uint8Array(ANCHORS_INPUT_BYTES).fill(byte), 1)
    expect([found.length > ANCHORS_INPUT_BYTES - 32, found.at(-1)![0]]).toEqual([true, ANCHORS_INPUT_BYTES - 1])
    expect(() => kernel.find(ANCHORS_INPUT_BYTES + 1, 0, 1)).toThrow(RangeError)
    expect(() => kernel.find(1, 0, 32)).toThrow(RangeError)
  })

  test('find the same after another kernel has used the memory', () => {
    const bytes = seededBytes(20_000, 3)
    const expected = anchorsIn(JAVASCRIPT, bytes, 4)
    loadFields().split({ separator: 44, rowEnd: 10, positions: [3, 4] }, 4 * ANCHORS_INPUT_BYTES)
    expect(anchorsIn(WEBASSEMBLY, bytes, 4)).toEqual(expected)
  })
})
