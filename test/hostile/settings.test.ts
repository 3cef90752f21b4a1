import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { canBeNobody, eventsOf, expectError, runCli, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

const NOBODY = 65534
const asRoot = test.skipIf(process.getuid?.() !== 0)
const NAMES = ['STORE', 'CACHE', 'CONFIG', 'TOKEN', 'CREDENTIALS', 'ZSTD', 'GOOGLE_ENDPOINT'].map(name => `COLAB_ESCAPE_${name}`)
NAMES.push('GOOGLE_APPLICATION_CREDENTIALS', 'GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'NO_COLOR', 'TBE_EPHEM_CREDS_ADDR')
NAMES.push('XDG_CONFIG_HOME', 'XDG_CACHE_HOME')
const UNSET = Object.fromEntries(NAMES.map(name => [name, undefined]))

/** A person's machine: a home folder, a store of their own, and `strange`, a folder with somebody else's files. */
class Machine {
  readonly sandbox: Sandbox
  readonly home: string
  readonly strange: string
  /** The user's own `.env`. */
  readonly ownFile: string

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox
    this.home = sandbox.in('home')
    this.strange = sandbox.in('strange')
    this.ownFile = join(this.home, '.config', 'colab-escape', '.env')
    makeTree(sandbox.path, { 'home/.config/colab-escape/x': '', 'strange/data/a.txt': 'a' })
  }

  /** Runs in the strange folder. */
  run(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
    return runCli(args, { cwd: this.strange, env: { ...UNSET, HOME: this.home, ...env } })
  }

  in(name: string): string {
    return join(this.strange, name)
  }
}

const onMachine = (use: (machine: Machine) => Promise<void>): Promise<void> => withSandbox(sandbox => use(new Machine(sandbox)))

describe('A .env of the current folder decides neither where data goes nor who a command acts for', () => {
  test('not the store: a push without one is refused and says why', () =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), 'COLAB_ESCAPE_STORE=theirs\n')
      const { hint } = expectError(await machine.run(['push', 'data']), 2, /No repository chosen/)
      expect(hint).toContain('--settings-file .env')
      expect(readdirSync(machine.strange).sort()).toEqual(['.env', 'data'])
    }))

  test('not the store, the cache or the folder for settings of a push that has its own', () =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), 'COLAB_ESCAPE_STORE=theirs\nCOLAB_ESCAPE_CACHE=c\nexport COLAB_ESCAPE_CONFIG=.\n')
      const run = await machine.run(['push', 'data'], { COLAB_ESCAPE_STORE: machine.sandbox.store })
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr).toMatch(/^note: COLAB_ESCAPE_CACHE, COLAB_ESCAPE_CONFIG: not taken from \.env of the current folder/m)
      expect(run.stderr).toContain(`--settings-file .env, or move it to ${machine.ownFile}`)
      expect(readdirSync(machine.strange).sort()).toEqual(['.env', 'data'])
      expect(readdirSync(join(machine.home, '.cache', 'colab-escape'))).toContain('files')
    }))

  test.each([
    ['a token', 'COLAB_ESCAPE_TOKEN=ya29.theirs'],
    [
      'credentials',
      `COLAB_ESCAPE_CREDENTIALS='{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//theirs"}'`,
    ],
    ['a file of credentials', 'GOOGLE_APPLICATION_CREDENTIALS=theirs.json'],
    ["the address of Colab's credentials", 'TBE_EPHEM_CREDS_ADDR=127.0.0.1:9'],
  ])('not the account: %s', (_, line) =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), `${line}\n`)
      expectError(await machine.run(['auth', 'status']), 4, /You are not logged in/)
    }),
  )

  test('not the client of a login', () =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), 'GOOGLE_CLIENT_ID=theirs\nGOOGLE_CLIENT_SECRET=theirs\n')
      const { hint } = expectError(await machine.run(['auth', 'login']), 2, /No OAuth client is set/)
      expect(hint).toContain('--settings-file .env')
    }))

  test('nor what an empty HOME would make of the current folder', () =>
    onMachine(async machine => {
      makeTree(machine.strange, { '.config/colab-escape/.env': 'COLAB_ESCAPE_STORE=theirs\n' })
      chmodSync(machine.in('.config/colab-escape/.env'), 0o600)
      for (const env of [{ HOME: '' }, { XDG_CONFIG_HOME: '.config' }])
        expectError(await machine.run(['log'], { XDG_CACHE_HOME: machine.sandbox.in('cache'), ...env }), 2, /No repository chosen/)
    }))
})

