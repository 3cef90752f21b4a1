import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
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

/** Why file systems of this kind can't be mounted here; undefined if they can. */
export function whyNot({ programs }: { programs: readonly string[] }): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount'
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  const missing = programs.filter(program => findProgram(program, PATH) === undefined)
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined
}

/** Gives `use` the mount point of a new file system, and a folder beside it. */
export async function withDisk(kind: FileSystemKind, use: (disk: string, beside: string) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    writeFileSync(join(folder, 'image'), '')
    truncateSync(join(folder, 'image'), 24 << 20)
    mkdirSync(join(folder, 'disk'))
    kind.make(folder, 'image')
    const device = run(folder, 'losetup', '-f', '--show', 'image').trim()
    try {
      kind.mount(folder, 'image', device)
      try {
        await use(join(folder, 'disk'), folder)
      } finally {
        execFileSync('umount', [join(folder, 'disk')])
      }
    } finally {
      run(folder, 'losetup', '-d', device)
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
