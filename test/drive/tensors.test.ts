import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FILTER_CODED_DELTA } from '../../src/compression/coded-delta.ts'
import { FILTER_CODED_FLOATS } from '../../src/compression/coded-floats.ts'
import { FILTER_NARROW } from '../../src/compression/filters.ts'
import { openForReading } from '../../src/repository/open/open.ts'
import { sha256 } from '../../src/util/hash.ts'
import type { Entry } from '../chunking/layouts/writers.ts'
import { startDriveEmulator, type DriveEmulator } from '../drive-emulator/emulator.ts'
import { asGguf, bf16, fp32, network, npz, pt, safetensors, tuned } from '../helpers/tensors.ts'
import { makeTree } from '../helpers/trees.ts'
import { elementsOf, filesOf } from '../tensors/tensor-files.ts'
import { DriveSandbox } from './drive-cli.ts'
import { bytesOn, copyOf } from './scene.ts'

/** Just under a chunk each: four lie in a block. */
const COUNTS = Array.from({ length: 14 }, () => 260_000)
const CHOSEN = 'layers.10.weight'

const first = network(1, COUNTS)
const second = tuned(first, 2)
/** What the files of the newest version hold. */
const MODELS = {
  'model.gguf': fp32(first),
  'arrays.npz': fp32(first),
  'last.pt': fp32(second),
  'export.safetensors': bf16(second),
}

let emulator: DriveEmulator
let folder: string
let sandbox: DriveSandbox
beforeAll(async () => {
  emulator = await startDriveEmulator()
  folder = mkdtempSync(join(tmpdir(), 'colab-escape-test-'))
  sandbox = new DriveSandbox(emulator, folder)
  makeTree(sandbox.in('runs'), { 'last.pt': pt(fp32(first)), 'model.gguf': asGguf(fp32(first)), 'arrays.npz': npz(fp32(first)) })
  await sandbox.ok('push', 'runs')
  writeFileSync(sandbox.in('runs/last.pt'), pt(fp32(second)))
  writeFileSync(sandbox.in('runs/export.safetensors'), safetensors(bf16(second)))
  await sandbox.ok('push', 'runs')
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await emulator.close()
})

const chosenOf = (entries: readonly Entry[]): Entry => entries.find(({ name }) => name === CHOSEN)!

test.each([
  ['model.gguf', FILTER_CODED_FLOATS],
  ['arrays.npz', FILTER_CODED_FLOATS],
  ['last.pt', FILTER_CODED_DELTA],
  ['export.safetensors', FILTER_NARROW],
] as const)('pull --tensor takes one tensor of %s from Drive, bit by bit, by ranges', async (name, filter) => {
  const { data, dtype } = chosenOf(MODELS[name])
  // it is stored as it is meant to be tested
  const { index } = await openForReading(await copyOf(emulator))
  const entry = index.find(sha256(data.subarray(0, 1024 * 1024)))
  expect(index.blocks[index.location(entry).block]!.filter).toBe(filter)

  emulator.resetRecords()
  const out = `${name}.part`
  await sandbox.ok('pull', `runs:${name}`, '--tensor', CHOSEN, '-o', out)
  const written = readFileSync(sandbox.in(out))
  expect((await filesOf(written)).tensors).toMatchObject([{ name: CHOSEN, dtype, shape: [260_000] }])
  expect((await elementsOf(written, CHOSEN)).equals(data)).toBe(true)

  const fetched = emulator.requests.filter(({ kind }) => kind === 'media.get').reduce((sum, { responseBytes }) => sum + responseBytes, 0)
  expect(fetched).toBeGreaterThan(data.length / 4)
  expect(fetched).toBeLessThan(0.5 * bytesOn(emulator))
})

test('a tensor of an earlier version is the one of then', async () => {
  await sandbox.ok('pull', 'runs~1:last.pt', '--tensor', CHOSEN, '-o', 'earlier')
  expect((await elementsOf(readFileSync(sandbox.in('earlier')), CHOSEN)).equals(chosenOf(fp32(first)).data)).toBe(true)
})
