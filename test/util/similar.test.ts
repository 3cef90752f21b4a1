import { expect, test } from 'vitest'
import { mostSimilar } from '../../src/util/similar.ts'

test.each([
  ['dat', ['data', 'runs', 'images'], 'data'],
  ['dtaa', ['data', 'runs'], 'data'],
  ['Data', ['data'], 'data'],
  ['imags', ['images', 'image-net'], 'images'],
  ['checkpoint', ['checkpoints', 'checks'], 'checkpoints'],
  ['cafe\u0301', ['caf\u00e9', 'cave'], 'caf\u00e9'],
])('%j of %j means %j', (word, candidates, meant) => {
  expect(mostSimilar(word, candidates)).toBe(meant)
})

test.each([
  ['data', []],
  ['x', ['data']],
  ['abc', ['xyz']],
  ['run', ['run1', 'run2']],
  ['a'.repeat(100_000), ['a'.repeat(100_000)]],
])('%.20j of %.40j means nothing certain', (word, candidates) => {
  expect(mostSimilar(word, candidates)).toBeUndefined()
})
