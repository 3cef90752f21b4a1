import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
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

/** Whether `withRcloneMount` works here. */
export const CAN_MOUNT_RCLONE = existsSync('/dev/fuse') && process.getuid?.() === 0 && canRun('rclone')

function canRun(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What rclone asks to mount for it, with its own rights: root needs no more than this. */
const FUSERMOUNT = `#!/usr/bin/env python3
import array, ctypes, os, socket, sys
point = sys.argv[-1]
if '-u' in sys.argv: sys.exit(os.spawnlp(os.P_WAIT, 'umount', 'umount', point))
fuse = os.open('/dev/fuse', os.O_RDWR)
options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fuse
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b'rclone', point.encode(), b'fuse', 0, options) != 0: sys.exit(os.strerror(ctypes.get_errno()))
with socket.socket(fileno=int(os.environ['_FUSE_COMMFD'])) as rclone:
    rclone.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fuse]))])
`

/**
 * Gives `use` an empty folder of a real `rclone mount`, whose files have their mtime as their ctime. They can only be
 * written from front to back.
 */
export async function withRcloneMount<T>(use: (path: string) => Promise<T>): Promise<T> {
  const remote = await mkdtemp(join(tmpdir(), 'colab-escape-remote-'))
  try {
    return await withRemoteMounted(remote, ['--config', '/dev/null', '--attr-timeout', '0'], process.env, use)
  } finally {
    await rm(remote, { recursive: true })
  }
}

/** Gives `use` a folder where rclone mounts `remote`; what was written to it is there when this ends. */
export async function withRemoteMounted<T>(
  remote: string,
  options: readonly string[],
  env: NodeJS.ProcessEnv,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'colab-escape-rclone-'))
  const point = join(folder, 'mount')
  for (const name of ['mount', 'bin']) await mkdir(join(folder, name))
  for (const name of ['fusermount', 'fusermount3']) await writeFile(join(folder, 'bin', name), FUSERMOUNT, { mode: 0o755 })
  const PATH = `${join(folder, 'bin')}${delimiter}${env.PATH}`
  const rclone = spawn('rclone', ['mount', remote, point, ...options], { env: { ...env, PATH }, stdio: 'ignore' })
  const ended = new Promise(resolve => rclone.once('close', resolve))
  try {
    await run('sh', ['-c', `for i in $(seq 100); do mountpoint -q "$0" && exit 0; sleep 0.1; done; exit 1`, point])
    return await use(point)
  } finally {
    await run('umount', [point]).catch(() => run('umount', ['--lazy', point]).catch(() => undefined))
    rclone.kill()
    await ended
    await rm(folder, { recursive: true })
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
