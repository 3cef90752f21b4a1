import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MAX_BLOCK_BYTES } from '../../src/compression/limits.ts'
import { openForReading } from '../../src/repository/open/open.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { StoredFile } from '../../src/repository/read/stored-file.ts'
import { parseVersion, resolveVersion } from '../../src/repository/versions/versions.ts'
import { CountingStorage } from '../../src/storage/counting.ts'
import type { ByteRange, StorageOptions } from '../../src/storage/storage.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { planSafetensors } from '../../src/tensors/write-safetensors.ts'
import { safetensors, type Entry } from '../chunking/layouts/writers.ts'
import { withFolder } from '../helpers/folders.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { elementsOf, torchFile, writtenBy } from './tensor-files.ts'

const MiB = 1024 * 1024
const LAYERS = 48
/** Config, index, snapshot and manifest. */
const OTHER_BYTES = 256 * 1024

/** Sums up the bytes that a store gives out. */
class MeteredStorage extends CountingStorage {
  bytes = 0

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const bytes = await super.get(name, range, options)
    this.bytes += bytes.length
    return bytes
  }
}

const weights = Array.from({ length: LAYERS }, (_, i) => seededNoise(i + 1, MiB))
const asSafetensors = (): Buffer =>
  safetensors(weights.map((data, i): Entry => ({ name: `layers.${i}.weight`, dtype: 'F32', shape: [512, 512], data })))
const asTorch = (): Buffer =>
  torchFile(
    weights.map((_, i) => ({
      ...{ name: `layers.${i}.weight`, storageClass: 'FloatStorage', key: String(i), elements: MiB / 4, offset: 0 },
      ...{ shape: [512, 512], strides: [512, 1] },
    })),
    Object.fromEntries(weights.map((data, i) => [i, data])),
  )

test.each([
  // where the header lies, and the pickle and the zip directory
  ['model.safetensors', 1, asSafetensors],
  ['model.pt', 2, asTorch],
])('of a stored %s only the blocks of the header and of the tensor are read', async (name, headerBlocks, make) => {
  const model = make()
  const storage = new MeteredStorage(new MemoryStorage({ now: () => Date.now() }))
  await withFolder(async folder => {
    writeFileSync(join(folder, name), model)
    await pushFolder(contextOf(storage), folder, 'runs')
  })
  storage.bytes = 0

  const repository = await openForReading(contextOf(storage))
  const snapshot = await resolveVersion(repository, repository.view, parseVersion('runs'))
  for await (const entry of readManifest(repository, snapshot)) {
    if (entry.type !== 'file') continue
    const source = new StoredFile(repository, entry, name)
    const file = await readTensorFile(name, source)
    const plan = planSafetensors(
      file,
      file.tensors.filter(tensor => tensor.name === 'layers.11.weight'),
    )
    const { written } = await writtenBy(plan, source)
    expect((await elementsOf(written, 'layers.11.weight')).equals(weights[11]!)).toBe(true)
  }
  expect(storage.bytes).toBeGreaterThan(MiB)
  // a tensor that is smaller than a block lies in two at most
  expect(storage.bytes).toBeLessThan((headerBlocks + 2) * MAX_BLOCK_BYTES + OTHER_BYTES)
  expect(storage.bytes).toBeLessThan(model.length / 2)
})
