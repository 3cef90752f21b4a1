import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readGitState } from '../../../src/local/git-state.ts'
import { promise, type Target } from '../target.ts'

const COMMIT = 'ab'.repeat(20)
const BETWEEN = '\n--\n'
/** Files of a git folder, in the order of the parts of the input. */
const FILES = ['HEAD', 'refs/heads/main', 'packed-refs', 'commondir', '../linked/HEAD']

/** The files of a git folder. With a sixth part `.git` is a file, which may name a folder. */
export const gitState: Target = {
  name: 'git-state',
  seeds: () =>
    [
      [COMMIT],
      ['ref: refs/heads/main\n', COMMIT],
      ['ref: refs/heads/main', '', `# pack-refs with: peeled\n${COMMIT} refs/heads/main\n^${COMMIT}\n`],
      ['ref: refs/heads/main', 'ref: refs/heads/main', '', '.'],
      ['', '', '', '', COMMIT, 'gitdir: linked\n'],
    ].map(parts => Buffer.from(parts.join(BETWEEN))),
  async run(input) {
    const parts = Buffer.from(input).toString('latin1').split(BETWEEN)
    const folder = mkdtempSync(join(tmpdir(), 'colab-escape-fuzz-git-'))
    const isFile = parts[5] !== undefined
    try {
      for (const [i, name] of FILES.entries()) {
        const path = join(folder, isFile ? 'git' : '.git', name)
        mkdirSync(dirname(path), { recursive: true })
        if (parts[i] !== undefined && parts[i] !== '') writeFileSync(path, parts[i], 'latin1')
      }
      if (isFile) writeFileSync(join(folder, '.git'), parts[5]!, 'latin1')
      const state = readGitState(folder)
      if (state) promise(/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(state.commit), 'a commit is an id', state)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}
