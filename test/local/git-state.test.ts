import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readGitState } from '../../src/local/git-state.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const IDENTITY = ['-c', 'user.name=Someone', '-c', 'user.email=someone@example.com', '-c', 'init.defaultBranch=main']
const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', [...IDENTITY, ...args], { cwd: folder, encoding: 'utf8' }).trim()

async function withWorkTree(use: (folder: string, commit: string) => void): Promise<void> {
  await withFolder(async temporary => {
    const folder = await realpath(temporary)
    makeTree(folder, { 'train.py': 'print(1)\n', 'runs/a.txt': 'a' })
    git(folder, 'init', '--quiet')
    git(folder, 'add', 'train.py')
    git(folder, 'commit', '--quiet', '-m', 'first')
    use(folder, git(folder, 'rev-parse', 'HEAD'))
  })
}

test('commit and branch of the work tree around a folder', () =>
  withWorkTree((folder, commit) => {
    expect(readGitState(folder)).toEqual({ commit, branch: 'main' })
    expect(readGitState(join(folder, 'runs'))).toEqual({ commit, branch: 'main' })
  }))

test('a branch with a slash, packed branches, a detached head, another work tree', () =>
  withWorkTree((folder, commit) => {
    git(folder, 'checkout', '--quiet', '-b', 'try/lr-1e-4')
    git(folder, 'branch', 'a-try/lr-1e-4')
    git(folder, 'pack-refs', '--all')
    expect(readGitState(folder)).toEqual({ commit, branch: 'try/lr-1e-4' })
    git(folder, 'worktree', 'add', '--quiet', 'other', 'main')
    git(folder, 'worktree', 'add', '--quiet', `${folder}-beside`, 'a-try/lr-1e-4')
    expect(readGitState(join(folder, 'other'))).toEqual({ commit, branch: 'main' })
    expect(readGitState(`${folder}-beside`)).toEqual({ commit, branch: 'a-try/lr-1e-4' })
    rmSync(`${folder}-beside`, { recursive: true })
    git(folder, 'checkout', '--quiet', '--detach')
    expect(readGitState(folder)).toEqual({ commit })
  }))

test('a submodule, and a .git that was moved inside its work tree', () =>
  withWorkTree((folder, commit) => {
    makeTree(folder, { 'outer/x': 'x' })
    const outer = join(folder, 'outer')
    git(outer, 'init', '--quiet')
    git(outer, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', folder, 'inner')
    expect(readGitState(join(outer, 'inner'))).toEqual({ commit, branch: 'main' })
    renameSync(join(folder, '.git'), join(folder, 'moved'))
    writeFileSync(join(folder, '.git'), 'gitdir: moved\n')
    expect(readGitState(join(folder, 'runs'))).toEqual({ commit, branch: 'main' })
  }))

test('nothing is said where there is no commit, or what is there makes no sense', () =>
  withFolder(folder => {
    expect(readGitState(folder)).toBeUndefined()
    git(folder, 'init', '--quiet')
    expect(readGitState(folder)).toBeUndefined()
    for (const head of ['', 'nonsense', 'ref: refs/../../x', 'ref: refs/heads/HEAD', 'ref: HEAD', '\0'.repeat(40)]) {
      writeFileSync(join(folder, '.git', 'HEAD'), head)
      mkdirSync(join(folder, '.git', 'refs', 'heads'), { recursive: true })
      writeFileSync(join(folder, '.git', 'refs', 'heads', 'HEAD'), 'ref: refs/heads/HEAD')
      expect(readGitState(folder), head).toBeUndefined()
    }
    return Promise.resolve()
  }))
