import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { encodeLabel } from '../../src/repository/format/label-and-tomb.ts'
import { labelName, snapshotObjectName } from '../../src/repository/format/object-names.ts'
import { encodeSnapshot } from '../../src/repository/format/snapshot.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { aSnapshot } from '../helpers/a-snapshot.ts'
import { runCli, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { linesOf } from '../helpers/json-output.ts'
import { plantedObjects, writeObjects } from '../helpers/plant.ts'
import { runInPty } from '../helpers/pty.ts'
import { bytesOf, makeTree } from '../helpers/trees.ts'

/** Begins a line of its own, clears the screen, sets the title, turns the text round, and hides some of it. */
const EVIL = 'a\nINJECTED\r\x1b[2J\x1b]0;PWN\x07\x9b31m\u202egnp\u2066\u200b\u2028INJECTED\u2029\u{e0041}\u3164z'
/** In a file name. */
const NAME = bytesOf(EVIL)

// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\0-\t\v-\x1f\x7f-\x9f]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u3164]/u

/** Expects that what a command said has no character and no line of somebody else's making. */
function expectPlain(text: string, what: string): void {
  expect(UNPRINTABLE.exec(text)?.[0], `${what}: ${JSON.stringify(text)}`).toBeUndefined()
  expect(text, what).not.toMatch(/^\W*INJECTED/m)
}

function safetensors(): Buffer {
  const tensor = { dtype: 'F32', shape: [1], data_offsets: [0, 4] }
  const header = Buffer.from(JSON.stringify({ __metadata__: { [EVIL]: EVIL }, [EVIL]: tensor }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, Buffer.alloc(4)])
}

/** A repository in which every text that the program ever shows is hostile. */
function plant({ store }: Sandbox): void {
  const model = safetensors()
  const bytes = Buffer.from('evil')
  const row = (path: string, more: object): string => `${JSON.stringify({ path, mode: '644', mtime: '9'.repeat(27), ...more })}\n`
  const stored = (content: Uint8Array): object => ({ type: 'file', size: content.length, chunks: [sha256Hex(content)] })
  const manifest = [
    row(EVIL, stored(bytes)),
    row('b', { type: 'symlink', target: EVIL, mode: '777' }),
    row('lost', { type: 'file', size: 4, chunks: ['0'.repeat(64)] }),
    row('m.safetensors', stored(model)),
    row(`z${EVIL}`, { type: 'file', size: 4, chunks: ['1'.repeat(64)] }),
  ]
  const fields = {
    message: EVIL,
    tags: [EVIL, 'tag'],
    metrics: { [EVIL]: 1, loss: 2 },
    host: EVIL,
    program: EVIL,
    source: { path: EVIL, type: 'directory' as const },
    git: { commit: EVIL, branch: EVIL, dirty: true },
    incomplete: { files: 2, carried: 1 },
  }
  writeObjects(store, plantedObjects({ manifest: manifest.join(''), chunks: [bytes, model], snapshot: fields }))
  const older = encodeSnapshot(aSnapshot({ ...fields, time: 1e12, listed: 1e12 }))
  const label = encodeLabel({ snapshot: older.id, add: [`${EVIL}2`], remove: [] }, '0'.repeat(32))
  makeTree(store, {
    [older.objectName]: older.bytes,
    [labelName(label.id)]: label.bytes,
    [snapshotObjectName(2e12, '0'.repeat(64), 'other')]: '{}',
    [`pack-12345678${NAME}`]: 'x',
    [`snapshot-20260101T000000000Z-${'0'.repeat(16)}-${NAME}.json`]: 'x',
    [`label-12345678${NAME}`]: { link: EVIL },
    [`folder${NAME}/pack-12345678`]: 'x',
    [NAME]: 'x',
  })
}

const COMMANDS: string[][] = [
  ['log'],
  ['log', 'data'],
  ['log', 'other'],
  ['ls', 'data', '-R'],
  ['ls', 'data', EVIL],
  ['cat', `data:${EVIL}x`],
  ['diff', 'data~1', 'data'],
  ['diff', 'data', './local'],
  ['status', 'local', '--name', 'data'],
  ['pull', 'data', 'out', '--dry-run'],
  ['pull', 'data', 'out'],
  ['pull', 'data', 'out', '--delete'],
  ['pull', 'data@none', 'out'],
  ['inspect', 'data:m.safetensors'],
  ['inspect', 'data:m.safetensors', 'data:m.safetensors'],
  ['check'],
  ['check', '--read-data'],
  ['repair', '--dry-run'],
  ['du'],
  ['du', '--by', 'kind'],
  ['forget', 'data', '--keep-last', '1', '--dry-run'],
  ['prune', '--dry-run'],
  ['tag', 'data', 'new'],
  ['untag', 'data', 'none'],
  ['push', 'local', '--name', 'data', '--dry-run'],
  ['doctor'],
]

describe('Text of strangers never prints a line of its own, an escape sequence or an invisible character', () => {
  test.each([[['--verbose']], [['--json', '--verbose']]])('a repository in which every text is hostile: all commands %j', options =>
    withSandbox(async sandbox => {
      plant(sandbox)
      makeTree(sandbox.in('local'), { [NAME]: 'local', [`d${NAME}/b${NAME}`]: 'x', l: { link: EVIL } })
      let shown = 0
      for (const command of COMMANDS) {
        const run = await sandbox.run([...options, ...command])
        const what = [...options, ...command].join(' ')
        expect(run.signal, what).toBe(null)
        expect(run.stderr, what).not.toContain('This is a bug')
        for (const text of [run.stdout, run.stderr]) expectPlain(text, what)
        if ((run.stdout + run.stderr).includes('INJECTED')) shown++
        if (options.includes('--json')) for (const line of linesOf(run.stdout)) expect(line.code, what).not.toBe('internal')
      }
      expect(shown).toBeGreaterThan(COMMANDS.length / 2)
    }),
  )

  test('on a terminal', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      const program = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
      const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache'), NO_COLOR: '1' }
      for (const command of [['log'], ['ls', 'data', '-R'], ['pull', 'data', sandbox.in('out')], ['check']]) {
        const size = { columns: 80, rows: 24 }
        const { output } = await runInPty(process.execPath, [program, '--no-progress', ...command, '--store', sandbox.store], { size, env })
        expectPlain(output.replaceAll('\r\n', '\n'), command.join(' '))
      }
    }))

  test('names in a folder that is pushed, watched, compared and compressed', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        [NAME]: 'x',
        [`d${NAME}/e`]: 'x',
        [`l${NAME}`]: { link: EVIL },
        [`c${NAME}/.colab-escape-ignore`]: '*\n',
      })
      execFileSync('mkfifo', [Buffer.from(`${sandbox.in('data')}/p${NAME}`, 'latin1').toString()])
      const runs: CliResult[] = []
      for (const options of [[], ['--json']])
        for (const args of [
          ['push', 'data'],
          ['status', 'data'],
          ['diff', './data', './data/d'],
          ['compress', 'data', '-o', 'a.tar.zst', '--force'],
          ['extract', 'a.tar.zst', 'out'],
          ['push', EVIL],
          ['compress', `data/${EVIL}`, '-o', 'b.zip', '--force'],
        ])
          runs.push(await sandbox.run([...options, ...args]))
      const kill = { signal: 'SIGINT' as const, when: (stdout: string) => /unchanged|nothing new/.test(stdout) }
      runs.push(await sandbox.run(['watch', 'data', '--every', '1s', '--settle', '0s'], { kill }))
      for (const { stdout, stderr } of runs) for (const text of [stdout, stderr]) expectPlain(text, 'a folder')
    }))

  test('names in an archive that can not be extracted', () =>
    withSandbox(async sandbox => {
      const script = `
import tarfile, sys
name = sys.argv[2]
with tarfile.open(sys.argv[1], "w") as tar:
    for path in ["../" + name, "/" + name, "ok" + name]:
        tar.addfile(tarfile.TarInfo(path))
    link = tarfile.TarInfo("link" + name); link.type = tarfile.SYMTYPE; link.linkname = "/" + name; tar.addfile(link)
    device = tarfile.TarInfo("dev" + name); device.type = tarfile.CHRTYPE; tar.addfile(device)
`
      execFileSync('python3', ['-c', script, sandbox.in('a.tar'), EVIL])
      for (const options of [[], ['--json']]) {
        const run = await runCli([...options, 'extract', 'a.tar', 'out'], { cwd: sandbox.path })
        for (const text of [run.stdout, run.stderr]) expectPlain(text, 'extract')
        expect(run.stdout + run.stderr).toContain('INJECTED')
      }
    }))

  test('arguments, such as names of files that a shell has put there', () =>
    withSandbox(async sandbox => {
      for (const args of [
        ['push', `--${EVIL}`],
        [EVIL],
        ['log', '--jobs', EVIL],
        ['push', 'a', '--level', EVIL],
        ['pull', EVIL],
        ['tag', 'data', EVIL],
      ]) {
        const run = await sandbox.run(args)
        expect(run.code).not.toBe(0)
        for (const text of [run.stdout, run.stderr]) expectPlain(text, args[0]!)
      }
    }))

  test("errors of Drive, in their message and their reason, and names in Drive's folders", () =>
    withDrive({}, emulator =>
      withSandbox(async sandbox => {
        const { accessToken } = emulator.issueToken()
        const env = {
          COLAB_ESCAPE_TOKEN: accessToken,
          COLAB_ESCAPE_GOOGLE_ENDPOINT: emulator.url,
          COLAB_ESCAPE_CONFIG: sandbox.in('config'),
        }
        for (const options of [[], ['--json'], ['--verbose']])
          for (const status of [400, 403]) {
            emulator.faults.add({ on: 'files.list', nth: 1, times: 3, do: { status, reason: EVIL, message: EVIL } })
            const run = await runCli([...options, 'log', '--store', 'drive:x'], { cwd: sandbox.path, env })
            emulator.faults.clear()
            expect(run.stdout + run.stderr).toContain('INJECTED')
            for (const text of [run.stdout, run.stderr]) expectPlain(text, `${status}`)
          }
      }),
    ))
})

describe('Numbers of strangers are finite, or it is said that they are not', () => {
  test('a metric of 1e999, a time that no calendar has', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      const snapshot = encodeSnapshot(aSnapshot({ name: 'huge', metrics: { loss: 12345 } }))
      const bytes = Buffer.from(Buffer.from(snapshot.bytes).toString().replace('12345', '1e999'))
      writeFileSync(join(sandbox.store, snapshotObjectName(1000, sha256Hex(bytes), 'huge')), bytes)
      const log = await sandbox.run(['log', 'huge'])
      expect(log.stderr).toMatch(/"metrics" has a value that is not a finite number/)
      expect(log.stdout).not.toMatch(/Infinity|NaN/)
      const ls = await sandbox.run(['ls', 'data'])
      expect(ls.stdout).toContain('beyond all dates')
      expect(ls.stdout).not.toContain('NaN')
      for (const args of [
        ['ls', 'data'],
        ['log', 'huge'],
      ])
        linesOf((await sandbox.run(['--json', ...args])).stdout)
    }))
})
