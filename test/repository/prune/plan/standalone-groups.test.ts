import { expect, test } from 'vitest'
import { ChunkIndex } from '../../../../src/repository/index/chunk-index.ts'
import { AS_BASE, AS_CONTENT } from '../../../../src/repository/prune/plan/choose-copies.ts'
import { findStandaloneChunks } from '../../../../src/repository/prune/plan/standalone-chunks.ts'
import { PLAIN_CHUNKS } from '../../../../src/util/chunk-keys.ts'

test('a row of bases, each of which shares a chunk with the next one, is one group, and found soon', () => {
  const count = 60_000
  // entries up to `count` are bases; the chunk after them with number i is predicted from i and i + 1
  const chosen = new Uint8Array(2 * count).fill(AS_BASE, 0, count).fill(AS_CONTENT, count)
  const bases = new Map(Array.from({ length: count - 1 }, (_, i) => [2 * count - 1 - i, [count - 2 - i, count - 1 - i]]))
  const began = performance.now()
  // the one pinned base keeps all others of its group; without that, each of them would be looked up in the index
  const found = findStandaloneChunks(new ChunkIndex(PLAIN_CHUNKS), { chosen, bases, pinned: new Set([0]) })
  expect(found.standalone.size + found.gains.size).toBe(0)
  expect(performance.now() - began).toBeLessThan(5000)
})
