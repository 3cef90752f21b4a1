import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shell } from '../archive/archives.ts'
import { DEFAULT_USER, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { SHORTCUT } from '../drive-emulator/file-store.ts'
import { eventsOf, expectError, resultOf, type CliResult } from '../helpers/cli.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { runInPty, type PtyOptions, type PtyResult } from '../helpers/pty.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { driveEnvironment, DriveSandbox, PROGRAM } from './drive-cli.ts'
import { InBrowser } from './in-browser.ts'
import { NOTHING_ABUSIVE } from './sharing-scene.ts'

const OTHER = 'other@example.com'
const PLACE = 'drive:Folder/data.tar.zst'
const PATH = 'Folder/data.tar.zst'
const TREE = { 'table.csv': seededText(1, 200_000), 'images/noise.bin': seededNoise(2, 300_000) }

interface Shared {
  id: string
  link: string
  command: string
}

class Sharer extends DriveSandbox {
  /** What a stranger gets with a printed command, in a new folder. Drive's address is the emulator's. */
  async asStranger(command: string, folder: string): Promise<PtyResult> {
    const there = command.replace('https://drive.usercontent.google.com/', `${this.emulator.url}/`)
    expect(there).not.toBe(command)
    return runInPty('/usr/bin/env', ['-i', `PATH=${process.env.PATH}`, `HOME=${folder}`, '/bin/bash', '-c', `cd ${folder} && ${there}`])
  }

  /** The program on a terminal. */
  onTerminal(args: readonly string[], options: PtyOptions = {}): Promise<PtyResult> {
    return runInPty(process.execPath, [PROGRAM, ...args.map(arg => (arg === 'data' ? this.in('data') : arg))], {
      size: { columns: 100, rows: 30 },
      env: driveEnvironment(this.emulator, this.path, this.login),
      ...options,
    })
  }

  async make(place = PLACE, ...more: string[]): Promise<void> {
    await this.ok('compress', 'data', '-o', place, ...more)
  }

  /** Who may read a file, as Drive says. */
  readers(path = PATH): string[] {
    const file = this.emulator.fileAt(path)
    return [...(file?.linkRole === undefined ? [] : [`anyone ${file.linkRole}`]), ...(file?.shares?.keys() ?? [])]
  }

  count(kind: keyof DriveEmulator['counts']): number {
    return this.emulator.counts[kind] ?? 0
  }
}

function withSharer(use: (sharer: Sharer, emulator: DriveEmulator) => Promise<void>, options: EmulatorOptions = {}): Promise<void> {
  return withDrive(options, emulator =>
    withFolder(async folder => {
      emulator.addUser(OTHER)
      makeTree(join(folder, 'data'), TREE)
      // finer times don't go into archives
      shell(join(folder, 'data'), 'find . -exec touch -d @1600000000 {} +')
      await use(new Sharer(emulator, folder), emulator)
    }),
  )
}

/** What was said, but for what it says of an outage. */
const notesOf = (run: CliResult): string =>
  run.stderr.replaceAll(/^note: (?:Drive has trouble|Drive limits|requests succeed again).*\n/gm, '')

/** The line of a receipt that downloads the file. */
const commandIn = (run: CliResult): string => /^ {4}(curl .*)$/m.exec(run.stdout)?.[1] ?? ''

for (const [format, needed] of [
  ['tar.zst', 'curl, tar and zstd'],
  ['tar.gz', 'curl and tar'],
  ['zip', 'curl and unzip'],
] as const)
  test(`a stranger unpacks a shared ${format} with the printed command, until the sharing ends`, () =>
    withSharer(async (sharer, emulator) => {
      const place = `drive:Folder/our data's -1.${format}`
      const made = await sharer.ok('compress', 'data', '-o', place, '--share', '--yes')
      const file = emulator.fileAt(place.slice('drive:'.length))!
      expect(made.stdout).toContain('  Shared: anyone with the link can read it\n')
      expect(made.stdout).toContain(`    https://drive.google.com/file/d/${file.id}/view?usp=drivesdk\n`)
      expect(made.stdout).toContain(`without colab-escape, with ${needed}:\n`)
      expect(made.stdout).toContain(`End the sharing: colab-escape share --revoke 'drive:Folder/our data'\\''s -1.${format}'\n`)
      const command = commandIn(made)
      // a connection that breaks, and a page in the place of the archive
      for (const fault of ['cut-body', { status: 200, reason: 'page' }] as const) {
        emulator.faults.add({ on: 'link.download', nth: 1, do: fault })
        const broken = await sharer.asStranger(command, await sharer.folder('broken'))
        expect(broken.exitCode, broken.output).not.toBe(0)
      }
      const got = await sharer.asStranger(command, await sharer.folder('stranger'))
      expect(got.exitCode, got.output).toBe(0)
      expectSameTree(sharer.in('stranger', 'data'), sharer.in('data'))

      expect((await sharer.ok('share', '--revoke', place)).stdout).toBe(
        `No longer shared: no link opens drive:Folder/our data's -1.${format} for everyone any more\n`,
      )
      rmSync(sharer.in('stranger'), { recursive: true })
      const refused = await sharer.asStranger(command, await sharer.folder('stranger'))
      expect(refused.exitCode, refused.output).not.toBe(0)
      expect(refused.output).toContain('404')
      expect(emulator.fileAt(place.slice('drive:'.length))).toBeDefined()
    }))

test('whoever has the program and a login unpacks a shared archive with the other printed command', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    const { stdout } = await sharer.ok('share', PLACE, '--yes')
    const [, link = ''] = /^ {4}colab-escape extract '(.*)'$/m.exec(stdout) ?? []
    const other = new Sharer(emulator, await sharer.folder('other'), emulator.issueToken({ user: OTHER }))
    await other.ok('extract', link, 'out')
    expectSameTree(other.in('out/data'), sharer.in('data'))
    await sharer.ok('share', '--revoke', PLACE)
    expectError(await other.run(['extract', link, 'again']), 5, /nothing of the id .* for this login/)
  }, NOTHING_ABUSIVE))

