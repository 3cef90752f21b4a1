import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectError, resultOf, runCli, type CliResult } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const NAMES = ['CONFIG', 'TOKEN', 'CREDENTIALS', 'ZSTD', 'GOOGLE_ENDPOINT'].map(name => `COLAB_ESCAPE_${name}`)
NAMES.push('GOOGLE_APPLICATION_CREDENTIALS', 'TBE_EPHEM_CREDS_ADDR', 'TBE_CREDS_ADDR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME')
const UNSET = Object.fromEntries(NAMES.map(name => [name, undefined]))

/** A person's machine with a folder `project`, in which commands run, and a folder `sub` in that. */
class Machine {
  readonly path: string
  readonly project: string
  readonly store: string

  constructor(path: string) {
    this.path = path
    this.project = join(path, 'project')
    this.store = join(path, 'repo')
    makeTree(path, { 'project/data/a.txt': 'a', 'project/sub/data/b.txt': 'b' })
  }

  run(args: readonly string[], { cwd = this.project, env = {} }: { cwd?: string; env?: Record<string, string> } = {}): Promise<CliResult> {
    return runCli(args, { cwd, env: { ...UNSET, HOME: this.path, COLAB_ESCAPE_CACHE: join(this.path, 'cache'), ...env } })
  }

  async ok(...args: string[]): Promise<CliResult> {
    const run = await this.run(args)
    expect(run.code, run.stderr + run.stdout).toBe(0)
    return run
  }

  get file(): string {
    return join(this.path, '.config/colab-escape/stores.toml')
  }
}

const onMachine = (use: (machine: Machine) => Promise<void>): Promise<void> => withFolder(path => use(new Machine(path)))

test('the store of a folder counts there and below, is told by each command that it decides for, and can be taken back', () =>
  onMachine(async machine => {
    expectError(await machine.run(['push', 'data']), 2, /No repository chosen/)
    const used = await machine.ok('use', '../repo')
    expect(used.stdout).toContain(`is now ${machine.store}.\nIt holds no repository yet`)
    const note = `note: the store is ${machine.store}, set by \`use\` in ${machine.project}\n`
    expect((await machine.ok('push', 'data')).stderr).toBe(note)
    const below = join(machine.project, 'sub')
    for (const args of [['log'], ['status', 'data'], ['push', 'data', '--name', 'below'], ['diff', 'data', './data']]) {
      const run = await machine.run(args, { cwd: below })
      expect(run.code, run.stderr).toBe(0)
      expect(run.stderr).toContain(note)
      expect(run.stderr.split('note: the store').length).toBe(2)
    }
    expectError(await machine.run(['log'], { cwd: machine.path }), 2, /No repository chosen/)
    // a folder below may have its own
    expect((await machine.run(['use', join(machine.path, 'other')], { cwd: below })).code).toBe(0)
    expect((await machine.run(['use'], { cwd: below })).stdout).toContain(`${machine.path}/other, chosen by \`use\` in ${below}`)
    expect((await machine.ok('use')).stdout).toContain(`The store here is ${machine.store}, chosen by`)
    expect((await machine.run(['use', '--unset'], { cwd: below })).stdout).toContain(`Here the store is now ${machine.store}`)
    const { hint } = expectError(await machine.run(['use', '--unset'], { cwd: below }), 5, /No store is chosen for .*sub/)
    expect(hint).toContain(`chosen for ${machine.project}: run this there`)
    await machine.ok('use', '--unset')
    expectError(await machine.run(['push', 'data']), 2, /No repository chosen/)
  }))

