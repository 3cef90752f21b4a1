import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { DRIVE_API_PAGE } from '../../src/auth/account.ts'
import { ClientFileFinder, downloadsFolder } from '../../src/auth/find-client-file.ts'
import { DEFAULT_CLIENT, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { withFolder } from '../helpers/folders.ts'
import { runInPty, type PtyOptions, type PtyResult, type Typed } from '../helpers/pty.ts'
import { makeTree } from '../helpers/trees.ts'
import { CLIENT_FILE, onMachine, PROGRAM, type Machine } from './machine.ts'
import { SECRETS } from './world.ts'

const NAME = 'client_secret_1-a.apps.googleusercontent.com.json'
const BEGIN = JSON.stringify(CLIENT_FILE)
const STEP = / s skips, q quits: $/
const DONE = /\[Enter\] when it is done: $/

/** A person at a terminal with a home folder, and with a browser unless `env` takes it away. */
class Person {
  readonly machine: Machine
  private readonly browser: Record<string, string>

  constructor(machine: Machine, browser: Record<string, string>) {
    this.machine = machine
    this.browser = browser
  }

  get home(): string {
    return this.machine.in('home')
  }

  download(name: string): string {
    return `${this.home}/Downloads/${name}`
  }

  async pages(): Promise<string[]> {
    const text = await readFile(this.machine.in('pages'), 'utf8').catch(() => '')
    return text.split('\n').filter(line => line.startsWith('https:'))
  }

  async setup(type: readonly Typed[], options: PtyOptions & { args?: string[]; pastes?: boolean } = {}): Promise<PtyResult> {
    const { args = [], env = {}, pastes = false, ...others } = options
    const own = { HOME: this.home, XDG_CONFIG_HOME: undefined, DISPLAY: ':0', SSH_CONNECTION: undefined, COLAB_ESCAPE_STORE: undefined }
    const run = await runInPty(
      '/bin/bash',
      ['-c', `cd '${this.machine.in('.')}' && echo $$ > pid && exec '${process.execPath}' '${PROGRAM}' auth setup ${args.join(' ')}`],
      {
        size: { columns: 80, rows: 40 },
        seconds: 40,
        type,
        ...others,
        env: { ...this.machine.env, ...own, ...this.browser, ...env },
      },
    )
    // a terminal shows what is pasted
    if (!pastes) expect(run.output).not.toMatch(SECRETS)
    return { ...run, output: run.output.replaceAll('\r\n', '\n') }
  }
}

function withPerson(use: (person: Person) => Promise<void>, options: EmulatorOptions = {}): Promise<void> {
  return onMachine(async machine => {
    await mkdir(machine.in('home/Downloads'), { recursive: true })
    await use(new Person(machine, await machine.withBrowser('approve')))
  }, options)
}

const answer = (after: RegExp, line: string | (() => string | Promise<string>)): Typed => ({
  after,
  line: typeof line === 'string' ? () => line : line,
})
const skipSteps = (count: number): Typed[] => Array.from({ length: count }, () => answer(STEP, 's'))

/** Where somebody who allows access is sent to from the address on the screen. */
const allow = async (shown: string): Promise<string> => {
  const url = [...shown.matchAll(/^(http:\/\/127\S+auth\?\S+)\r?$/gm)].at(-1)![1]!
  const sent = await fetch(`${url}&emulator_consent=approve`, { redirect: 'manual' })
  return sent.headers.get('location')!
}
const pastesAddress: Typed = { after: /Paste it here: $/, line: allow }

test('from nothing to a push: pages, a download that is half written at first, the API enabled late, the file deleted', () =>
  withPerson(async person => {
    const { google, in: inside, auth } = person.machine
    google.faults.add({ on: 'about.get', nth: 1, times: 2, do: { status: 403, reason: 'accessNotConfigured' } })
    makeTree(inside('data'), { 'a.txt': 'first' })
    const file = person.download(NAME)
    const { output, exitCode } = await person.setup([
      answer(/May I look for it in .*home\/Downloads\? \[Y\/n\] $/, ''),
      ...Array.from({ length: 4 }, () => [answer(STEP, ''), answer(DONE, '')]).flat(),
      answer(STEP, async () => {
        setTimeout(() => void downloads().catch(() => undefined), 1000)
        return ''
      }),
      answer(/\[Enter\] opens the page, s only asks Drive again, q quits: $/, ''),
      answer(/\[Enter\] when it is enabled .*: $/, ''),
      answer(/s only asks Drive again, q quits: $/, 's'),
      answer(/Delete it\? \[y\/N\] $/, 'y'),
      answer(/press Enter to finish: $/, 'nowhere'),
      answer(/press Enter to finish: $/, "'data'"),
    ])
    async function downloads(): Promise<void> {
      await writeFile(person.download('client_secret_web.json'), JSON.stringify({ web: { client_id: 'w', redirect_uris: [] } }))
      await writeFile(`${file}.crdownload`, BEGIN)
      await writeFile(file, BEGIN.slice(0, 30))
      await new Promise(resolve => setTimeout(resolve, 1500))
      await writeFile(file, BEGIN)
    }
    expect(exitCode, output).toBe(0)
    // each page is opened by a process of its own
    expect(new Set(await person.pages())).toEqual(
      new Set([
        'https://console.cloud.google.com/projectcreate',
        DRIVE_API_PAGE,
        'https://console.cloud.google.com/auth/overview',
        'https://console.cloud.google.com/auth/audience',
        'https://console.cloud.google.com/auth/clients',
      ]),
    )
    expect((await person.pages()).filter(page => page === DRIVE_API_PAGE)).toHaveLength(2)
    expect(output.replace(/\s+/g, ' ')).toContain('client_secret_web.json has the type "Web application"')
    expect(output).toContain('Still waiting for another file.')
    expect(output).not.toContain('is not the file of an OAuth client')
    expect(output).toContain('The login works, but the Drive API is not enabled')
    expect(output).toContain('Drive answers: you are someone@example.com, with 0 B used and no limit.')
    expect(output).toMatch(/nowhere does not exist/)
    expect(output).toMatch(/Pushed data@[0-9a-f]{8} to drive:colab-escape\n[^]*Safe to disconnect/)
    expect([existsSync(file), existsSync(person.download('client_secret_web.json'))]).toEqual([false, true])
    expect((await auth(['status'])).stdout).toMatch(/^account +someone@example\.com/m)
  }))

test('the file is typed, quoted or with ~ or dragged in, at any question, and stays where it is', () =>
  withPerson(async person => {
    await mkdir(person.download('my files'))
    const file = person.download(`my files/${NAME.replace('.json', ' (1).json')}`)
    await writeFile(file, BEGIN)
    await writeFile(person.download('key.json'), JSON.stringify({ type: 'service_account', private_key: 'x' }))
    const fromHome = file.slice(person.home.length + 1)
    for (const typed of [`"${file}"`, `'~/${fromHome}'`, file.replace(/[ ()]/g, '\\$&'), file, new URL(`file://${file}`).href]) {
      const { output, exitCode } = await person.setup([
        answer(/Downloads\? \[Y\/n\] $/, 'n'),
        answer(STEP, 'done'),
        answer(STEP, `~/Downloads/key.json`),
        answer(STEP, typed),
        answer(/Delete it\? \[y\/N\] $/, ''),
        answer(/press Enter to finish: $/, ''),
      ])
      expect([typed, exitCode], output).toEqual([typed, 0])
      expect(output).toMatch(/There is no file\n?.*\/done\./)
      expect(output).toMatch(/key of a service account/)
      expect(output).toContain('Next: colab-escape push ./data')
      expect(existsSync(file)).toBe(true)
      await rm(person.machine.loginFile)
    }
  }))

test('q and Ctrl-C leave nothing behind, and the next run goes on with what was downloaded', () =>
  withPerson(async person => {
    const { loginFile } = person.machine
    const quit = await person.setup([answer(/\[Y\/n\] $/, ''), answer(STEP, 's'), answer(STEP, 'q')])
    expect([quit.exitCode, quit.output]).toEqual([3, expect.stringContaining('Stopped. Run `colab-escape auth setup` again to go on')])
    const interrupt = async (): Promise<string> => {
      process.kill(Number(await readFile(person.machine.in('pid'), 'utf8')), 'SIGINT')
      return ''
    }
    const ended = await person.setup([answer(/\[Y\/n\] $/, ''), ...skipSteps(5), answer(/q quits\.\s+$/, interrupt)])
    expect([ended.exitCode, ended.output]).toEqual([130, expect.stringMatching(/Waiting for[^]*error:.* Interrupted\./)])
    expect(existsSync(loginFile)).toBe(false)
    // one of long ago is not offered
    const old = person.download('client_secret_old.json')
    await writeFile(old, BEGIN)
    await utimes(old, 1e9, 1e9)
    await writeFile(person.download(NAME), BEGIN)
    const next = await person.setup([
      answer(/\[Y\/n\] $/, ''),
      answer(/Log in with it\? \[Y\/n\] $/, 'y'),
      answer(/Delete it\? \[y\/N\] $/, 'n'),
      answer(/finish: $/, 'q'),
    ])
    expect([next.exitCode, next.output]).toEqual([0, expect.stringContaining(`There is a client already:\n${person.download(NAME)}`)])
    // and a login that works is kept, or its client taken for another one
    const kept = await person.setup([answer(/Make another login\? \[y\/N\] $/, ''), answer(/finish: $/, '')])
    expect([kept.exitCode, kept.output]).toEqual([0, expect.stringContaining('You are logged in already as someone@example.com')])
    const again = await person.setup([
      answer(/Make another login\? \[y\/N\] $/, 'y'),
      answer(/Log in with the client of the last login \(test-client.*\)\? \[Y\/n\] $/, ''),
      answer(/finish: $/, ''),
    ])
    expect([again.exitCode, await person.pages()], again.output).toEqual([0, []])
  }))

test('a file that was declined is not taken while another one is awaited', () =>
  withPerson(async person => {
    await writeFile(person.download('client_secret_other.json'), JSON.stringify({ installed: { client_id: 'other' } }))
    const { output, exitCode } = await person.setup([
      answer(/\[Y\/n\] $/, ''),
      answer(/Log in with it\? \[Y\/n\] $/, 'n'),
      ...skipSteps(5),
      answer(/q quits\.\s+$/, async () => {
        await new Promise(resolve => setTimeout(resolve, 2500))
        return 'q'
      }),
    ])
    expect(exitCode, output).toBe(3)
    expect(output).not.toContain('The client is')
  }))

test('without a browser the pages are printed, the client and the address are pasted, and a client in testing is published', () =>
  withPerson(async person => {
    const { google } = person.machine
    google.addClient({ ...DEFAULT_CLIENT, testing: true })
    const client = JSON.stringify({ installed: { client_id: DEFAULT_CLIENT.id, client_secret: DEFAULT_CLIENT.secret } })
    const { output, exitCode } = await person.setup(
      [
        ...Array.from({ length: 4 }, () => answer(/\[Enter\] when it is done, q quits: $/, '')),
        answer(/paste what is in it: $/, client),
        answer(/Paste it here: $/, 'http://127.0.0.1:1/?state=another&code=1'),
        answer(/tries again, q quits; .*: $/, ''),
        pastesAddress,
        answer(/\[Enter\] goes on, s keeps this login, q quits: $/, ''),
        answer(/\[Enter\] when it is "In production": $/, () => {
          google.addClient({ ...DEFAULT_CLIENT, testing: false })
          return ''
        }),
        pastesAddress,
        answer(/finish: $/, ''),
      ],
      { pastes: true, env: { DISPLAY: undefined, WAYLAND_DISPLAY: undefined, BROWSER: undefined, WSL_DISTRO_NAME: undefined } },
    )
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(/Open this page in any browser:\s+https:\/\/console\.cloud\.google\.com\/auth\/clients\n/)
    expect(output).not.toContain('May I look')
    expect(output).toContain('That address belongs to another login.')
    expect(output).toMatch(/This login ends at 20[^]*is in "Testing"/)
    expect(await person.pages()).toEqual([])
    expect((await person.machine.auth(['status', '--json'])).stdout).toContain('"loginEnds":null')
  }))

test('who is refused in the browser gets advice and tries again without starting over', () =>
  withPerson(async person => {
    const { machine } = person
    await writeFile(person.download(NAME), BEGIN)
    await machine.withBrowser('deny')
    const { output, exitCode } = await person.setup(
      [
        answer(/\[Y\/n\] $/, ''),
        answer(/Log in with it\? \[Y\/n\] $/, ''),
        answer(/tries again, p logs in by pasting an address, q quits; .*: $/, async () => {
          await machine.withBrowser('approve')
          // a page of Google with an error, of which no program hears
          machine.google.accounts.clients.delete(DEFAULT_CLIENT.id)
          return ''
        }),
        answer(/prompt=consent\s+$/, ''),
        answer(/tries again, p logs in by pasting an address, q quits; .*: $/, () => {
          machine.google.addClient(DEFAULT_CLIENT)
          return 'p'
        }),
        pastesAddress,
        answer(/Delete it\? \[y\/N\] $/, ''),
        answer(/finish: $/, ''),
      ],
      { pastes: true },
    )
    expect(exitCode, output).toBe(0)
    expect(output).toContain('Access was denied in the browser.')
    for (const said of ['access_denied', 'redirect_uri_mismatch', 'org_internal', 'admin_policy_enforced', 'deleted_client'])
      expect(output).toContain(said)
  }))

test('in Colab it names the cell, and goes no further unless told', () =>
  withPerson(async person => {
    const env = { TBE_EPHEM_CREDS_ADDR: new URL(person.machine.google.url).host }
    const stopped = await person.setup([answer(/Go on all the same\? \[y\/N\] $/, '')], { env, size: { columns: 0, rows: 0 } })
    expect([stopped.exitCode, stopped.output]).toEqual([0, expect.stringContaining('auth.authenticate_user()')])
    const on = await person.setup([answer(/Go on all the same\? \[y\/N\] $/, 'yes'), answer(/when it is done, q quits: $/, 'q')], { env })
    expect([on.exitCode, on.output]).toEqual([3, expect.stringContaining('Open this page in any browser:')])
  }))

test('at a terminal --json and --quiet list the steps and ask nothing', () =>
  withPerson(async person => {
    const json = await person.setup([], { args: ['--json'] })
    expect([json.exitCode, JSON.parse(json.output.trim())]).toEqual([0, expect.objectContaining({ command: 'auth setup' })])
    const quiet = await person.setup([], { args: ['--quiet'] })
    expect([quiet.exitCode, quiet.output]).toEqual([0, expect.stringContaining('6. Log in with it:')])
  }))

test('downloads are where the desktop says, and only regular files with the names of Google count', () =>
  withFolder(async home => {
    const folder = (config?: string): string => downloadsFolder('linux', home, config)
    expect(folder()).toBe(`${home}/Downloads`)
    makeTree(home, {
      '.config/user-dirs.dirs': '# made by xdg-user-dirs\nXDG_DESKTOP_DIR="$HOME/Bureau"\nXDG_DOWNLOAD_DIR="$HOME/Téléchargements"\n',
      'conf/user-dirs.dirs': 'XDG_DOWNLOAD_DIR="/mnt/downloads"\n',
    })
    expect([folder(), folder('relative'), folder(`${home}/conf`)]).toEqual([
      `${home}/Téléchargements`,
      `${home}/Téléchargements`,
      '/mnt/downloads',
    ])
    expect(downloadsFolder('darwin', home, undefined)).toBe(`${home}/Downloads`)

    const downloads = new ClientFileFinder(folder())
    expect(await downloads.newest(0)).toBeUndefined()
    await mkdir(`${folder()}/client_secret_folder.json`, { recursive: true })
    await writeFile(`${home}/elsewhere`, BEGIN)
    await symlink(`${home}/elsewhere`, `${folder()}/client_secret_link.json`)
    for (const name of ['notes.json', 'client_secret_1.json.part', 'client_secret_1.txt']) await writeFile(`${folder()}/${name}`, BEGIN)
    await writeFile(`${folder()}/client_secret_large.json`, `${BEGIN}${' '.repeat(70_000)}`)
    expect(await downloads.newest(0)).toBeUndefined()
    await writeFile(`${folder()}/1-a.apps.googleusercontent.com(2).json`, `\uFEFF${BEGIN}`)
    expect((await downloads.newest(0))?.path).toBe(`${folder()}/1-a.apps.googleusercontent.com(2).json`)
  }))
