import { expect, test } from 'vitest'
import { EarlierFiles } from '../../../src/repository/bases/earlier-files.ts'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { sha256 } from '../../../src/util/hash.ts'

const PATHS = ['a/step-1.pt', 'a/step-2.pt', 'a/step-3.pt', 'a/step-4.pt', 'b/model.safetensors']

const chunksOf = (path: string): Buffer => Buffer.from(sha256(Buffer.from(path)))
const keyOf = (path: string): string => TensorCache.keyOf(chunksOf(path))

async function* entries(): AsyncGenerator<Entry> {
  for (const path of PATHS) yield { path, type: 'file', size: 1_000_000, mtime: 0n, mode: 0o644, chunks: chunksOf(path) }
}

test.each([
  ['a/step-1.pt', ['a/step-1.pt', 'a/step-4.pt']],
  ['a/step-4.pt', ['a/step-4.pt', 'a/step-3.pt']],
  ['a/step-5.pt', ['a/step-4.pt', 'a/step-3.pt']],
  ['b/model.safetensors', ['b/model.safetensors']],
  ['c/model.safetensors', []],
])('%s is compared with its former self and the last others of its series', async (path, expected) => {
  const cache = { keys: () => new Set(PATHS.map(keyOf)) } as unknown as TensorCache
  expect(await new EarlierFiles(cache, entries).keysFor(path)).toEqual(expected.map(keyOf))
})
