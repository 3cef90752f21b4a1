import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')

/** Rooms that see bytes of chunks. */
const ROOMS = /^(repository|chunking|tensors|kernels)\//

const HASHES = /^import \{[^}]*\b(?:sha256|sha256Hex|hash|createHash|createHmac|hmac)\b[^}]*\} from/m

/** What these files hash. None of it is a chunk. */
const HASHED: Record<string, string> = {
  'kernels/fastcdc.ts': 'the text that the gear table is made of',
  'repository/bases/tensor-cache.ts': 'ids of chunks',
  'repository/bases/tensor-cache-file.ts': 'a table of a cache on this machine',
  'repository/bases/tensor-summary.ts': 'names and shapes of tensors',
  'repository/check/packs.ts': 'an object',
  'repository/format/index-object.ts': 'an object',
  'repository/format/label-and-tomb.ts': 'an object',
  'repository/format/pack.ts': 'an object, and its directory',
  'repository/format/snapshot.ts': 'an object',
  'repository/open/view.ts': 'an object',
  'repository/prune/copy.ts': 'an object',
  'repository/prune/unreadable.ts': 'an object',
  'repository/pull/unsaved-files.ts': 'ids of chunks',
  'repository/push/push.ts': 'what a line gets its id from',
  'repository/push/read-back.ts': 'objects',
  'repository/repair/repair-names.ts': 'an object',
  'repository/repair/verify-packs.ts': 'an object',
  'repository/sealing/key-object.ts': 'an object',
  'repository/sealing/keys.ts': 'what its callers say',
  'repository/sealing/recovery-code.ts': 'a secret, for a checksum',
  'repository/sealing/sealed-chunks.ts': 'chunks, with the keys of a repository',
  'repository/sealing/sealed-object.ts': 'an object',
  'repository/sealing/sealed-storage.ts': 'an object',
  'repository/source/stat-cache.ts': 'a cache on this machine',
  'repository/versions/content.ts': 'ids of chunks',
  'repository/versions/noted-version.ts': 'a note on this machine',
}

test('the pattern knows the imports', () => {
  for (const code of ["import { HASH_BYTES, sha256 } from '../util/hash.ts'", "import { createHash } from 'node:crypto'"])
    expect(code).toMatch(HASHES)
  expect("import { HASH_BYTES, toHex } from '../util/hash.ts'").not.toMatch(HASHES)
})

test('chunks get their ids from ChunkKeys alone: their SHA-256 would be wrong in an encrypted repository', () => {
  const files = (readdirSync(SRC, { recursive: true }) as string[])
    .map(name => name.replaceAll('\\', '/'))
    .filter(name => name.endsWith('.ts') && ROOMS.test(name))
  expect(files.length).toBeGreaterThan(150)
  const hashing = files.filter(name => HASHES.test(readFileSync(join(SRC, name), 'utf8')))
  expect(hashing.sort()).toEqual(Object.keys(HASHED).sort())
})
