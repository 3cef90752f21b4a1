import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sizeOf } from '../drive-emulator/file-store.ts'
import { startRcloneWorld } from './rclone.ts'
import type { RcloneWorld, Run } from './rclone.ts'

const CHUNKED = ['--drive-chunk-size', '8M', '--drive-upload-cutoff', '1M']

let world: RcloneWorld
const contents = new Map<string, Buffer>()

/** Fails with what rclone said unless it left with `code`. */
function expectCode(run: Run, code = 0): Run {
  expect({ code: run.code, stderr: run.code === code ? '' : run.stderr }).toEqual({ code, stderr: '' })
  return run
}

const lines = (run: Run) => run.stdout.toString().split('\n').filter(Boolean).sort()
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

beforeAll(async () => {
  world = await startRcloneWorld(-60_000)
  for (let i = 0; i < 40; i++) contents.set(`small/d${i % 4}/file ${i} 'é.txt`, Buffer.from(`content ${i}\r\n--x\r\n`.repeat(i)))
  contents.set('big.bin', randomBytes(20 * 1024 * 1024 + 12345))
  contents.set('middle.bin', randomBytes(700_000))
  for (const [path, bytes] of contents) {
    const target = join(world.folder, 'data', path)
    await mkdir(join(target, '..'), { recursive: true })
    await writeFile(target, bytes)
  }
}, 60_000)

afterAll(async () => {
  // a parameter of the older API, and pieces by POST: both work
  expect(world.emulator.violations.filter(problem => !/setModifiedDate|a piece with POST/.test(problem))).toEqual([])
  await world.close()
})