describe('No .env of the current folder stops, delays or confuses a command', () => {
  test.each<[string, (path: string) => void]>([
    ['a virtualenv', path => mkdirSync(path)],
    ['a fifo', path => execFileSync('mkfifo', [path])],
    ['an endless device', path => symlinkSync('/dev/zero', path)],
    ['a terminal', path => symlinkSync('/dev/tty', path)],
    ['a link to itself', path => symlinkSync('.env', path)],
    ['a large file', path => writeFileSync(path, 'A=b\n'.repeat(1_000_000))],
    ['a codec that there is not', path => writeFileSync(path, 'COLAB_ESCAPE_ZSTD=evil\n')],
    ['a codec that not every Node has', path => writeFileSync(path, 'COLAB_ESCAPE_ZSTD=native\n')],
    ['bytes that are no text', path => writeFileSync(path, Buffer.from([0xff, 0xfe, 0, 61, 10, 0x1b, 91]))],
  ])('%s', (_, make) =>
    onMachine(async machine => {
      make(machine.in('.env'))
      const run = await machine.run(['push', 'data', '--store', machine.sandbox.store])
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr).not.toContain('\x1b')
      const completed = await machine.run(['completion', '--names', '--store', machine.sandbox.store])
      expect([completed.code, completed.stdout]).toEqual([0, 'data\n'])
    }),
  )

  test.skipIf(!canBeNobody)("one that this user may not read, and another user's", () =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), 'NO_COLOR=1\n', { mode: 0o600 })
      chownSync(machine.in('.env'), NOBODY - 1, NOBODY - 1)
      chmodSync(machine.sandbox.path, 0o755)
      const run = await runCli(['log', '--store', machine.sandbox.store], {
        cwd: machine.strange,
        env: { ...UNSET, HOME: machine.sandbox.in('nobody') },
        uid: NOBODY,
      })
      expect(run.stderr).toMatch(/^note: \.env is not used: permission denied$/m)
      expect(run.stderr).toMatch(/No repository|holds no repository|is no repository/)
    }),
  )
})

describe('Every command names the file and the variables that it takes from a settings file', () => {
  test('the own file, behind the environment, with a BOM and lines of Windows', () =>
    onMachine(async machine => {
      writeFileSync(
        machine.ownFile,
        `\uFEFFCOLAB_ESCAPE_STORE="${machine.sandbox.store}"\r\nexport COLAB_ESCAPE_CACHE=${machine.sandbox.in('c')}\r\n`,
      )
      const said = `COLAB_ESCAPE_STORE, COLAB_ESCAPE_CACHE: set by ${machine.ownFile}`
      const pushed = await machine.run(['push', 'data'])
      expect(pushed.code, pushed.stderr).toBe(0)
      expect(pushed.stderr).toContain(`note: ${said}\n`)
      expect(readdirSync(machine.sandbox.store)).toContain('config.json')
      const logged = await machine.run(['log', '--json'], { COLAB_ESCAPE_CACHE: machine.sandbox.in('d') })
      expect(eventsOf(logged)).toContainEqual({ event: 'note', message: `COLAB_ESCAPE_STORE: set by ${machine.ownFile}` })
    }))

  test('a named file, before the own file', () =>
    onMachine(async machine => {
      writeFileSync(machine.ownFile, 'COLAB_ESCAPE_STORE=/nowhere\n')
      writeFileSync(machine.in('.env'), `COLAB_ESCAPE_STORE=${machine.sandbox.store}\nNO_COLOR=1\n`)
      const run = await machine.run(['push', 'data', '--settings-file', '.env'])
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr.match(/^note: .*$/gm)).toEqual([`note: COLAB_ESCAPE_STORE, NO_COLOR: set by ${machine.in('.env')}`])
    }))

  test('what a .env of the current folder may decide', () =>
    onMachine(async machine => {
      writeFileSync(machine.in('.env'), 'COLAB_ESCAPE_ZSTD=portable\nUNRELATED=1\n')
      const run = await machine.run(['push', 'data', '--store', machine.sandbox.store])
      expect(run.stderr.match(/^note: .*$/gm)).toEqual(['note: COLAB_ESCAPE_ZSTD: set by .env of the current folder'])
    }))
})

