import { execFile } from 'node:child_process'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Tmpfs {
  /** The mount point, empty at first. */
  path: string
  /** From then on every change fails with EROFS, for root too. */
  remountReadOnly(): Promise<void>
}

/**
 * Gives `use` a file system of its own of `sizeBytes`, and takes it away afterwards. What it shows can't be shown with permissions, which don't bind
 * root, so where mounting isn't possible the test fails instead of passing unseen.
 */
export async function withTmpfs<T>(sizeBytes: number, use: (tmpfs: Tmpfs) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'colab-escape-tmpfs-'))
  try {
    await mount('-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path)
    try {
      return await use({ path, remountReadOnly: () => mount('-o', 'remount,ro', path) })
    } finally {
      await run('umount', [path]).catch(() => run('umount', ['--lazy', path]))
    }
  } finally {
    await rmdir(path)
  }
}

async function mount(...args: string[]): Promise<void> {
  try {
    await run('mount', args)
  } catch (error) {
    throw new Error(`this test must be able to mount a tmpfs: run it on Linux as root (in a container: --privileged)`, { cause: error })
  }
}
