import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { CallKind } from '../drive-emulator/call.ts'
import { startDriveEmulator, type DriveEmulator } from '../drive-emulator/emulator.ts'
import { quietDriveOnly } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree } from '../helpers/trees.ts'
import { machine, type MachineOptions } from './machine.ts'

const FILES = 600
const FILE_BYTES = 11_700

/** Small files that don't compress, as images are: 7 MB in two packs. */
function makeImages(folder: string): void {
  const noise = seededNoise(1, FILES * 16 + FILE_BYTES)
  for (let i = 0; i < FILES; i++) {
    const path = join(folder, `class-${i % 10}`)
    mkdirSync(path, { recursive: true })
    writeFileSync(
      join(path, `${i}.jpg`),
      noise.subarray(i * 16, i * 16 + FILE_BYTES - (i % 7)).map(byte => byte ^ (i * 31)),
    )
  }
}

type Counts = Partial<Record<CallKind, number>>

const total = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

let emulator: DriveEmulator
beforeAll(async () => {
  emulator = await startDriveEmulator()
})
afterAll(() => emulator.close())

/** The requests of a machine that knows nothing and has an access token. */
async function requestsOf(options: MachineOptions, use: (context: ReturnType<typeof machine>) => Promise<unknown>): Promise<Counts> {
  emulator.resetRecords()
  await use(machine(emulator, options))
  expect(emulator.requests.filter(({ status }) => status >= 400 || status === 0)).toEqual([])
  return emulator.counts
}

/** Requests that the work itself takes; listings come on top. */
const WORK = {
  first: { 'files.generateIds': 1, 'upload.multipart': 5 },
  later: { 'files.generateIds': 1, 'upload.multipart': 3, 'media.get': 2 },
  unchanged: { 'media.get': 2 },
  // index, snapshot and two packs, one of which holds the manifest too
  pull: { 'media.get': 4 },
  // the manifest and some files then lie in one pack more
  pullOfMany: { 'media.get': 5 },
}

describe.each([
  // [where, folders to look through, targets of design: first push, later push, nothing changed, pull]
  { where: ['colab-escape'], most: { first: 14, later: 9, unchanged: 4, pull: 8 } },
  // a folder inside another one costs one listing more each time, and one more creation the first time
  { where: ['A', 'B'], most: { first: 15, later: 10, unchanged: 5, pull: 9 } },
])('600 small files, 7 MB, in $where', ({ where, most }) => {
  quietDriveOnly('take few requests, whoever pushes or pulls them', () =>
    withFolder(async folder => {
      const data = join(folder, 'data')
      makeImages(data)
      const listings = { 'files.list': where.length + 1 }
      // a push that has stored something lists it at its end
      const listingsOfPush = { 'files.list': where.length + 2 }
      const at = { path: where }
      const push = (context: ReturnType<typeof machine>) => pushFolder(context, data, 'data')

      const first = await requestsOf(at, push)
      // nothing is there: one look from My Drive down, and one at the end
      expect(first).toEqual({ ...WORK.first, 'files.list': 2, 'files.create': where.length })
      expect(total(first)).toBeLessThanOrEqual(most.first)

      const pull = await requestsOf(at, context => pullVersion(context, 'data', join(folder, 'first')))
      expect(pull).toEqual({ ...WORK.pull, ...listings })
      expect(total(pull)).toBeLessThanOrEqual(most.pull)
      expectSameTree(join(folder, 'first'), data)

      writeFileSync(join(data, 'class-3', '13.jpg'), 'changed')
      const later = await requestsOf(at, push)
      expect(later).toEqual({ ...WORK.later, ...listingsOfPush })
      expect(total(later)).toBeLessThanOrEqual(most.later)

      // nor does it cost more when there are many versions
      for (let version = 3; version <= 6; version++) {
        writeFileSync(join(data, 'class-3', '13.jpg'), `changed ${version}`)
        expect(await requestsOf(at, push)).toEqual(later)
      }

      const unchanged = await requestsOf(at, push)
      expect(unchanged).toEqual({ ...WORK.unchanged, ...listings })
      expect(total(unchanged)).toBeLessThanOrEqual(most.unchanged)

      const pullOfMany = await requestsOf(at, context => pullVersion(context, 'data', join(folder, 'out')))
      expect(pullOfMany).toEqual({ ...WORK.pullOfMany, ...listings })
      expect(total(pullOfMany)).toBeLessThanOrEqual(most.pull)
      expectSameTree(join(folder, 'out'), data)
    }),
  )
})