describe('A settings file that other users can change decides nothing', () => {
  const spoilt: [string, (path: string) => void][] = [
    ['it belongs to another user', path => chownSync(path, NOBODY, NOBODY)],
    ['other users can change it', path => chmodSync(path, 0o620)],
    ['other users can change it', path => chmodSync(path, 0o602)],
    ['it is not a regular file', path => (rmSync(path), execFileSync('mkfifo', [path]))],
    ['it is not a regular file', path => (rmSync(path), symlinkSync('/dev/zero', path))],
    ['it is larger than 65536 bytes', path => writeFileSync(path, `COLAB_ESCAPE_STORE=theirs\n${'#\n'.repeat(40_000)}`)],
  ]

  asRoot.each(spoilt)('the own file: %s', (why, spoil) =>
    onMachine(async machine => {
      writeFileSync(machine.ownFile, 'COLAB_ESCAPE_STORE=theirs\n')
      spoil(machine.ownFile)
      const run = await machine.run(['push', 'data'])
      expectError(run, 2, /No repository chosen/)
      expect(run.stderr).toContain(`note: ${machine.ownFile} is not used: ${why}\n`)
    }),
  )

  asRoot.each([...spoilt, ['it is a folder', path => (rmSync(path), mkdirSync(path))] as (typeof spoilt)[0]])(
    'a named file: %s',
    (why, spoil) =>
      onMachine(async machine => {
        writeFileSync(machine.in('mine'), 'COLAB_ESCAPE_STORE=theirs\n')
        spoil(machine.in('mine'))
        const { message } = expectError(
          await machine.run(['push', 'data', '--settings-file', 'mine']),
          2,
          /--settings-file mine can't be used/,
        )
        expect(message).toContain(why)
      }),
  )

  test('a named file in a folder where others can exchange it, and a link that lies there', () =>
    onMachine(async machine => {
      writeFileSync(machine.in('mine'), 'COLAB_ESCAPE_STORE=theirs\n')
      mkdirSync(machine.in('open'))
      writeFileSync(machine.in('open/file'), 'COLAB_ESCAPE_STORE=theirs\n')
      symlinkSync(machine.in('mine'), machine.in('open/link'))
      chmodSync(machine.in('open'), 0o777)
      for (const name of ['open/file', 'open/link']) {
        const { message } = expectError(await machine.run(['push', 'data', '--settings-file', name]), 2, /can't be used/)
        expect(message).toContain('other users can replace what is in')
      }
    }))

  test('a named file that is absent', () =>
    onMachine(
      async machine =>
        void expectError(await machine.run(['log', '--settings-file', 'absent']), 2, /--settings-file absent can't be used: no such file/),
    ))
})

describe("A store is remembered only in the user's own folder for settings, and only where no other user can change it", () => {
  const theirs = (machine: Machine): string => `default = "${machine.in('theirs')}"\n[stores]\nusb = "${machine.in('theirs')}"\n`

  test('a file of stores in the current folder chooses nothing, and gives no name', () =>
    onMachine(async machine => {
      for (const name of ['stores.toml', '.config/colab-escape/stores.toml']) makeTree(machine.strange, { [name]: theirs(machine) })
      expectError(await machine.run(['push', 'data']), 2, /No repository chosen/)
      const run = await machine.run(['push', 'data', '--store', 'usb'])
      expect(run.code, run.stderr).toBe(0)
      expect(readdirSync(machine.in('usb'))).toContain('config.json')
      expect(readdirSync(machine.strange)).not.toContain('theirs')
    }))

  test('a folder in the place of a name changes nothing', () =>
    onMachine(async machine => {
      makeTree(machine.home, { '.config/colab-escape/stores.toml': `[stores]\nusb = "${machine.sandbox.store}"\n` })
      makeTree(machine.strange, { 'usb/config.json': '{"format":1}' })
      const run = await machine.run(['push', 'data', '--store', 'usb'])
      expect(run.stdout).toContain(`to ${machine.sandbox.store}\n`)
      expect(run.stderr).toContain('for the folder here write ./usb')
      expect(readdirSync(machine.in('usb'))).toEqual(['config.json'])
    }))

  asRoot.each([
    ['the file', (file: string) => chownSync(file, NOBODY, NOBODY), /it belongs to another user/],
    ['its mode', (file: string) => chmodSync(file, 0o646), /other users can change it/],
    ['its folder', (file: string) => chmodSync(dirname(file), 0o777), /other users can replace what is in/],
  ])('others could change it: %s', (_, open, why) =>
    onMachine(async machine => {
      makeTree(machine.home, { '.config/colab-escape/stores.toml': theirs(machine) })
      open(join(machine.home, '.config/colab-escape/stores.toml'))
      for (const args of [['push', 'data'], ['push', 'data', '--store', 'usb'], ['use'], ['use', machine.sandbox.store]])
        expectError(await machine.run(args), 2, why)
      expect(readdirSync(machine.strange)).toEqual(['data'])
    }),
  )

  test('a version that is pulled and a folder that is moved bring no choice with them', () =>
    onMachine(async machine => {
      expect((await machine.run(['use', machine.sandbox.store])).code).toBe(0)
      expect((await machine.run(['push', '.', '--name', 'all'])).code).toBe(0)
      const elsewhere = join(machine.home, 'moved')
      expect((await machine.run(['pull', 'all', elsewhere])).code).toBe(0)
      const run = await runCli(['push', 'data'], { cwd: elsewhere, env: { ...UNSET, HOME: machine.home } })
      expectError(run, 2, /No repository chosen/)
    }))
})
