import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { findProgram } from '../../src/util/find-program.ts'
import { contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { withFolder } from '../helpers/folders.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { makeTree, type TreeNode } from '../helpers/trees.ts'
import { run } from './tools.ts'

const PATH = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter)

/** A file system in an image: what makes it, and what mounts it. */
interface FileSystemKind {
  name: string
  programs: readonly string[]
  make: (folder: string, image: string) => void
  /** `device`: a loop device of the image. */
  mount: (folder: string, image: string, device: string) => void
}

export const EXFAT: FileSystemKind = {
  name: 'exFAT',
  programs: ['mkfs.exfat', 'mount.exfat-fuse', 'losetup'],
  make: (folder, image) => void run(folder, 'mkfs.exfat', image),
  mount: (folder, _, device) => void run(folder, 'mount.exfat-fuse', device, 'disk'),
}

export const NTFS: FileSystemKind = {
  name: 'NTFS through ntfs-3g',
  programs: ['mkfs.ntfs', 'ntfs-3g', 'losetup'],
  make: (folder, image) => void run(folder, 'mkfs.ntfs', '-q', '-F', image),
  mount: (folder, image) => void run(folder, 'ntfs-3g', '-o', 'windows_names', image, 'disk'),
}

/** Why file systems of this kind can't be mounted here; undefined if they can. It is tried. */
export function whyNot(kind: FileSystemKind): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount'
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  const missing = kind.programs.filter(program => findProgram(program, PATH) === undefined)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const folder = mkdtempSync(join(tmpdir(), 'colab-escape-disk-'))
  try {
    mounted(kind, folder)()
    return undefined
  } catch (error) {
    return `it can't be mounted here: ${String(error).split('\n', 1)[0]}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Mounts a new file system at `disk` of a folder. Returns what takes it away again. */
function mounted(kind: FileSystemKind, folder: string): () => void {
  writeFileSync(join(folder, 'image'), '')
  truncateSync(join(folder, 'image'), 24 << 20)
  mkdirSync(join(folder, 'disk'))
  kind.make(folder, 'image')
  const device = run(folder, 'losetup', '-f', '--show', 'image').trim()
  const detach = (): void => void run(folder, 'losetup', '-d', device)
  try {
    kind.mount(folder, 'image', device)
  } catch (error) {
    detach()
    throw error
  }
  return () => {
    run(folder, 'umount', 'disk')
    detach()
  }
}

/** Gives `use` the mount point of a new file system, and a folder beside it. */
export async function withDisk(kind: FileSystemKind, use: (disk: string, beside: string) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    const unmount = mounted(kind, folder)
    try {
      await use(join(folder, 'disk'), folder)
    } finally {
      unmount()
    }
  })
}

/** Pushes a tree, and gives a function that pulls it. */
export async function pushed(beside: string, tree: Record<string, TreeNode>) {
  const context = contextOf(new MemoryStorage())
  makeTree(join(beside, 'data'), tree)
  await pushFolder(context, join(beside, 'data'), 'data')
  return (destination: string, force = false) => pullVersion(context, 'data', destination, force)
}
