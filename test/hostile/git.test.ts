import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Sandbox, withSandbox } from '../helpers/cli.ts'

import { makeTree } from '../helpers/trees.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const SECRET = 'fedcba9876543210fedcba9876543210fedcba98'

interface Git {
  commit: string
  branch?: string
}

type Attack = [told: string, change: (git: string) => void, recorded: Git | null]

/**
 * Pushes folders, each with a git folder on the branch `main` that an attack has changed, all with one command. The
 * test of each attack looks at what the version records.
 */
function testPushes(prepare: (sandbox: Sandbox) => Attack[]): void {
  const sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  const attacks = prepare(sandbox)
  const recorded = new Map<string, Git | null>()

  beforeAll(async () => {
    for (const [at, [, change]] of attacks.entries()) {
      const folder = await sandbox.folder(`data${at}`)
      makeTree(folder, { 'a.txt': 'a', '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': `${COMMIT}\n` })
      change(join(folder, '.git'))
    }
    // the git folder itself is not pushed: it may hold what no push can read
    await sandbox.ok('push', ...attacks.map((_, at) => `data${at}`), '--exclude', '.git')
    const { versions } = await sandbox.json<{ versions: { name: string; git: Git | null }[] }>('log')
    for (const { name, git } of versions) recorded.set(name, git)
  })
  afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

  test.each(attacks.map(([told, , expected], at) => ({ told, expected, name: `data${at}` })))('$told', ({ expected, name }) => {
    expect(recorded.get(name)).toEqual(expected)
  })
}

const AS_IT_IS: Git = { commit: COMMIT, branch: 'main' }

const link = (target: string, path: string): void => {
  rmSync(path, { force: true, recursive: true })
  symlinkSync(target, path)
}

const fifo = (path: string): void => {
  rmSync(path, { force: true })
  execFileSync('mkfifo', [path])
}

describe('No command starts a program because there is a git folder', () => {
  test('not git, and not the filters and monitors that its settings name', () =>
    withSandbox(async sandbox => {
      const started = sandbox.in('started')
      const script = `#!/bin/sh\necho "$0" >> '${started}'\ncat\n`
      makeTree(sandbox.path, { 'bin/git': { file: script, mode: 0o755 }, evil: { file: script, mode: 0o755 }, 'real/x': 'x' })
      const real = sandbox.in('real')
      const git = (...args: string[]): Buffer =>
        execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: real })
      git('init', '--quiet')
      makeTree(real, { '.gitattributes': '* filter=evil\n', 'out/y': 'y' })
      git('add', '.')
      git('commit', '--quiet', '-m', 'first')
      for (const name of ['filter.evil.clean', 'filter.evil.process', 'core.fsmonitor', 'diff.external', 'core.sshCommand'])
        git('config', name, sandbox.in('evil'))
      writeFileSync(join(real, 'x'), 'z') // git would have to look
      for (const path of [`${sandbox.in('bin')}:${process.env.PATH}`, process.env.PATH]) {
        const commands = [
          ['push', 'real'],
          ['push', 'real/out'],
          ['push', '--dry-run', 'real'],
          ['status', 'real'],
          ['diff', 'real', 'real'],
        ]
        for (const command of commands) await sandbox.run(command, { env: { PATH: path } })
        await sandbox.run(['watch', 'real', '--until-exit', '999999999', '--settle', '200ms'], { env: { PATH: path } })
        writeFileSync(join(real, 'x'), 'another')
      }
      expect(existsSync(started)).toBe(false)
    }))
})