test('what counts: --store, then the variable, then the folder, then --global; use says so when something counts before it', () =>
  onMachine(async machine => {
    const by = async (args: string[], env: Record<string, string> = {}): Promise<unknown[]> => {
      const {
        store,
        by: why,
        where,
      } = resultOf<{ store: string; by: string; where: string | null }>(await machine.run(['use', '--json', ...args], { env }))
      return [store, why, where]
    }
    const at = (name: string): string => join(machine.path, name)
    await machine.ok('use', '--global', at('g'))
    expect(await by([])).toEqual([at('g'), 'global', null])
    const used = await machine.run(['use', at('f')])
    expect(used.stderr).toBe('')
    expect(await by([])).toEqual([at('f'), 'folder', machine.project])
    expect(await by([], { COLAB_ESCAPE_STORE: at('v') })).toEqual([at('v'), 'variable', null])
    expect(await by(['--store', at('a')], { COLAB_ESCAPE_STORE: at('v') })).toEqual([at('a'), 'argument', null])
    const own = join(machine.path, '.config/colab-escape/.env')
    writeFileSync(own, `COLAB_ESCAPE_STORE=${at('e')}\n`)
    expect(await by([])).toEqual([at('e'), 'variable', own])
    const late = await machine.run(['use', at('f')])
    expect(late.stderr).toContain(`COLAB_ESCAPE_STORE in ${own} counts before it: here the store is ${at('e')}`)
    rmSync(own)
    const everywhere = await machine.run(['use', '--global', at('g')])
    expect(everywhere.stderr).toContain(`note: here the store is ${at('f')}, chosen by \`use\` in ${machine.project}`)
    expectError(await machine.run(['use', at('f'), '--store', at('a')]), 2, /takes the store as an argument/)
  }))

describe('names', () => {
  test('one that a person gave means the store in --store, the variable and use, whatever folder there is here', () =>
    onMachine(async machine => {
      await machine.ok('use', '--name', 'usb', '../repo')
      await machine.ok('push', 'data', '--store', 'usb')
      expect(existsSync(join(machine.store, 'config.json'))).toBe(true)
      const byVariable = await machine.run(['log'], { env: { COLAB_ESCAPE_STORE: 'usb' }, cwd: machine.path })
      expect(byVariable.stdout).toContain('data')
      const used = await machine.ok('use', 'usb')
      expect(used.stdout).toContain(`usb (${machine.store}).\nIt holds a repository with 1 version of 1 name.`)
      expect(readFileSync(machine.file, 'utf8')).toContain(`"${machine.project}" = "usb"`)
      mkdirSync(join(machine.project, 'usb'))
      const told = await machine.ok('log', '--store', 'usb')
      expect(told.stderr).toBe(`note: usb is the store ${machine.store}; for the folder here write ./usb\n`)
      expectError(await machine.run(['log', '--store', './usb']), 5, /project\/usb holds no repository/)
      const inUse = expectError(await machine.run(['use', '--unset', '--name', 'usb']), 2, /The store usb is in use/)
      expect(inUse.list).toEqual([machine.project])
      await machine.ok('use', '--unset')
      await machine.ok('use', '--unset', '--name', 'usb')
      expectError(await machine.run(['use', '--unset', '--name', 'usb']), 5, /There is no store named usb/)
    }))

  test('a slip of one makes no folder', () =>
    onMachine(async machine => {
      await machine.ok('use', '--name', 'backup', '../repo')
      const { hint } = expectError(await machine.run(['push', 'data', '--store', 'bakcup']), 2, /no store and no folder named "bakcup"/)
      expect(hint).toContain('Did you mean backup?')
      expect(existsSync(join(machine.project, 'bakcup'))).toBe(false)
      // a word like no name is a folder, as ever
      await machine.ok('push', 'data', '--store', 'elsewhere')
      expect(existsSync(join(machine.project, 'elsewhere/config.json'))).toBe(true)
    }))

  test.each(['drive:', 'drive', 'gdrive', 'a/b', './a', '..', '.a', '~', 'a:b', 'a b', '', 'x'.repeat(65)])(
    'none looks like a place: %j',
    name =>
      onMachine(async machine => {
        expectError(
          await machine.run(['use', '--name', name, '../repo']),
          2,
          name === '' ? /--name is empty/ : /can't be the name of a store/,
        )
        expect(existsSync(machine.file)).toBe(false)
      }),
  )
})

