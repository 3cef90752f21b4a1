import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { driveEnvironment, DriveSandbox } from '../drive/drive-cli.ts'
import { FOLDER } from '../drive-emulator/file-store.ts'
import { expectError, runCli, Sandbox, withSandbox } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'
import { whileWatching } from '../watch/running.ts'

const QUICK = ['--settle', '300ms', '--every', '100ms']

test.each(['MyDrive/colab-escape', 'My Drive/x/y', 'Shareddrives/team/z'])(
  'a store in %s of a Drive that is not mounted is refused, with what to run',
  place =>
    withFolder(async folder => {
      makeTree(join(folder, 'data'), { a: 'a' })
      // as if the mount point were there, and a name that nobody mounts Drive under
      const mountPoint = `/content/not-mounted-${process.pid}`
      const store = join(mountPoint, place)
      const run = (...args: string[]) =>
        runCli([...args, '--store', store], { cwd: folder, env: { COLAB_ESCAPE_CACHE: join(folder, 'cache') } })
      for (const args of [['push', 'data'], ['push', 'data', '--create'], ['watch', 'data'], ['log']]) {
        const { hint } = expectError(await run(...args), 1, /Google Drive is not mounted at \/content\/not-mounted/)
        expect(hint).toContain(`from google.colab import drive; drive.mount('${mountPoint}')`)
      }
      expect(existsSync(mountPoint)).toBe(false)
      const hadContent = existsSync('/content')
      mkdirSync(join(mountPoint, 'MyDrive'), { recursive: true })
      try {
        const { hint } = expectError(await run('push', 'data'), 1, /is not mounted/)
        expect(hint).toMatch(/^Move away what is in/)
        expect(readdirSync(join(mountPoint, 'MyDrive'))).toEqual([])
      } finally {
        rmSync(hadContent ? mountPoint : '/content', { recursive: true })
      }
    }),
)

test('what another push noted after this one had begun is no sign of a lost store: two first pushes at once', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '1' })
    makeTree(sandbox.in('other'), { a: '1' })
    await sandbox.ok('push', 'data')
    rmSync(sandbox.store, { recursive: true })
    const later = Date.now() / 1000 + 60
    const notes = readdirSync(sandbox.in('cache'), { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.jsonl'))
    expect(notes.length).toBeGreaterThan(0)
    for (const path of notes) utimesSync(join(sandbox.in('cache'), path), later, later)
    await sandbox.ok('push', 'other')
  }))

/** The store is lost as by an unplugged disk: its folder is gone, or the mount point is there and empty. */
test.each(['gone', 'empty'])('a store that this machine knows and that is %s is not made anew, unless it is asked for', how =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '1' })
    makeTree(sandbox.in('other'), { a: '1' })
    await sandbox.ok('push', 'data')
    renameSync(sandbox.store, sandbox.in('away'))
    if (how === 'empty') mkdirSync(sandbox.store)
    for (const args of [
      ['push', 'data'],
      ['push', 'other'],
      ['push', 'data', '--dry-run'],
      ['watch', 'data', ...QUICK],
    ]) {
      const { hint } = expectError(await sandbox.run(args), 5, /store holds no repository any more, but it had versions of data/)
      expect(hint).toMatch(/Plug in or mount .*--create/)
      expect(existsSync(sandbox.store) ? readdirSync(sandbox.store) : []).toEqual([])
    }
    if (how === 'empty') rmSync(sandbox.store, { recursive: true })
    renameSync(sandbox.in('away'), sandbox.store)
    expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'unchanged' })

    rmSync(sandbox.store, { recursive: true })
    expect(await sandbox.json('push', 'other', '--create')).toMatchObject({ outcome: 'stored' })
    // from then on it is there
    await sandbox.ok('push', 'data')
    await sandbox.ok('check', '--read-data')
  }),
)

test('a store that this machine does not know is made', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '1' })
    await sandbox.ok('push', 'data')
    const elsewhere = new Sandbox(sandbox.path, sandbox.in('elsewhere'))
    await elsewhere.ok('push', 'data')
    rmSync(sandbox.store, { recursive: true })
    const run = await sandbox.run(['push', 'data'], { env: { COLAB_ESCAPE_CACHE: sandbox.in('another-machine') } })
    expect(run.code, run.stderr).toBe(0)
  }))

test.each(['its folder', 'its config.json'])('watch never makes a second repository when %s is gone: it waits for the first', what =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('runs'), { first: '1' })
    const [from, to] =
      what === 'its folder' ? [sandbox.store, sandbox.in('away')] : [join(sandbox.store, 'config.json'), sandbox.in('away')]
    await whileWatching(sandbox, ['runs', ...QUICK, '--create'], async watch => {
      await watch.saved('first')
      renameSync(from, to)
      writeFileSync(sandbox.in('runs/second'), '2')
      await watch.next('warning', ({ message }) => /The repository in .*store is gone: .*No new one is made/.test(String(message)))
      expect(existsSync(from)).toBe(false)
      renameSync(to, from)
      await watch.next('recovered')
      await watch.saved('second')
      expect(await watch.stop()).toBe(0)
    })
    const { versions } = await sandbox.json<{ versions: object[] }>('log', 'runs')
    expect(versions).toHaveLength(2)
  }),
)

test.each(['renamed', 'trashed'])('a folder of Drive that this machine knows and that is %s is not made anew', how =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      const own = [...emulator.files.values()].find(({ name, mimeType }) => name === 'colab-escape' && mimeType === FOLDER)!
      if (how === 'renamed') own.name = 'colab-escape (old)'
      else own.trashed = true
      writeFileSync(sandbox.in('data/a'), '2')
      const [what, next] =
        how === 'renamed'
          ? [/drive:colab-escape holds no repository any more/, /auth status.*renamed or lies in the trash.*--create/]
          : [/folder of drive:colab-escape lies in Drive's trash/, /./]
      const { hint } = expectError(await sandbox.run(['push', 'data']), 5, what)
      expect(hint).toMatch(next)
      const folders = [...emulator.files.values()].filter(({ mimeType, parent }) => mimeType === FOLDER && parent !== undefined)
      expect(folders).toHaveLength(1)
      if (how === 'trashed') own.trashed = false
      await sandbox.ok('push', 'data', '--create')
    }),
  ),
)

test('watch waits for the folder of Drive that was put into the trash meanwhile', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      const login = emulator.issueToken()
      const sandbox = new DriveSandbox(emulator, folder, login)
      makeTree(sandbox.in('runs'), { first: '1' })
      await whileWatching(
        sandbox,
        ['runs', ...QUICK],
        async watch => {
          await watch.saved('first')
          const own = [...emulator.files.values()].find(({ name, mimeType }) => name === 'colab-escape' && mimeType === FOLDER)!
          own.trashed = true
          writeFileSync(sandbox.in('runs/second'), '2')
          await watch.next('warning', ({ message }) => /folder of drive:colab-escape lies in Drive's trash/.test(String(message)))
          own.trashed = false
          await watch.saved('second')
        },
        driveEnvironment(emulator, folder, login),
      )
      expect([...emulator.files.values()].filter(({ mimeType, parent }) => mimeType === FOLDER && parent !== undefined)).toHaveLength(1)
    }),
  ))
