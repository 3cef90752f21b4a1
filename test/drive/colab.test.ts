import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readNotebook, REPOSITORY, runCells, screenText } from '../../scripts/notebook.ts'
import { DEFAULT_CLIENT, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { expectError, runCli } from '../helpers/cli.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { runInPty, type PtyOptions, type PtyResult } from '../helpers/pty.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'
import { driveEnvironment, PROGRAM } from './drive-cli.ts'
import { machine } from './machine.ts'

const GUIDE = new URL('../../docs/colab.md', import.meta.url)
/** Wider than the line that a terminal without a size is taken to have. */
const LONG_NAME = 'a name that has to be cut in two to be shown '.repeat(4)

/**
 * A Colab notebook's machine as its `!` cells see it, with the emulator in the place of Google and of the credentials
 * broker.
 */
class Notebook {
  readonly emulator: DriveEmulator
  readonly folder: string
  readonly env: Record<string, string | undefined>

  constructor(emulator: DriveEmulator, folder: string) {
    this.emulator = emulator
    this.folder = folder
    this.env = {
      ...driveEnvironment(emulator, folder),
      COLAB_ESCAPE_STORE: undefined,
      TBE_EPHEM_CREDS_ADDR: new URL(emulator.url).host,
      TBE_CREDS_ADDR: '127.0.0.1:9',
      USE_AUTH_EPHEM: '1',
      NO_GCE_CHECK: 'False',
      CLOUDSDK_CONFIG: `${folder}/.config`,
      NO_COLOR: undefined,
    }
  }

  in(name: string): string {
    return `${this.folder}/${name}`
  }

  run(...args: string[]): ReturnType<typeof runCli> {
    return runCli(args, { cwd: this.folder, env: this.env })
  }

  /** What a line `!...` of a cell does: a shell under a terminal of 0 x 0. */
  cell(line: string, options: PtyOptions = {}): Promise<PtyResult> {
    const program = `${shellQuoted(process.execPath)} ${shellQuoted(PROGRAM)}`
    const command = `cd ${shellQuoted(this.folder)} && ${line.replace(/^(exec )?colab-escape /, `$1${program} `)}`
    return runInPty('/bin/bash', ['-c', command], { env: this.env, ...options })
  }
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

function withNotebook(use: (notebook: Notebook) => Promise<void>, options: EmulatorOptions = {}): Promise<void> {
  return withDrive(options, emulator => withFolder(folder => use(new Notebook(emulator, folder))))
}

/** The lines that stand on the screen when all is written. */
const screenOf = (output: string): string[] => screenText(output).split('\n')

/** What the live line showed, one text a drawing. */
// eslint-disable-next-line no-control-regex
const drawnLines = (output: string): string[] => output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '\r').split(/[\r\n]+/)

test('before the user has agreed: exit 4, and the error names the cell to run', () =>
  withNotebook(async notebook => {
    makeTree(notebook.in('data'), { 'a.txt': 'first' })
    for (const args of [['push', 'data'], ['pull', 'data'], ['log'], ['auth', 'status']]) {
      const { message, hint } = expectError(await notebook.run(...args), 4, /no credentials yet/)
      expect(hint).toContain('from google.colab import auth; auth.authenticate_user()')
      // the guide answers the very words
      expect(readFileSync(GUIDE, 'utf8')).toContain(message)
    }
    notebook.emulator.consentInColab()
    expect((await notebook.run('push', 'data')).code).toBe(0)
  }))

quietDriveOnly('credentials from a secret work without consent and without the tab, in the foreground and in the background', () =>
  withNotebook(async notebook => {
    makeTree(notebook.in('data'), { 'a.txt': 'first' })
    const { COLAB_ESCAPE_CREDENTIALS } = driveEnvironment(notebook.emulator, notebook.folder, notebook.emulator.issueToken())
    notebook.env.COLAB_ESCAPE_TOKEN = undefined
    notebook.env.COLAB_ESCAPE_CREDENTIALS = COLAB_ESCAPE_CREDENTIALS
    expect((await notebook.run('push', 'data')).stdout).toContain('Safe to disconnect')
    makeTree(notebook.in('runs'), { 'b.txt': 'second' })
    const started = await notebook.cell('colab-escape watch runs --background --settle 200ms --every 100ms')
    expect(started.exitCode, started.output).toBe(0)
    const stopped = await notebook.cell('colab-escape watch --stop')
    expect([stopped.exitCode, screenOf(stopped.output)[0]]).toEqual([0, expect.stringMatching(/^Stopped watching .*runs: 1 version made/)])
    expect((await notebook.run('log')).stdout).toMatch(/^runs .*\ndata /m)
  }),
)

describe('in a cell, a terminal of 0 x 0', () => {
  // five drawings a second, of real seconds
  quietDriveOnly('push and pull: one calm live line, then the receipt, and little output', () =>
    withNotebook(
      async notebook => {
        makeTree(notebook.in('data'), {
          'noise.bin': seededNoise(1, 6_000_000),
          'table.csv': seededText(2, 500_000),
          [LONG_NAME]: 'x',
        })
        notebook.emulator.consentInColab()
        const pushed = await notebook.cell('colab-escape push ./data -m "from a cell"')
        expect(pushed.exitCode, pushed.output).toBe(0)
        expect(screenOf(pushed.output).join('\n')).toMatch(
          /^Pushed data@[0-9a-f]{8} to drive:colab-escape\n {2}3 files.*\n {2}\S+ MB.* sent in .*\n {2}https:\/\/drive\.google\.com\/drive\/folders\/\S+\n.*Safe to disconnect.*\n$/,
        )

        const pulled = await notebook.cell('colab-escape pull data copy')
        expect(pulled.exitCode, pulled.output).toBe(0)
        expect(screenOf(pulled.output)[0]).toMatch(/^Pulled data@[0-9a-f]{8} into /)
        expectSameTree(notebook.in('copy'), notebook.in('data'))

        for (const { output, seconds } of [pushed, pulled]) {
          const live = drawnLines(output).filter(line => /^ +(Listing|Storing|Saving|Restoring)/.test(line))
          expect(live.length, output).toBeGreaterThan(0)
          for (const line of live) expect(line.length).toBeLessThan(80)
          // five drawings a second of some 200 bytes, and the receipt
          expect(output.length).toBeLessThan(2000 + seconds * 5 * 300)
        }
        // while it waits for Drive the line says what the receipt will, but for the list of files
        const [, told] = /saved (\d+)%/.exec(drawnLines(pushed.output).findLast(line => /saved \d+%/.test(line))!)!
        const [, saved] = /(\d+)% saved/.exec(pushed.output)!
        expect(Math.abs(Number(told) - Number(saved))).toBeLessThanOrEqual(1)
      },
      { profile: { latencyMs: 150, creationMs: 300 } },
    ),
  )

  test('a login in a cell takes the pasted address from its input', () =>
    withNotebook(async notebook => {
      const { id, secret } = DEFAULT_CLIENT
      makeTree(notebook.folder, { '.env': `GOOGLE_CLIENT_ID=${id}\nGOOGLE_CLIENT_SECRET=${secret!}\n` })
      const { output, exitCode } = await notebook.cell('colab-escape auth login --settings-file .env', {
        type: [
          {
            after: /Paste it here: $/,
            line: async shown => {
              const url = /^(http\S+)\r$/m.exec(shown)![1]!
              const sent = await fetch(`${url}&emulator_consent=approve`, { redirect: 'manual' })
              return sent.headers.get('location')!
            },
          },
        ],
      })
      expect(exitCode, output).toBe(0)
      expect(output).toContain('A notebook in Colab needs no login')
      expect(screenOf(output).join('\n')).toMatch(/Logged in as someone@example\.com/)
    }))

  // [what runs, what it waits for when the cell is stopped, bytes that make that happen]
  test.each([
    ['push', 'upload.multipart', 5_000_000],
    ['push', 'upload.piece', 22_000_000],
    ['push', 'files.list', 5_000_000],
    ['pull', 'media.get', 5_000_000],
  ] as const)('stopping a %s that waits for %s: it ends within half a second, and nothing is lost', (command, on, bytes) =>
    withNotebook(async notebook => {
      const { emulator } = notebook
      makeTree(notebook.in('data'), { 'noise.bin': seededNoise(1, bytes) })
      emulator.consentInColab()
      if (command === 'pull') await pushFolder(machine(emulator), notebook.in('data'), 'data')
      emulator.faults.add({ on, nth: 1, times: Infinity, do: 'stall' })
      const args = command === 'push' ? ['push', 'data'] : ['pull', 'data', 'copy']
      let waitingSince: number | undefined
      const run = await runCli(args, {
        cwd: notebook.folder,
        env: notebook.env,
        kill: {
          signal: 'SIGINT',
          when: () => {
            if (emulator.requests.some(({ fault }) => fault !== undefined)) waitingSince ??= performance.now()
            return waitingSince !== undefined && performance.now() - waitingSince > 100
          },
        },
      })
      expectError(run, 130, /Interrupted/)
      // half a second, and what a machine with much other work adds
      expect(run.endedAfterMs).toBeLessThan(500 + 4500)
      emulator.faults.clear()
      expect((await notebook.run('push', 'data')).code).toBe(0)
      await pullVersion(machine(emulator), 'data', notebook.in('copy'))
      expectSameTree(notebook.in('copy'), notebook.in('data'))
      expect(await checkAll(machine(emulator))).toMatchObject({ problems: [], affected: [] })
    }),
  )

  test('stopping a cell takes the live line off the screen', () =>
    withNotebook(async notebook => {
      makeTree(notebook.in('data'), { 'noise.bin': seededNoise(1, 5_000_000) })
      notebook.emulator.consentInColab()
      notebook.emulator.faults.add({ on: 'upload.multipart', nth: 1, times: Infinity, do: 'stall' })
      // the shell hands its place to the program, as it does for the last command of a line
      const { exitCode, seconds, output } = await notebook.cell('exec colab-escape push data', { interruptAfter: 4 })
      expect([exitCode, screenOf(output)]).toEqual([
        130,
        ['error: Interrupted.', expect.stringMatching(/^ {2}-> Run the same command again/) as string, ''],
      ])
      expect(seconds).toBeLessThan(4 + 0.5 + 4.5)
    }))
})

quietDriveOnly(
  'docs/colab.ipynb runs from top to bottom, in this session and for what a next one needs',
  () =>
    withNotebook(async notebook => {
      const { cells } = readNotebook()
      const { emulator, folder, env } = notebook
      const pictures: Record<string, ReturnType<typeof pictureOf>> = {}
      const ran = await runCells(cells, {
        emulator,
        folder,
        env,
        onCell: ({ source }) => {
          // the last state of each folder before it is removed
          if (source.includes('!colab-escape push images')) pictures.images = pictureOf(notebook.in('images'))
          if (source.includes('colab_escape.watch')) pictures.runs = pictureOf(notebook.in('runs'))
        },
      })
      expectSameTree(notebook.in('images'), pictures.images!)
      expectSameTree(notebook.in('runs'), pictures.runs!)
      const shown = ran.map(cell => cell.shown)
      expect(shown.filter(text => text.includes('Safe to disconnect'))).toHaveLength(2)
      expect(shown.join('')).toMatch(/Nothing to resume from[^]*\[Saved runs@[^]*Pulled model@[^]*Pulled runs@/)
      // the best of three models is none but the one that says so
      const { versions } = JSON.parse((await notebook.run('log', 'model', '--json')).stdout.trim().split('\n').at(-1)!) as {
        versions: { version: string; metrics: { val_loss: number } }[]
      }
      const best = versions.reduce((a, b) => (a.metrics.val_loss < b.metrics.val_loss ? a : b))
      expect(best).toBe(versions[1])
      expect(shown.join('')).toContain(`Pulled model@${best.version.slice(0, 8)}`)

      // what the file shows comes from such a run
      const inFile = cells.filter(cell => cell.cell_type === 'code').map(({ outputs }) => JSON.stringify(outputs))
      expect(inFile.map(text => text !== '[]')).toEqual(shown.map(text => text !== ''))
      expect(inFile.filter(text => text.includes('Safe to disconnect'))).toHaveLength(2)
      expect(inFile.join('')).not.toMatch(/\\u001b|error:|Traceback|\/tmp\//)
    }),
  180_000,
)

test("docs/colab.ipynb is opened from where the repository is, and nothing in it or its guide takes a stranger's package", () => {
  const { cells } = readNotebook()
  const text = cells.map(({ source }) => source.join('')).join('\n')
  expect(text).toContain(`colab.research.google.com/github/${REPOSITORY}/blob/main/docs/colab.ipynb`)
  for (const page of [text, readFileSync(GUIDE, 'utf8')])
    expect(page).not.toMatch(/npx .*colab-escape|npm (install|i) .*(?<![./])\bcolab-escape(@|\s|$)/m)
  // a cell for the shell asks nothing, and each calls the installed program
  const lines = cells.filter(cell => cell.cell_type === 'code').flatMap(({ source }) => source.filter(line => line.startsWith('!')))
  expect(lines.filter(line => !/^!(colab-escape |npm install |rm -rf )/.test(line))).toEqual([])
})
