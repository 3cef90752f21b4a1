import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectError, Sandbox, withSandbox, type CliResult } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { fp32, network, safetensors } from '../helpers/tensors.ts'
import { makeTree } from '../helpers/trees.ts'

const PASSWORD = 'correct horse battery'

/** A machine of its own, with its own settings and caches. */
class Machine extends Sandbox {
  readonly name: string

  constructor(path: string, name = 'machine') {
    super(path)
    this.name = name
  }

  as(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<CliResult> {
    const own = { COLAB_ESCAPE_CONFIG: this.in(this.name, 'config'), COLAB_ESCAPE_CACHE: this.in(this.name, 'cache') }
    return this.run(args, { env: { ...own, COLAB_ESCAPE_PASSWORD: PASSWORD, ...env } })
  }

  async must(...args: string[]): Promise<CliResult> {
    const run = await this.as(args)
    expect(run.code, `${args.join(' ')}\n${run.stderr}${run.stdout}`).toBe(0)
    return run
  }

  objects(prefix = ''): string[] {
    return readdirSync(this.store).filter(name => name.startsWith(prefix))
  }
}

/** Names, times and bytes of all that is in a folder. */
const stateOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder).map(name => [name, `${statSync(join(folder, name)).mtimeMs} ${readFileSync(join(folder, name), 'base64')}`]),
  )

let made: string
let release: () => void
let done: Promise<void>

// two versions of `data`, pushed by the machine `machine`
beforeAll(async () => {
  await new Promise<void>((resolve, reject) => {
    done = withFolder(async folder => {
      const owner = new Machine(folder)
      makeTree(owner.in('data'), { 'a.txt': 'first', 'noise.bin': seededNoise(1, 100_000) })
      await owner.must('push', 'data', '--encrypt', '-q')
      makeTree(owner.in('data'), { 'a.txt': 'second' })
      await owner.must('push', 'data')
      made = folder
      await new Promise<void>(end => {
        release = end
        resolve()
      })
    })
    done.catch(reject)
  })
})
afterAll(() => {
  release()
  return done
})

/** A copy of that repository, and of what the machine remembers of it if it has the same place. */
const withCopy = (use: (machine: Machine) => Promise<void>): Promise<void> =>
  withSandbox(async ({ path }) => {
    cpSync(join(made, 'data'), join(path, 'data'), { recursive: true, preserveTimestamps: true })
    cpSync(join(made, 'store'), join(path, 'store'), { recursive: true, preserveTimestamps: true })
    const machine = new Machine(path)
    await use(machine)
  })

function expectPulled(machine: Machine): void {
  for (const name of ['a.txt', 'noise.bin']) expect(readFileSync(machine.in('out', name))).toEqual(readFileSync(machine.in('data', name)))
}

const COMMANDS = [
  ['push', 'data'],
  ['push', 'data', '--encrypt'],
  ['push', 'data', '--create'],
  ['pull', 'data', 'out'],
  ['ls'],
  ['log'],
  ['cat', 'data:a.txt'],
  ['check', '--read-data'],
  ['forget', 'data', '--keep-last', '1', '--yes'],
  ['prune', '--now', '--yes'],
  ['repair'],
  ['tag', 'data', 'best'],
  ['rename', 'data', 'runs'],
  ['key', 'list'],
  ['key', 'add'],
  ['key', 'change'],
  ['key', 'recovery'],
  ['key', 'remember'],
  ['key', 'remove', '0000'],
]

