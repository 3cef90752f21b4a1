import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rmdir } from 'node:fs/promises'
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
 * Gives `use` a file system of its own of `sizeBytes`, and takes it away afterwards. What it shows can't be shown with
 * permissions, which don't bind root, so where mounting isn't possible the test fails instead of passing unseen.
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

/** Where Colab mounts Drive. Only one test at a time can have it. */
const COLAB_MOUNT = '/content/drive'

/**
 * Gives `use` an empty `/content/drive/MyDrive`, as after `drive.mount('/content/drive')`. On a machine that has
 * something there the test fails.
 */
export async function withMountedDrive<T>(use: (myDrive: string) => Promise<T>): Promise<T> {
  const made = await mkdir(COLAB_MOUNT, { recursive: true })
  if ((await readdir(COLAB_MOUNT)).length > 0) throw new Error(`${COLAB_MOUNT} is in use: this test needs it for itself`)
  try {
    await mount('-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', COLAB_MOUNT)
    try {
      await mkdir(join(COLAB_MOUNT, 'MyDrive'))
      return await use(join(COLAB_MOUNT, 'MyDrive'))
    } finally {
      await run('umount', [COLAB_MOUNT]).catch(() => run('umount', ['--lazy', COLAB_MOUNT]))
    }
  } finally {
    // no more than was made
    if (made !== undefined) await rmdir(COLAB_MOUNT)
    if (made !== undefined && made !== COLAB_MOUNT) await rmdir(made)
  }
}

async function mount(...args: string[]): Promise<void> {
  try {
    await run('mount', args)
  } catch (error) {
    throw new Error(`this test must be able to mount a tmpfs: run it on Linux as root (in a container: --privileged)`, { cause: error })
  }
}