test('a file is shared, and closed, by its address and its id as by its path', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    const { id } = emulator.fileAt(PATH)!
    for (const place of [`https://drive.google.com/file/d/${id}/view?usp=drivesdk`, `drive:id=${id}`]) {
      const shared = await sharer.ok('share', place, '--yes')
      expect(shared.stdout).toContain(`Shared: anyone with the link can read drive:id=${id} (`)
      expect(shared.stdout).toContain('Download and unpack it without colab-escape, with curl, tar and zstd:\n')
      expect(shared.stdout).toContain(`End the sharing: colab-escape share --revoke drive:id=${id}\n`)
      expect(sharer.readers()).toEqual(['anyone reader'])
      expect((await sharer.ok('share', '--revoke', place)).stdout).toContain('No longer shared')
      expect(sharer.readers()).toEqual([])
    }
    expectError(await sharer.run(['share', `drive:id=${emulator.fileAt('Folder')!.id}`, '--yes']), 5, /is a folder/)
    expectError(await sharer.run(['share', 'drive:id=1aBcDeFgHiJkLmNoPqRsTuVwXyZ_-0123', '--yes']), 5, /nothing of the id/)
  }))

test('the link, the id and the command are in the JSON of both commands', () =>
  withSharer(async (sharer, emulator) => {
    const made = await sharer.json<{ shared: Shared }>('compress', 'data', '-o', PLACE, '--share', '--yes')
    const { id } = emulator.fileAt(PATH)!
    expect(made.shared).toMatchObject({ id, link: `https://drive.google.com/file/d/${id}/view?usp=drivesdk` })
    expect(made.shared.command).toContain(`download?id=${id}&export=download&confirm=t' | tar --zstd -xf -`)
    expect(await sharer.json('share', PLACE)).toMatchObject({
      command: 'share',
      file: PLACE,
      already: true,
      others: 0,
      shared: made.shared,
    })
    expect(await sharer.json('share', '--revoke', PLACE)).toMatchObject({ command: 'share', file: PLACE, revoked: 1 })
    expect(await sharer.json('compress', 'data', '-o', 'drive:b.zip')).not.toHaveProperty('shared')
  }))