describe('A wrong password or another key reads, writes and deletes nothing', () => {
  test.each(COMMANDS.map(args => [args.join(' '), args] as const))('%s', (_, args) =>
    withCopy(async machine => {
      const before = stateOf(machine.store)
      for (const password of ['correct horse', undefined]) {
        const run = await machine.as(args, { COLAB_ESCAPE_PASSWORD: password, COLAB_ESCAPE_NEW_PASSWORD: 'another-long-one' })
        expectError(
          run,
          4,
          password === undefined
            ? /is encrypted, and no password was given|The password that is to be changed was not given/
            : /does not open the repository/,
        )
        expect(stateOf(machine.store)).toEqual(before)
      }
      expect([existsSync(machine.in('out')), existsSync(machine.in('machine', 'config'))]).toEqual([false, false])
    }),
  )

  test('a repository that was exchanged for another one', () =>
    withCopy(async machine => {
      await machine.must('ls')
      await machine.must('key', 'remember')
      const other = new Machine(machine.in('other'))
      makeTree(other.in('data'), { 'a.txt': 'of somebody who knows the password' })
      await other.must('push', 'data', '--encrypt', '-q')
      rmSync(machine.store, { recursive: true })
      renameSync(other.store, machine.store)
      const before = stateOf(machine.store)
      for (const args of [
        ['push', 'data'],
        ['pull', 'data', 'out'],
        ['prune', '--now', '--yes'],
        ['push', 'data', '--create', '--encrypt'],
      ])
        expectError(await machine.as(args), 1, /has another master key than the one that this machine used there/)
      expect([stateOf(machine.store), existsSync(machine.in('out'))]).toEqual([before, false])
    }))

  test('key objects that are damaged, deleted, of another repository, or of two', () =>
    withCopy(async machine => {
      const [key] = machine.objects('key-') as [string]
      const [feature] = machine.objects('feature-') as [string]
      const bytes = readFileSync(machine.in('store', key))
      const refused = async (what: RegExp): Promise<void> => {
        const before = stateOf(machine.store)
        for (const args of [['push', 'data'], ['ls'], ['prune', '--now', '--yes']]) {
          const run = await machine.as(args)
          expect(run.stderr, args.join(' ')).toMatch(what)
          expect([run.code === 0, stateOf(machine.store)]).toEqual([false, before])
        }
      }
      for (const at of [0, 30, 200, bytes.length - 3]) {
        const changed = Buffer.from(bytes)
        changed[at]! ^= 1
        writeFileSync(machine.in('store', key), changed)
        await refused(/does not match the checksum in its name/)
      }
      rmSync(machine.in('store', key))
      await refused(/is encrypted, and no key of it is there/)
      writeFileSync(machine.in('store', key), bytes)
      const other = feature.slice(0, -16) + '0123456789abcdef'
      writeFileSync(machine.in('store', other), '')
      await refused(/was made an encrypted repository twice/)
      rmSync(machine.in('store', feature))
      await refused(/no key of it is there/)
    }))
})

describe('Nothing is stored without encryption where this machine has used an encrypted repository', () => {
  const losses: [string, (machine: Machine) => void][] = [
    ['lost its feature', machine => machine.objects('feature-').forEach(name => rmSync(machine.in('store', name)))],
    [
      'lost its feature and keys',
      machine =>
        machine
          .objects('')
          .filter(name => /^(feature|key)-/.test(name))
          .forEach(name => rmSync(machine.in('store', name))),
    ],
    [
      'lost its config too',
      machine =>
        machine
          .objects('')
          .filter(name => /^(feature|key|config)/.test(name))
          .forEach(name => rmSync(machine.in('store', name))),
    ],
    ['lost everything', machine => machine.objects('').forEach(name => rmSync(machine.in('store', name)))],
    ['is gone', machine => rmSync(machine.store, { recursive: true })],
  ]
  const notes: [string, (file: string) => void][] = [
    ['whole', () => undefined],
    ['damaged', file => writeFileSync(file, '{"loc')],
    ['empty', file => writeFileSync(file, '')],
  ]
  test.each(losses.flatMap(loss => notes.map(note => [loss[0], note[0], loss[1], note[1]] as const)))(
    'a store that %s, and a note that is %s',
    (_, __, lose, damage) =>
      withCopy(async machine => {
        await machine.must('ls')
        const folder = machine.in('machine', 'config', 'encrypted')
        const [note] = readdirSync(folder)
        damage(join(folder, note!))
        lose(machine)
        const before = existsSync(machine.store) ? stateOf(machine.store) : {}
        for (const args of [
          ['push', 'data'],
          ['push', 'data', '--create'],
        ])
          expectError(await machine.as(args), 1, args.includes('--create') ? /encrypt/ : /encrypt|holds no repository any more/)
        expect(existsSync(machine.store) ? stateOf(machine.store) : {}).toEqual(before)
      }),
  )

  test('a repository without encryption that takes its place', () =>
    withCopy(async machine => {
      await machine.must('ls')
      const plain = new Machine(machine.in('plain'))
      makeTree(plain.in('data'), { 'a.txt': 'planted' })
      await plain.must('push', 'data')
      rmSync(machine.store, { recursive: true })
      renameSync(plain.store, machine.store)
      const before = stateOf(machine.store)
      for (const args of [
        ['push', 'data'],
        ['push', 'data', '--create'],
        ['push', 'data', '--encrypt'],
        ['pull', 'data', 'out'],
        ['repair'],
      ])
        expectError(await machine.as(args), 1, /is not encrypted, but the one that this machine used there was/)
      expect([stateOf(machine.store), existsSync(machine.in('out'))]).toEqual([before, false])
    }))

  test('a machine that has never used it refuses it too if its feature is gone', () =>
    withCopy(async machine => {
      const [feature] = machine.objects('feature-') as [string]
      rmSync(machine.in('store', feature))
      const before = stateOf(machine.store)
      expectError(await machine.as(['push', 'data']), 1, /was encrypted, and the object that says so is gone/)
      expect(stateOf(machine.store)).toEqual(before)
      writeFileSync(machine.in('store', feature), '')
      await machine.must('pull', 'data', 'out')
      expectPulled(machine)
    }))

  test('a new encrypted repository may take the place of one that is gone', () =>
    withCopy(async machine => {
      await machine.must('ls')
      rmSync(machine.store, { recursive: true })
      await machine.must('push', 'data', '--create', '--encrypt', '-q')
      await machine.must('push', 'data')
      await machine.must('pull', 'data', 'out')
      expectPulled(machine)
    }))
})

