import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ZipRanges } from '../../src/archive/zip-ranges.ts'

test('claims what is free, and nothing twice', () => {
  const range = fc.tuple(fc.nat(5000), fc.integer({ min: 1, max: 6 }))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 1500 }), claims => {
      const ranges = new ZipRanges()
      const taken = new Set<number>()
      for (const [start, length] of claims) {
        const bytes = Array.from({ length }, (_, i) => start + i)
        const isFree = bytes.every(byte => !taken.has(byte))
        expect(ranges.claim(start, start + length)).toBe(isFree)
        if (isFree) for (const byte of bytes) taken.add(byte)
      }
    }),
    { seed: 1, numRuns: 50 },
  )
})

test('takes no longer for a million entries in descending order', () => {
  const ranges = new ZipRanges()
  for (let i = 1_000_000; i > 0; i--) if (!ranges.claim(i * 40, i * 40 + 40)) throw new Error(String(i))
  expect(ranges.claim(80, 81)).toBe(false)
}, 20_000)