describe("Debian's rclone takes the emulator for Google Drive", () => {
  it('refreshes its token, then copies small files whole and a big one in resumable pieces', async () => {
    const { emulator, rclone, folder } = world
    expectCode(await rclone('copy', join(folder, 'data'), 'gdrive:backup', ...CHUNKED))
    for (const [path, bytes] of contents) {
      const file = emulator.fileAt(`backup/${path}`)
      expect(file?.content?.bytes.equals(bytes), path).toBe(true)
    }
    expect(emulator.counts).toMatchObject({ 'oauth.token': 1, 'upload.start': 1, 'upload.piece': 3, 'upload.multipart': 41 })
    const pieces = emulator.requests.filter(request => request.kind === 'upload.piece')
    expect(pieces.map(({ status }) => status)).toEqual([308, 308, 200])
    expect(new Set(world.asked)).toEqual(new Set(['www.googleapis.com:443', 'oauth2.googleapis.com:443']))
    expect(emulator.requests.filter(({ status }) => status >= 400)).toEqual([])
  })

  it('finds nothing to do on a second copy and no difference by MD5', async () => {
    const { emulator, rclone, folder } = world
    emulator.resetRecords()
    expectCode(await rclone('copy', join(folder, 'data'), 'gdrive:backup', ...CHUNKED))
    const { stderr } = expectCode(await rclone('check', join(folder, 'data'), 'gdrive:backup'))
    expect(stderr).toContain('0 differences found')
    expect(stderr).toContain(`${contents.size} matching files`)
    const writes = emulator.requests.filter(({ method }) => method !== 'GET')
    expect(writes).toEqual([])
  })

  it('notices one changed byte, and sends that file again as an update', async () => {
    const { emulator, rclone, folder } = world
    const changed = Buffer.from(contents.get('middle.bin') ?? '')
    changed[1000] = (changed[1000] ?? 0) ^ 1
    contents.set('middle.bin', changed)
    await writeFile(join(folder, 'data/middle.bin'), changed)
    const id = emulator.fileAt('backup/middle.bin')?.id
    expectCode(await rclone('check', join(folder, 'data'), 'gdrive:backup'), 1)
    expectCode(await rclone('copy', join(folder, 'data'), 'gdrive:backup', ...CHUNKED))
    expect(emulator.fileAt('backup/middle.bin')).toMatchObject({ id })
    expect(emulator.fileAt('backup/middle.bin')?.content?.sum('md5')).toBe(md5(changed))
  })

  it('sends a changed big file again as a resumable update', async () => {
    const { emulator, rclone, folder } = world
    const changed = Buffer.concat([contents.get('big.bin') ?? Buffer.alloc(0), Buffer.from('more')])
    contents.set('big.bin', changed)
    await writeFile(join(folder, 'data/big.bin'), changed)
    expectCode(await rclone('copy', join(folder, 'data'), 'gdrive:backup', ...CHUNKED))
    expect(emulator.fileAt('backup/big.bin')?.content?.bytes.equals(changed)).toBe(true)
  })

  it('lists every path and its size', async () => {
    const { rclone } = world
    expect(lines(expectCode(await rclone('lsf', '-R', '--files-only', 'gdrive:backup')))).toEqual([...contents.keys()].sort())
    expect(lines(expectCode(await rclone('lsf', '--format', 'sp', '--files-only', 'gdrive:backup')))).toEqual(
      ['big.bin', 'middle.bin'].map(name => `${contents.get(name)?.length ?? 0};${name}`).sort(),
    )
    expect(lines(expectCode(await rclone('lsf', '--fast-list', '-R', '--files-only', 'gdrive:backup/small')))).toHaveLength(40)
  })

  it('reads a range, and whole files back as they were', async () => {
    const { rclone, folder } = world
    const big = contents.get('big.bin') ?? Buffer.alloc(0)
    const part = expectCode(await rclone('cat', '--offset', '1000003', '--count', '54321', 'gdrive:backup/big.bin')).stdout
    expect(part.equals(big.subarray(1000003, 1000003 + 54321))).toBe(true)
    const tail = expectCode(await rclone('cat', '--tail', '100', 'gdrive:backup/big.bin')).stdout
    expect(tail.equals(big.subarray(-100))).toBe(true)
    expectCode(await rclone('copy', 'gdrive:backup', join(folder, 'back')))
    for (const [path, bytes] of contents) expect((await readFile(join(folder, 'back', path))).equals(bytes), path).toBe(true)
  })

  it('moves and copies on the server, without sending the content', async () => {
    const { emulator, rclone } = world
    const id = emulator.fileAt('backup/middle.bin')?.id
    emulator.resetRecords()
    expectCode(await rclone('moveto', 'gdrive:backup/middle.bin', 'gdrive:moved/deep/renamed.bin'))
    expectCode(await rclone('copyto', 'gdrive:backup/big.bin', 'gdrive:backup/copy.bin'))
    expect(emulator.fileAt('backup/middle.bin')).toBeUndefined()
    expect(emulator.fileAt('moved/deep/renamed.bin')).toMatchObject({ id })
    expect(emulator.fileAt('backup/copy.bin')?.content?.bytes.equals(contents.get('big.bin') ?? Buffer.alloc(0))).toBe(true)
    expect(emulator.counts).toMatchObject({ 'files.update': 1, 'files.copy': 1 })
    expect(Object.keys(emulator.counts).filter(kind => kind.startsWith('upload.') || kind === 'media.get')).toEqual([])
  })

  it('uploads from a pipe of unknown length', async () => {
    const { emulator, rcloneWith } = world
    const big = contents.get('big.bin') ?? Buffer.alloc(0)
    emulator.resetRecords()
    expectCode(await rcloneWith(big, 'rcat', '--streaming-upload-cutoff', '0', ...CHUNKED, 'gdrive:streamed.bin'))
    expect(emulator.requests.filter(({ kind }) => kind === 'upload.piece').map(({ status }) => status)).toEqual([308, 308, 200])
    expect(emulator.fileAt('streamed.bin')?.content?.bytes.equals(big)).toBe(true)
  })

  it('tells how much is used', async () => {
    const { emulator, rclone } = world
    const about = JSON.parse(expectCode(await rclone('about', '--json', 'gdrive:')).stdout.toString()) as Record<string, number>
    const used = [...emulator.files.values()].reduce((sum, file) => sum + sizeOf(file), 0)
    expect(about).toMatchObject({ used, trashed: 0, other: 0 })
  })

  it('deletes into the trash, empties it, and purges for good', async () => {
    const { emulator, rclone } = world
    const before = emulator.files.size
    expectCode(await rclone('delete', 'gdrive:backup/small/d0'))
    expect(lines(expectCode(await rclone('lsf', 'gdrive:backup/small/d0')))).toEqual([])
    expect(emulator.files.size).toBe(before)
    expectCode(await rclone('cleanup', 'gdrive:'))
    expect(emulator.files.size).toBe(before - 10)
    expectCode(await rclone('purge', '--drive-use-trash=false', 'gdrive:backup'))
    expect(emulator.fileAt('backup')).toBeUndefined()
    expect(lines(expectCode(await rclone('lsf', '-R', '--files-only', 'gdrive:')))).toEqual(['moved/deep/renamed.bin', 'streamed.bin'])
    expectCode(await rclone('lsf', 'gdrive:backup'), 3)
  })

  it('gets through passing errors', async () => {
    const { emulator, rclone, folder } = world
    emulator.faults.add({ on: 'files.list', nth: 1, do: { status: 403, reason: 'userRateLimitExceeded' } })
    emulator.faults.add({ on: 'upload.piece', nth: 2, do: { status: 503, reason: 'backendError' } })
    expectCode(await rclone('copyto', ...CHUNKED, join(folder, 'data/big.bin'), 'gdrive:again.bin'))
    expect(emulator.fileAt('again.bin')?.content?.bytes.equals(contents.get('big.bin') ?? Buffer.alloc(0))).toBe(true)
  })
})