/** All ways to write a text that somebody who reads the store might recognise. */
function formsOf(marker: string): Record<string, Buffer> {
  const bytes = Buffer.from(marker)
  // what of it does not depend on the bytes around it
  const base64 = [0, 1, 2].map(shift => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    return text.slice(shift === 0 ? 0 : 4, Math.floor(text.length / 4 - 1) * 4)
  })
  const wide = Buffer.from(marker, 'utf16le')
  const texts = {
    hex: bytes.toString('hex'),
    HEX: bytes.toString('hex').toUpperCase(),
    'base64 at 0': base64[0]!,
    'base64 at 1': base64[1]!,
    'base64 at 2': base64[2]!,
    escaped: encodeURIComponent(marker),
  }
  return {
    plain: bytes,
    'UTF-16 LE': wide,
    'UTF-16 BE': Buffer.from(wide).swap16(),
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)])),
  }
}

const digestsOf = (content: Uint8Array): Record<string, Buffer> => {
  const digest = createHash('sha256').update(content).digest()
  return {
    'SHA-256': digest,
    'SHA-256 in hex': Buffer.from(digest.toString('hex')),
    'SHA-256 in base64': Buffer.from(digest.toString('base64').slice(0, 40)),
  }
}

/** Every file below a folder by its path from there. */
const filesBelow = (folder: string): Map<string, Buffer> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => [relative(folder, join(entry.parentPath, entry.name)), readFileSync(join(entry.parentPath, entry.name))]),
  )

/** Which markers are where: `where: marker in form`. */
function found(
  places: ReadonlyMap<string, Buffer>,
  markers: Readonly<Record<string, string>>,
  contents: Record<string, Buffer> = {},
): string[] {
  const forms = Object.entries(markers).flatMap(([what, marker]) =>
    Object.entries(formsOf(marker)).map(([form, bytes]) => [`${what}, ${form}`, bytes] as const),
  )
  const digests = Object.entries(contents).flatMap(([what, bytes]) =>
    Object.entries(digestsOf(bytes)).map(([form, digest]) => [`${what}, ${form}`, digest] as const),
  )
  return [...places].flatMap(([where, bytes]) =>
    [...forms, ...digests]
      .filter(([, form]) => bytes.includes(form) || where.includes(form.toString('latin1')))
      .map(([what]) => `${where}: ${what}`),
  )
}

