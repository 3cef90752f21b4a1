import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DriveClient, idOf } from './client.ts'
import { startDriveEmulator } from './emulator.ts'
import type { DriveEmulator } from './emulator.ts'
import { FOLDER } from './file-store.ts'

let emulator: DriveEmulator
let client: DriveClient

beforeEach(async () => {
  emulator = await startDriveEmulator()
  client = new DriveClient(emulator)
})
afterEach(() => emulator.close())

describe('a mount of the Drive', () => {
  it('shows all files, twins side by side, and takes new ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'emulator-mount-'))
    try {
      const sub = idOf(await client.create({ name: 'sub', mimeType: FOLDER }))
      await client.multipart({ name: 'twin.txt', parents: [sub] }, Buffer.from('1'))
      await client.multipart({ name: 'twin.txt', parents: [sub] }, Buffer.from('2'))
      await client.update(idOf(await client.create({ name: 'gone' })), { trashed: true })
      await emulator.exportTo(folder)
      expect(await readdir(folder, { recursive: true })).toEqual(expect.arrayContaining(['sub', 'sub/twin (1).txt', 'sub/twin.txt']))
      expect(await readdir(folder)).toEqual(['sub'])
      expect(await readFile(join(folder, 'sub/twin.txt'), 'utf8')).toBe('1')
      emulator.addUser('other@example.com')
      await emulator.importFrom(folder, 'root', { user: 'other@example.com' })
      expect(emulator.fileAt('sub/twin (1).txt', 'other@example.com')?.content?.bytes.toString()).toBe('2')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
