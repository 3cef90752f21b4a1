import { describe, expect, test } from 'vitest'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { isComplete, readManifest } from '../../../src/repository/read/read-manifest.ts'
import { readSnapshot } from '../../../src/repository/versions/versions.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { encodeEntry } from '../../helpers/encode.ts'
import { rejection } from '../../helpers/failures.ts'
import { idOf, rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { chunksOf, fileEntry } from '../../helpers/repository/manifest-entries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'

const entries: Entry[] = [
  { path: 'd', type: 'directory', mode: 0o755, mtime: 0n },
  fileEntry('d/\udcff', chunksOf(1500), 7),
  { path: 'é', type: 'symlink', mode: 0o777, mtime: 5000n, target: 'd' },
]

/** A version with a manifest in chunks of 1,000 bytes, so that rows and characters are split between chunks. */
async function versionOf(rows: readonly Entry[], type: 'directory' | 'file' = 'directory', bytes?: number) {
  const store = new TestStore()
  const manifest = Buffer.from(rows.map(encodeEntry).join(''))
  const pieces: Buffer[] = []
  for (let at = 0; at < manifest.length; at += 1000) pieces.push(manifest.subarray(at, at + 1000))
  if (pieces.length > 0) await store.index([await store.pack([rawBlockOf(pieces)])])
  await store.snapshot('data', {
    source: { path: '/data', type },
    manifest: { bytes: bytes ?? manifest.length, chunks: pieces.map(piece => toHex(sha256(piece))) },
  })
  const source = await store.open()
  const snapshot = await readSnapshot(store.memory, source.view.inventory.snapshots[0]!)
  const read = async (): Promise<Entry[]> => {
    const got: Entry[] = []
    for await (const entry of readManifest(source, snapshot)) got.push(entry)
    return got
  }
  return { store, source, snapshot, read }
}

describe('the manifest of a version', () => {
  test('is read chunk by chunk', async () => {
    const { read } = await versionOf(entries)
    expect(await read()).toEqual(entries)
    expect(await (await versionOf([])).read()).toEqual([])
  })

  test('is refused when it has another length than the snapshot says', async () => {
    for (const bytes of [0, 1, 10_000_000]) {
      const { read, snapshot } = await versionOf(entries, 'directory', bytes)
      const error = await rejection(read(), 'corrupt')
      expect(error.message).toMatch(
        new RegExp(`^The manifest of data \\(version ${snapshot.id.slice(0, 8)}\\) is damaged: it has [\\d,]+ bytes instead of`),
      )
    }
  })

  test('of a single file is that file alone', async () => {
    const file = fileEntry('x', chunksOf(1), 1)
    expect(await (await versionOf([file], 'file')).read()).toEqual([file])
    for (const rows of [[], [file, fileEntry('y')], [entries[0]!], [entries[2]!]])
      await rejection((await versionOf(rows, 'file')).read(), 'corrupt')
  })
})

test('a version is complete when every chunk that it names is in a pack that is there', async () => {
  const whole = await versionOf([entries[0]!, fileEntry('empty'), fileEntry('x', sha256(Buffer.from('x')), 1)])
  expect(await isComplete(whole.source, whole.snapshot)).toBe(false)
  await whole.store.index([await whole.store.pack([rawBlockOf([Buffer.from('x')])])])
  expect(await isComplete(await whole.store.open(), whole.snapshot)).toBe(true)
  const missing = { ...whole.snapshot, manifest: { bytes: 1, chunks: [toHex(idOf(1))] } }
  expect(await isComplete(await whole.store.open(), missing)).toBe(false)
})