describe('Nothing that was pushed can be read in an encrypted store, and no password anywhere', () => {
  // none of them can be part of another one, nor come about by chance
  const MARKERS = {
    path: 'Zq7path9vKx2mWb4',
    folder: 'Yq7folder9vKx2mW',
    content: 'Xq7content9vKx2m',
    tag: 'Wq7tag9vKx2mWb4q',
    message: 'Vq7message9vKx2m',
    name: 'Uq7name9vKx2mWb4',
    metric: 'Tq7metric9vKx2mW',
    label: 'Sq7label9vKx2mWb',
    link: 'Rq7link9vKx2mWb4',
    root: 'Qq7root9vKx2mWb4',
  }
  const SECRETS = { password: 'Pq7password9vKx2', 'new password': 'Oq7newpassw9vKx2', 'wrong password': 'Nq7wrongpas9vKx2' }
  const host = hostname()

  test('in no object and no name of one, in no output, and on the machine only where docs/encryption.md says so', () =>
    withSandbox(async ({ path }) => {
      const machine = new Machine(path)
      const tensor = safetensors(fp32(network(5, [20_000])))
      const contents = {
        'a.csv': Buffer.from(`${MARKERS.content},1\n`.repeat(3000)),
        'small.txt': Buffer.from(MARKERS.content),
        'noise.bin': Buffer.concat([Buffer.from(MARKERS.content), seededNoise(1, 20_000)]),
      }
      const root = machine.in(MARKERS.root)
      makeTree(root, {
        [`${MARKERS.folder}/${MARKERS.path}.csv`]: contents['a.csv'],
        'small.txt': contents['small.txt'],
        'noise.bin': contents['noise.bin'],
        [`${MARKERS.path}.safetensors`]: tensor,
        link: { link: MARKERS.link },
      })
      const outputs = new Map<string, Buffer>()
      const run = async (args: string[], password: string | undefined = SECRETS.password): Promise<CliResult> => {
        const env = { COLAB_ESCAPE_PASSWORD: password, COLAB_ESCAPE_NEW_PASSWORD: SECRETS['new password'] }
        const result = await machine.as([...args, '--verbose'], env)
        outputs.set(args.join(' '), Buffer.from(`${result.stdout}${result.stderr}`))
        return result
      }
      const options = ['--name', MARKERS.name, '--tag', MARKERS.tag, '-m', MARKERS.message, '--metric', `${MARKERS.metric}=1.5`]
      const made = await run(['push', root, '--encrypt', ...options])
      expect(made.code, made.stderr).toBe(0)
      const recovery = /Recovery code: (\S+)/.exec(made.stdout)![1]!
      writeFileSync(join(root, 'more.txt'), `${MARKERS.content} more`)
      for (const args of [
        ['push', root, ...options],
        ['key', 'add', '--label', MARKERS.label],
        ['tag', MARKERS.name, `${MARKERS.tag}2`],
        ['pull', MARKERS.name, 'out'],
        ['forget', MARKERS.name, '--keep-last', '1', '--yes'],
        ['check', '--read-data'],
        ['key', 'remember'],
        ['ls'],
      ])
        expect((await run(args)).code, args.join(' ')).toBe(0)

      const store = filesBelow(machine.store)
      expect(found(store, { ...MARKERS, ...SECRETS, recovery }, contents)).toEqual([])
      if (host.length >= 8) expect(found(store, { host })).toEqual([])

      // failures: with a wrong password, without one, and with a pack that is damaged
      const before = outputs.size
      for (const args of [['ls'], ['pull', 'data', 'out2'], ['push', 'out'], ['key', 'list', '--json']])
        expect((await run(args, SECRETS['wrong password'])).code).toBe(4)
      const failing = new Map([...outputs].slice(before))
      expect(found(failing, MARKERS)).toEqual([])
      const pack = machine.objects('pack-').sort((a, b) => store.get(b)!.length - store.get(a)!.length)[0]!
      const damaged = Buffer.from(store.get(pack)!)
      damaged[damaged.length >> 1]! ^= 1
      writeFileSync(machine.in('store', pack), damaged)
      for (const args of [
        ['pull', MARKERS.name, 'out3'],
        ['check', '--read-data'],
        ['key', 'remove', '0000'],
      ])
        expect((await run(args)).code).not.toBe(0)
      expect(found(outputs, SECRETS)).toEqual([])
      outputs.delete([...outputs.keys()][0]!)
      expect(found(outputs, { recovery })).toEqual([])

      // on the machine
      const kept = filesBelow(machine.in('machine'))
      expect(found(kept, { ...SECRETS, recovery })).toEqual([])
      const kinds = new Set(
        found(kept, MARKERS, contents).map(each => `${each.split(sep, 2).join('/').replace(/:.*/, '')}: ${/: (\w+),/.exec(each)![1]}`),
      )
      // the files that were just written are not in it where clocks are coarse
      expect([...kinds].filter(kind => !/^cache\/files: (folder|path)$/.test(kind)).sort()).toEqual([
        'cache/versions: folder',
        'cache/versions: link',
        'cache/versions: name',
        'cache/versions: path',
        'config/encrypted: name',
      ])
      for (const file of kept.keys()) {
        // Node's own cache of compiled programs holds nothing of the user, in a folder that nobody else can enter
        if (process.platform === 'win32' || /CACHEDIR\.TAG$|compile-cache/.test(file)) continue
        for (let at = machine.in('machine', file); at !== machine.in('machine'); at = dirname(at))
          expect([at, statSync(at).mode & 0o777]).toEqual([at, statSync(at).isDirectory() ? 0o700 : 0o600])
      }
    }))
})