test('on a terminal both commands ask before they do anything that others see', () =>
  withSharer(async (sharer, emulator) => {
    const compress = ['compress', 'data', '-o', PLACE, '--share']
    const answering = (answer: string): PtyOptions => ({
      type: [
        {
          after: /Share it\? \[y\/N\] $/,
          line: async () => {
            expect([sharer.count('upload.start'), sharer.count('permissions.create')]).toEqual([0, 0])
            return answer
          },
        },
      ],
    })
    for (const answer of ['', 'yesterday']) {
      const refused = await sharer.onTerminal(compress, answering(answer))
      expect(refused.output).toContain('Anyone who has the link will be able to read data.tar.zst (500 kB before compression). Share it?')
      expect(refused.output).toContain('Nothing was stored or shared.')
      expect(refused.exitCode).toBe(2)
    }
    const interrupted = await sharer.onTerminal(compress, { interruptAfter: 4, type: [{ after: /never/, line: async () => '' }] })
    expect(interrupted.exitCode, interrupted.output).toBe(130)
    expect(emulator.fileAt('Folder')).toBeUndefined()

    const made = await sharer.onTerminal(compress, answering('y'))
    expect(made.exitCode, made.output).toBe(0)
    expect(made.output).toContain('Shared: anyone with the link can read it')
    await sharer.ok('share', '--revoke', PLACE)
    emulator.resetRecords()
    const unshared = await sharer.onTerminal(['share', PLACE], answering(''))
    expect(unshared.output).toMatch(/able to read data\.tar\.zst \(\d+ kB\)\. Share it\? \[y\/N\]/)
    expect([unshared.exitCode, sharer.readers()]).toEqual([2, []])
    expect((await sharer.onTerminal(['share', PLACE], answering('YES'))).exitCode).toBe(0)
    expect(sharer.readers()).toEqual(['anyone reader'])
  }))

test('without a terminal they need --yes, and a local archive is not shared: nothing is read or sent', () =>
  withSharer(async (sharer, emulator) => {
    const missing = ['compress', 'no-such-folder']
    expect(expectError(await sharer.run([...missing, '-o', PLACE, '--share']), 2, /asks before it opens a file/).hint).toBe('Add --yes.')
    for (const output of [[], ['-o', 'data.zip'], ['-o', '-']])
      expectError(await sharer.run([...missing, ...output, '--share', '--yes']), 2, /--share is for an archive on Drive/)
    expectError(await sharer.run(['share', 'data.zip']), 2, /data\.zip is not on Drive/)
    expect(emulator.requests).toEqual([])
    await sharer.make()
    expectError(await sharer.run(['share', PLACE]), 2, /asks before it opens a file/)
    expect([sharer.readers(), sharer.count('permissions.create')]).toEqual([[], 0])
    expect((await sharer.ok('compress', 'data', '-o', PLACE, '--share', '--estimate')).stdout).not.toContain('Shared')
  }))

test('what is shared already is told, and left as it is', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    const { id } = emulator.fileAt(PATH)!
    emulator.share(id, OTHER, 'writer')
    const first = await sharer.ok('share', PLACE, '--yes')
    expect(first.stdout).toMatch(/^Shared: anyone with the link can read drive:Folder\/data\.tar\.zst \(\d+ kB\)\n/)
    expect(first.stdout).toContain('Beside that it is shared with 1 person or group by name.\n')
    const again = await sharer.ok('share', PLACE)
    expect(again.stdout).toBe(first.stdout.replace('Shared:', 'Shared already:'))
    emulator.share(id, 'anyone', 'writer')
    expect((await sharer.ok('share', PLACE)).stdout).toContain('Shared already: anyone with the link can change')
    expect(sharer.count('permissions.create')).toBe(1)
    expect(sharer.readers()).toEqual(['anyone writer', OTHER])
  }))

test('--revoke ends the access by link only, and says if there was none', () =>
  withSharer(
    async (sharer, emulator) => {
      await sharer.make(PLACE, '--share', '--yes')
      const { id } = emulator.fileAt(PATH)!
      for (const who of [OTHER, 'a@example.com', 'b@example.com']) emulator.share(id, who, 'reader')
      emulator.faults.add({ on: 'permissions.delete', nth: 1, do: 'reset-after-commit' })
      await sharer.ok('share', '--revoke', PLACE)
      expect(sharer.readers()).toEqual([OTHER, 'a@example.com', 'b@example.com'])
      const none = await sharer.ok('share', '--revoke', PLACE)
      expect(none.stdout).toBe(`Not shared: no link opens ${PLACE} for everyone\n`)
      expect(await sharer.json('share', '--revoke', PLACE)).toMatchObject({ revoked: 0 })
    },
    // the permission by link is on a later page
    { pageSizeCap: 1 },
  ))

