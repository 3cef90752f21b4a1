import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DOCUMENT, WITHOUT_DOCUMENT } from '../drive-emulator/discovery-document.ts'
import { startDriveEmulator } from '../drive-emulator/emulator.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { GRANULE } from '../drive-emulator/resumable.ts'

const SCRIPT = fileURLToPath(new URL('google-client.py', import.meta.url))

let emulator: DriveEmulator
let folder: string

beforeAll(async () => {
  emulator = await startDriveEmulator()
  folder = await mkdtemp(join(tmpdir(), 'google-client-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  // throws where the client and Google's description of Drive differ
  await emulator.close()
})

/** One step of google-client.py, by Debian's Python with Debian's python3-googleapi. */
async function python(step: string, ...given: string[]): Promise<Record<string, unknown>> {
  const { accessToken } = emulator.issueToken()
  const args = [SCRIPT, DOCUMENT ?? '', emulator.url, accessToken, step, ...given]
  const { stdout } = await promisify(execFile)('/usr/bin/python3', args)
  return JSON.parse(stdout) as Record<string, unknown>
}

async function localFile(name: string, bytes: Buffer): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return path
}

if (DOCUMENT === undefined) console.warn(WITHOUT_DOCUMENT)

describe.skipIf(DOCUMENT === undefined)("Google's own Python client takes the emulator for Google Drive", () => {
  it('asks who it is, and for ids', async () => {
    expect(await python('about')).toEqual({ user: { emailAddress: 'someone@example.com' }, storageQuota: { usage: '0' } })
    expect((await python('ids', '3')).ids).toHaveLength(3)
    expect(await python('drives')).toEqual({ kind: 'drive#driveList', drives: [] })
  })

  it('makes folders and files without content, renames, moves, copies and deletes them', async () => {
    const made = await python('create', JSON.stringify({ name: 'folder', mimeType: FOLDER, appProperties: { a: 'b' } }))
    expect(made).toMatchObject({ name: 'folder', mimeType: FOLDER, appProperties: { a: 'b' }, ownedByMe: true })
    const { id } = await python('create', '{"name":"empty"}')
    expect(await python('rename', String(id), 'renamed')).toEqual({ name: 'renamed' })
    expect(await python('move', String(id), String(made.id), 'root')).toEqual({ parents: [made.id] })
    expect(await python('copy', String(id), 'copy')).toMatchObject({ name: 'copy', md5Checksum: 'd41d8cd98f00b204e9800998ecf8427e' })
    expect(await python('names', `'${String(made.id)}' in parents and trashed = false`, '1')).toEqual([['copy'], ['renamed']])
    expect(await python('permissions', String(id))).toEqual({ permissions: [{ role: 'owner', emailAddress: 'someone@example.com' }] })
    expect(await python('delete', String(made.id))).toEqual({})
    expect(await python('get', String(id))).toEqual({ status: 404, why: 'notFound' })
  })

  // in its multipart bodies lines end with LF
  it.each([0, 1, 5000])('uploads %i bytes with their metadata in one request', async size => {
    const bytes = Buffer.concat([randomBytes(size), size > 0 ? Buffer.from('\r\n--x\n') : Buffer.alloc(0)])
    const { id } = await python('upload', 'whole.bin', await localFile('whole.bin', bytes), 'whole')
    const file = emulator.files.get(String(id))
    expect([file?.name, file?.content?.bytes.equals(bytes)]).toEqual(['whole.bin', true])
    expect(await python('content', String(id), 'new content')).toMatchObject({ size: '11' })
    expect(emulator.files.get(String(id))?.content?.bytes.toString()).toBe('new content')
  })

  it('uploads in resumable pieces, and downloads in ranges', async () => {
    const bytes = randomBytes(3 * GRANULE + 17)
    const source = await localFile('pieces.bin', bytes)
    const sent = await python('upload', 'pieces.bin', source, String(GRANULE))
    expect(sent).toMatchObject({ size: String(bytes.length), steps: 4 })
    expect(emulator.files.get(String(sent.id))?.content?.bytes.equals(bytes)).toBe(true)
    const target = join(folder, 'back.bin')
    expect(await python('download', String(sent.id), target, '300000')).toEqual({ steps: 3 })
    expect((await readFile(target)).equals(bytes)).toBe(true)
  })
})