describe('Nothing in a git folder makes a push fail or wait', () => {
  const onBranch =
    (branch: string | Buffer, before = '# pack-refs with: peeled\n') =>
    (git: string) => {
      writeFileSync(join(git, 'HEAD'), Buffer.concat([Buffer.from('ref: refs/heads/'), Buffer.from(branch)]))
      writeFileSync(join(git, 'packed-refs'), Buffer.concat([Buffer.from(`${before}${COMMIT} refs/heads/`), Buffer.from(branch)]))
    }
  testPushes(() => [
    ['HEAD is a fifo', git => fifo(join(git, 'HEAD')), null],
    ['HEAD leads to an endless device', git => link('/dev/zero', join(git, 'HEAD')), null],
    ['HEAD leads back to itself', git => link('HEAD', join(git, 'HEAD')), null],
    ['HEAD is a folder', git => (rmSync(join(git, 'HEAD')), mkdirSync(join(git, 'HEAD'))), null],
    ['HEAD is a long text', git => writeFileSync(join(git, 'HEAD'), 'ref: refs/heads/'.repeat(1_000_000)), null],
    ['the branch is a fifo', git => fifo(join(git, 'refs/heads/main')), null],
    ['the branch leads to an endless device', git => link('/dev/zero', join(git, 'refs/heads/main')), null],
    ['.git is a fifo', git => (rmSync(git, { recursive: true }), fifo(git)), null],
    ['.git leads to a terminal', git => link('/dev/tty', git), null],
    ['.git names a device', git => (rmSync(git, { recursive: true }), writeFileSync(git, 'gitdir: /dev/zero\n')), null],
    ['commondir is a fifo', git => fifo(join(git, 'commondir')), AS_IT_IS],
    ['commondir leads elsewhere', git => writeFileSync(join(git, 'commondir'), '/dev'), AS_IT_IS],
    ['a branch with a name as long as it may be', onBranch('b'.repeat(1024)), { commit: COMMIT, branch: 'b'.repeat(1024) }],
    ['a branch with a name too long for a version', onBranch('b'.repeat(1025)), { commit: COMMIT }],
    ['a branch with a name much too long', onBranch('b'.repeat(7000)), { commit: COMMIT }],
    ['a branch with control characters', onBranch('a\x1b[2Jb'), null],
    ['a branch with a second line', onBranch('a\nerror: forged'), null],
    ['a branch with bytes that are not UTF-8', onBranch(Buffer.from([0x61, 0xff, 0x62])), null],
    [
      'packed branches that are slow to search',
      onBranch('a'.repeat(1000), `${'a'.repeat(15_000_000)}\n`),
      { commit: COMMIT, branch: 'a'.repeat(1000) },
    ],
  ])
})

describe('A version names no commit that was read outside of its own git folder', () => {
  testPushes(sandbox => {
    const secret = sandbox.in('secret')
    const named = (git: string, target: string): void => {
      rmSync(git, { recursive: true })
      writeFileSync(git, `gitdir: ${target}\n`)
    }
    makeTree(sandbox.path, {
      'secret/key': `${SECRET}\n`,
      'secret/packed': `${SECRET} refs/heads/main\n`,
      'secret/project/.git/HEAD': 'ref: refs/heads/private\n',
      'secret/project/.git/refs/heads/private': `${SECRET}\n`,
      'secret/project/.git/refs/heads/main': `${SECRET}\n`,
    })
    return [
      ['the branch is a link', git => link(join(secret, 'key'), join(git, 'refs/heads/main')), null],
      ['HEAD is a link', git => link(join(secret, 'key'), join(git, 'HEAD')), null],
      [
        'the folder of the branches is a link',
        git => (link(secret, join(git, 'refs')), writeFileSync(join(git, 'HEAD'), 'ref: refs/key')),
        null,
      ],
      ['a branch with ..', git => writeFileSync(join(git, 'HEAD'), 'ref: refs/../../../secret/key'), null],
      ['.git is a link', git => link(join(secret, 'project/.git'), git), null],
      ['.git names the git folder of another project', git => named(git, join(secret, 'project/.git')), null],
      ['commondir is another project', git => writeFileSync(join(git, 'commondir'), join(secret, 'project/.git')), AS_IT_IS],
      [
        'the packed branches are a link',
        git => (rmSync(join(git, 'refs/heads/main')), link(join(secret, 'packed'), join(git, 'packed-refs'))),
        null,
      ],
    ]
  })
})