test('of several files of one name the newest is shared, and all are closed', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    const older = emulator.fileAt(PATH)!
    const writer = await driveStorage(emulator, { path: ['Folder'] })
      .ordinaryFile('data.tar.zst')
      .create([])
    await writer.write(Buffer.from('newer'))
    await writer.finish()
    const shared = await sharer.ok('share', PLACE, '--yes')
    expect(shared.stderr).toContain(`note: There are 2 files ${PLACE}. This is about the newest.`)
    expect([older.linkRole, emulator.files.get(writer.id)!.linkRole]).toEqual([undefined, 'reader'])
    emulator.share(older.id, 'anyone', 'reader')
    emulator.faults.add({ on: 'permissions.delete', nth: 1, do: { status: 403, reason: 'insufficientFilePermissions' } })
    expectError(await sharer.run(['share', '--revoke', PLACE]), 1, /did not end the access by link/)
    // the refusal of one does not keep the other from being closed
    expect([older.linkRole, emulator.files.get(writer.id)!.linkRole]).toEqual([undefined, 'reader'])
    expect((await sharer.ok('share', '--revoke', PLACE)).stdout).toContain(`no link opens 2 files ${PLACE} for everyone any more`)
    expect(emulator.files.get(writer.id)!.linkRole).toBeUndefined()
  }))

test('a link that comes from a shared folder goes on: --revoke says so and fails', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    emulator.share(emulator.fileAt('Folder')!.id, 'anyone', 'reader')
    const refused = await sharer.run(['share', '--revoke', PLACE])
    expect(expectError(refused, 1, /Anyone with the link can still read the file: the folder/).hint).toContain(
      'a folder that is not shared',
    )
    // also if it is shared by itself, too
    emulator.share(emulator.fileAt(PATH)!.id, 'anyone', 'reader')
    expectError(await sharer.run(['share', '--revoke', PLACE]), 1, /can still read the file/)
    expect(refused.stdout).toBe('')
  }))

test('in a shared drive Drive tells what is inherited', () =>
  withDrive({}, async emulator => {
    const drive = emulator.addSharedDrive('Lab', { [DEFAULT_USER]: 'organizer', [OTHER]: 'reader' })
    const storage = driveStorage(emulator, { path: ['Folder'] })
    const file = storage.ordinaryFile('x')
    const writer = await file.create([])
    await writer.write(Buffer.from('x'))
    await writer.finish()
    emulator.drive.store.move(emulator.fileAt('Folder')!, drive)
    await file.sharing.openLink(writer.id)
    expect(await file.sharing.access(writer.id)).toMatchObject({ link: 'reader' })
    expect(await file.sharing.closeLink(writer.id)).toBe(true)
    emulator.share(drive, 'anyone', 'reader')
    const deleted = emulator.counts['permissions.delete']
    await expect(file.sharing.closeLink(writer.id)).rejects.toThrow('Anyone with the link can still read the file')
    expect(emulator.counts['permissions.delete']).toBe(deleted)
  }))

const POLICY = /organisation of this account may forbid/
const REFUSALS: [status: number, reason: string, code: number, what: RegExp, hint: RegExp][] = [
  [403, 'publishOutNotPermitted', 1, /Drive did not let anyone with the link read the file/, POLICY],
  [400, 'invalidSharingRequest', 1, /invalidSharingRequest/, POLICY],
  [403, 'cannotShareTeamDriveTopFolderWithAnyoneOrDomains', 1, /cannotShareTeamDrive/, POLICY],
  [403, 'insufficientFilePermissions', 1, /insufficientFilePermissions/, /The owner of a file decides who may share it/],
  [403, 'appNotAuthorizedToFile', 1, /appNotAuthorizedToFile/, /only files that this program has made/],
  [403, 'insufficientPermissions', 4, /insufficientPermissions/, /auth login/],
  [403, 'sharingRateLimitExceeded', 1, /sharingRateLimitExceeded/, /limits how much an account shares/],
]
for (const [status, reason, code, what, hint] of REFUSALS)
  test(`an archive whose sharing Drive refuses (${status} ${reason}) is stored, and said not to be shared`, () =>
    withSharer(async (sharer, emulator) => {
      emulator.faults.add({ on: 'permissions.create', nth: 1, times: Infinity, do: { status, reason, retryAfter: 500 } })
      const run = await sharer.run(['compress', 'data', '-o', PLACE, '--share', '--yes'])
      const error = expectError(run, code, what)
      expect(error.message).toMatch(/^drive:Folder\/data\.tar\.zst is stored, but not shared\. /)
      expect(error.hint).toMatch(hint)
      expect(error.hint).toContain(`run: colab-escape share ${PLACE}`)
      expect(run.stderr).toContain('note: Safe to disconnect')
      expect(run.stdout).toBe('')
      expect(sharer.readers()).toEqual([])
      expectError(await sharer.run(['share', PLACE, '--yes']), code, what)
      expect(emulator.fileAt(PATH)?.content?.bytes.length).toBeGreaterThan(100_000)
    }))

