import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readGitState } from '../../src/local/git-state.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const IDENTITY = ['-c', 'user.name=Someone', '-c', 'user.email=someone@example.com', '-c', 'init.defaultBranch=main']
const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', [...IDENTITY, ...args], { cwd: folder, encoding: 'utf8' }).trim()

async function withWorkTree(use: (folder: string, commit: string) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    makeTree(folder, { 'train.py': 'print(1)\n', 'runs/a.txt': 'a' })
    git(folder, 'init', '--quiet')
    git(folder, 'add', 'train.py')
    git(folder, 'commit', '--quiet', '-m', 'first')
    await use(folder, git(folder, 'rev-parse', 'HEAD'))
  })
}

test('commit and branch of the work tree around a folder; dirty when tracked files differ', () =>
  withWorkTree(async (folder, commit) => {
    const runs = join(folder, 'runs')
    expect(await readGitState(runs)).toEqual({ commit, branch: 'main', dirty: false })
    writeFileSync(join(folder, 'train.py'), 'print(2)\n')
    expect(await readGitState(runs)).toEqual({ commit, branch: 'main', dirty: true })
    expect(await readGitState(folder, 'no-such-git')).toEqual({ commit, branch: 'main' })
  }))

test('a branch with a slash, packed branches, a detached head, another work tree, a submodule', () =>
  withWorkTree(async (folder, commit) => {
    git(folder, 'checkout', '--quiet', '-b', 'try/lr-1e-4')
    git(folder, 'pack-refs', '--all')
    expect(await readGitState(folder)).toMatchObject({ commit, branch: 'try/lr-1e-4' })
    git(folder, 'worktree', 'add', '--quiet', 'other', 'main')
    expect(await readGitState(join(folder, 'other'))).toMatchObject({ commit, branch: 'main', dirty: false })
    git(folder, 'checkout', '--quiet', '--detach')
    expect(await readGitState(folder)).toEqual({ commit, dirty: false })
    renameSync(join(folder, '.git'), join(folder, 'moved'))
    writeFileSync(join(folder, '.git'), 'gitdir: moved\n')
    expect(await readGitState(join(folder, 'runs'))).toMatchObject({ commit })
  }))

test('nothing is said where there is no commit, or what is there makes no sense', () =>
  withFolder(async folder => {
    expect(await readGitState(folder)).toBeUndefined()
    git(folder, 'init', '--quiet')
    expect(await readGitState(folder)).toBeUndefined()
    for (const head of ['', 'nonsense', 'ref: refs/../../x', 'ref: refs/heads/HEAD', 'ref: HEAD', '\0'.repeat(40)]) {
      writeFileSync(join(folder, '.git', 'HEAD'), head)
      mkdirSync(join(folder, '.git', 'refs', 'heads'), { recursive: true })
      writeFileSync(join(folder, '.git', 'refs', 'heads', 'HEAD'), 'ref: refs/heads/HEAD')
      expect(await readGitState(folder), head).toBeUndefined()
    }
  }))

test('what the folder names as its monitor is not started, and git may not wait for ever', () =>
  withWorkTree(async (folder, commit) => {
    makeTree(folder, {
      'monitor.sh': { file: `#!/bin/sh\ntouch '${folder}/started'\n`, mode: 0o755 },
      'slow-git': { file: '#!/bin/sh\nexec sleep 20\n', mode: 0o755 },
    })
    git(folder, 'config', 'core.fsmonitor', join(folder, 'monitor.sh'))
    expect(await readGitState(folder)).toMatchObject({ dirty: false })
    expect(() => execFileSync('ls', [join(folder, 'started')], { stdio: 'ignore' })).toThrow()
    expect(await readGitState(folder, join(folder, 'slow-git'))).toEqual({ commit, branch: 'main' })
  }))