describe('use keeps nothing that no push could use', () => {
  test.each([
    ['a near miss', 'gdrive:x', 2, /isn't how a place on Drive is written/],
    ['another remote', 's3://bucket/x', 2, /neither a place on Drive nor a path/],
    ["somebody else's home", '~other/x', 2, /isn't expanded/],
    ['a place on Drive without a login', 'drive:Foo', 4, /not logged in/],
    ['a folder that is not plugged in', '/media/no-such-stick/repo', 5, /\/media\/no-such-stick does not exist/],
    ['a folder with other files', 'data', 5, /is not a repository and contains other files \(a\.txt\)/],
    ['a file', 'data/a.txt', 5, /is a file, not a folder/],
  ])('%s', (_, store, code, what) =>
    onMachine(async machine => {
      expectError(await machine.run(['use', store]), code, what)
      expectError(await machine.run(['use', '--name', 'n', store]), code, what)
      expect(existsSync(machine.file)).toBe(false)
    }),
  )

  test('the home folder between quotes is expanded, and kept as an absolute path', () =>
    onMachine(async machine => {
      expect((await machine.ok('use', '~/repo')).stdout).toContain(`is now ${machine.store}.`)
      expect((await machine.ok('push', 'data', '--store', '~/repo')).stdout).toContain(`to ${machine.store}\n`)
      expect(existsSync(join(machine.project, '~'))).toBe(false)
    }))
})

describe('the file that a person edits', () => {
  test('keeps its comments, its mode and the link to it', () =>
    onMachine(async machine => {
      const real = join(machine.path, 'dotfiles.toml')
      writeFileSync(real, '# mine\n[stores]\nusb = "~/repo" # the black one\n', { mode: 0o600 })
      makeTree(machine.path, { '.config/colab-escape/x': '' })
      symlinkSync(real, machine.file)
      await machine.ok('use', 'usb')
      expect(readFileSync(real, 'utf8')).toBe(
        `# mine\n[stores]\nusb = "~/repo" # the black one\n\n[folders]\n"${machine.project}" = "usb"\n`,
      )
      expect((await machine.ok('use')).stdout).toContain(`usb (${machine.store})`)
    }))

  test.each([
    ['a line that means nothing', 'usb = ~/repo\n', /Line 1 of .*stores\.toml can't be read/],
    ['a name that there is not', 'default = "usb"\n', /Line 1 of .*: "usb" is neither the name of a store/],
    ['a path that means another folder everywhere', 'default = "./repo"\n', /Line 1 of .*: "\.\/repo" is neither/],
    ['a near miss', 'default = "gdrive:x"\n', /Line 1 of .*: "gdrive:x" isn't how a place on Drive is written/],
  ])('decides nothing while it is wrong: %s', (_, text, what) =>
    onMachine(async machine => {
      makeTree(machine.path, { '.config/colab-escape/stores.toml': text })
      expectError(await machine.run(['push', 'data']), 2, what)
      expect(existsSync(join(machine.project, 'repo'))).toBe(false)
      // a path needs no file
      await machine.ok('push', 'data', '--store', machine.store)
      const doctor = await machine.run(['doctor'])
      expect(doctor.code).toBe(1)
      expect(doctor.stdout).toMatch(/problem +store +Line 1 of/)
    }),
  )

  test('decides nothing if others can change it', () =>
    onMachine(async machine => {
      makeTree(machine.path, { '.config/colab-escape/stores.toml': 'default = "~/repo"\n' })
      chmodSync(machine.file, 0o666)
      expectError(await machine.run(['push', 'data']), 2, /stores\.toml can't be used: other users can change it/)
      expect(existsSync(machine.store)).toBe(false)
    }))

  test('is in no version, and no pull replaces it unasked', () =>
    onMachine(async machine => {
      const config = join(machine.path, 'settings')
      const env = { COLAB_ESCAPE_CONFIG: config }
      makeTree(machine.path, { 'settings/notes.txt': 'mine' })
      expect((await machine.run(['use', machine.store], { env })).code).toBe(0)
      expect((await machine.run(['push', config], { env })).code).toBe(0)
      expect((await machine.run(['ls', 'settings'], { env })).stdout).not.toContain('stores.toml')
      makeTree(machine.path, { 'theirs/stores.toml': 'default = "/tmp/theirs"\n' })
      expect((await machine.run(['push', '../theirs', '--name', 'settings'], { env })).code).toBe(0)
      const { list } = expectError(await machine.run(['pull', 'settings', config], { env }), 8, /1 local file holds content/)
      expect(list.join()).toContain('stores.toml')
      expect(readFileSync(join(config, 'stores.toml'), 'utf8')).not.toContain('theirs')
    }))
})

test('nothing in the current folder chooses a store', () =>
  onMachine(async machine => {
    for (const name of ['stores.toml', '.config/colab-escape/stores.toml', '.colab-escape/stores.toml'])
      makeTree(machine.project, { [name]: `default = "${machine.store}"\n[stores]\nusb = "${machine.store}"\n` })
    expectError(await machine.run(['push', 'data']), 2, /No repository chosen/)
    await machine.ok('push', 'data', '--store', 'usb')
    expect(existsSync(machine.store)).toBe(false)
  }))

describe('who has used stores before', () => {
  test('is offered them where none is chosen, and where none is found', () =>
    onMachine(async machine => {
      const spaced = join(machine.path, 'my stick')
      await machine.ok('push', 'data', '--store', machine.store)
      await machine.ok('push', 'data', '--store', spaced)
      // no repository was ever there
      expectError(await machine.run(['log', '--store', '../nothing']), 5, /nothing holds no repository/)
      const none = expectError(await machine.run(['log']), 2, /No repository chosen: not logged in to Drive and no --store\./)
      expect(none.list.sort()).toEqual([`colab-escape use '${spaced}'`, `colab-escape use ${machine.store}`].sort())
      expect(none.hint).toMatch(/^This machine has used the stores above before\. .*--store/)
      const lost = expectError(await machine.run(['pull', 'data', '--store', '../nothing']), 5, /holds no repository/)
      expect(lost.list).toHaveLength(2)
      const wrong = expectError(await machine.run(['prune', '--store', '../nothing']), 5, /holds no repository/)
      expect(wrong.list).toEqual(lost.list)
      rmSync(machine.store, { recursive: true })
      expect(expectError(await machine.run(['log', '--store', machine.store]), 5, /repo holds no repository/).list).toEqual([
        `colab-escape use '${spaced}'`,
      ])
    }))
})

test('config shows each setting and where it comes from, and no secret', () =>
  onMachine(async machine => {
    await machine.ok('use', '--name', 'usb', '../repo')
    await machine.ok('use', 'usb')
    const own = join(machine.path, '.config/colab-escape/.env')
    writeFileSync(own, 'COLAB_ESCAPE_TOKEN=ya29.secret-of-mine\nGOOGLE_CLIENT_SECRET=GOCSPX-mine\n')
    const env = { COLAB_ESCAPE_ZSTD: 'portable', https_proxy: 'http://me:hunter2@proxy.example:3128' }
    const run = await machine.run(['config', '--json'], { env })
    const { settings } = resultOf<{ settings: { setting: string; value: string | null; secret: boolean; from: string }[] }>(run)
    const of = (name: string): unknown[] => {
      const { value, secret, from } = settings.find(({ setting }) => setting === name)!
      return [value, secret, from]
    }
    expect(of('store')).toEqual([`usb (${machine.store})`, false, `\`use\` in ${machine.project}`])
    expect(of('store usb')).toEqual([machine.store, false, machine.file])
    expect(of('COLAB_ESCAPE_TOKEN')).toEqual([null, true, own])
    expect(of('GOOGLE_CLIENT_SECRET')).toEqual([null, true, own])
    expect(of('COLAB_ESCAPE_CACHE')).toEqual([join(machine.path, 'cache'), false, 'environment'])
    expect(of('COLAB_ESCAPE_CONFIG')).toEqual([join(machine.path, '.config/colab-escape'), false, 'default'])
    expect(of('COLAB_ESCAPE_ZSTD')).toEqual(['portable', false, 'environment'])
    expect(of('https_proxy')).toEqual(['proxy.example:3128', false, 'environment'])
    expect(of('login')).toEqual(['given access token', false, 'COLAB_ESCAPE_TOKEN or --token'])
    const human = await machine.run(['config'], { env })
    expect(human.stdout + human.stderr + run.stdout).not.toMatch(/secret-of-mine|GOCSPX|hunter2/)
    const doctor = await machine.run(['doctor'], { env: {} })
    expect(doctor.stdout).toMatch(new RegExp(`ok +chosen by +\`use\` in ${machine.project}: usb \\(${machine.store}\\)`))
  }))