test('an answer that is lost is asked for again, and if none comes, nothing is claimed', () =>
  withSharer(async (sharer, emulator) => {
    emulator.faults.add({ on: 'permissions.create', nth: 1, do: 'reset-after-commit' })
    await sharer.make(PLACE, '--share', '--yes')
    expect(sharer.readers()).toEqual(['anyone reader'])
    const fault = { status: 503, reason: 'backendError', retryAfter: 900, afterCommit: true }
    emulator.faults.add({ on: 'permissions.create', nth: 1, times: Infinity, do: fault })
    const run = await sharer.run(['--json', 'compress', 'data', '-o', 'drive:b.zip', '--share', '--yes'])
    expect(run.code).toBe(1)
    expect(eventsOf(run).at(-1)).toMatchObject({ event: 'error' })
    expect(run.stdout).toContain('is stored, but perhaps not shared. ')
    expect(() => resultOf(run)).toThrow('no result event')
    expect((await sharer.ok('share', 'drive:b.zip')).stdout).toContain('Shared already')
  }))

test('what replaces a shared archive has another link: that is told, and costs no request in the usual case', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make(PLACE, '--share', '--yes')
    expect(sharer.count('permissions.list')).toBe(0)
    const replaced = await sharer.ok('compress', 'data', '-o', PLACE, '--force')
    expect(notesOf(replaced)).toBe(
      `note: The link of the ${PLACE} that was replaced no longer works. To share the new one: colab-escape share ${PLACE}\n`,
    )
    expect(sharer.readers()).toEqual([])
    const unshared = await sharer.ok('compress', 'data', '-o', PLACE, '--force', '--share', '--yes')
    expect(notesOf(unshared)).toBe('')
    const shared = await sharer.ok('compress', 'data', '-o', PLACE, '--force', '--share', '--yes')
    expect(notesOf(shared)).toBe(`note: The link of the ${PLACE} that was replaced no longer works\n`)
    expect(sharer.readers()).toEqual(['anyone reader'])
    // a login that can't tell does not keep the archive from being replaced
    emulator.faults.add({ on: 'permissions.list', nth: 1, do: { status: 403, reason: 'insufficientFilePermissions' } })
    expect(notesOf(await sharer.ok('compress', 'data', '-o', PLACE, '--force'))).toBe('')
  }))

test('folders, repositories and what is not there are not shared', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.ok('push', 'data')
    for (const place of ['drive:colab-escape', 'drive:colab-escape/', 'drive:'])
      for (const more of [['--yes'], ['--revoke']])
        expect(expectError(await sharer.run(['share', place, ...more]), 2, /is a folder on Drive/).hint).toContain('pull it and run')
    expectError(await sharer.run(['share', 'drive:no/such.zip', '--yes']), 5, /There is no file drive:no\/such\.zip on Drive/)
    expect(emulator.counts).not.toHaveProperty('permissions.create')
  }))

test('a shortcut is not taken for the file that it leads to', () =>
  withSharer(async (sharer, emulator) => {
    await sharer.make()
    const { id } = emulator.fileAt(PATH)!
    await new InBrowser(emulator).create({ name: 'short.zip', mimeType: SHORTCUT, shortcutDetails: { targetId: id } })
    emulator.share(id, 'anyone', 'reader')
    for (const more of [['--yes'], ['--revoke']])
      expectError(await sharer.run(['share', 'drive:short.zip', ...more]), 2, /short\.zip on Drive is a shortcut/)
    expect([sharer.readers(), sharer.readers('short.zip')]).toEqual([['anyone reader'], []])
  }))

test('a login for the files of this program alone shares those', () =>
  withSharer(async (sharer, emulator) => {
    const { accessToken } = emulator.issueToken({ scope: 'drive.file' })
    const limited = new Sharer(emulator, sharer.path, { accessToken })
    await limited.make(PLACE, '--share', '--yes')
    expect(limited.readers()).toEqual(['anyone reader'])
    await limited.ok('share', '--revoke', PLACE)
    await emulator.importFrom(sharer.in('data'))
    expectError(await limited.run(['share', 'drive:table.csv', '--yes']), 5, /There is no file/)
    expect((await sharer.ok('share', 'drive:table.csv', '--yes')).stdout).toMatch(/Download it without colab-escape, with curl:\n {4}curl /)
  }))
