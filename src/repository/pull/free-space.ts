import { lstatSync, statfsSync, type Stats, type StatsFs } from 'node:fs'
import { dirname } from 'node:path'
import { partName } from '../../local/part-names.ts'
import { AppError, throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { OpenRepository } from '../open/open.ts'
import type { PlannedFile, PullPlan } from './pull-plan.ts'

/** A file takes whole blocks of a disk. */
const BLOCK_BYTES = 4096
/** Left free for others and for what a file system notes about its files: this, or a hundredth of a smaller disk. */
const RESERVE_BYTES = 64 * 1024 * 1024

/** File systems of Linux, by the type that statfs gives, that may compress what they hold. */
const COMPRESSING: ReadonlySet<number> = new Set([0x9123683e, 0x2fc12fc1, 0xca451a4e, 0xf2f52010]) // Btrfs, ZFS, bcachefs, F2FS
/** File systems of Linux without holes: zeros take as much space as anything else. */
const WITHOUT_HOLES: ReadonlySet<number> = new Set([0x4d44, 0x2011bab0, 0x4244, 0x482b]) // FAT, exFAT, HFS, HFS+

/** One file system of the destination. */
interface Disk {
  /** A folder on it. */
  folder: string
  files: PlannedFile[]
  bytes: number
}

/**
 * Compares what a pull will write with the free space of each file system that it writes to. Files that are replaced
 * stay until the new ones are whole, so their space doesn't count as free. Returns the error if it does not fit. If a
 * file system may compress, only warns.
 */
export async function findLackOfSpace(repository: OpenRepository, plan: PullPlan, reporter: Reporter): Promise<AppError | undefined> {
  for (const [device, disk] of disksOf(plan.files)) {
    const stats = spaceOf(disk.folder)
    if (!stats) continue
    const { type, bsize, blocks, bavail } = stats
    const free = Math.max(0, bavail * bsize - Math.min(RESERVE_BYTES, (blocks * bsize) / 100))
    if (disk.bytes <= free) continue
    const linux = process.platform === 'linux'
    const holes = linux && WITHOUT_HOLES.has(type) ? 0 : await bytesOfHoles(repository, disk.files)
    const needed = disk.bytes - holes
    const usable = free + bytesToFree(plan, disk.files, device)
    if (needed <= usable) continue
    const message = `The files to write take ${formatBytes(needed)}, but only ${formatBytes(usable)} can be used at ${disk.folder}`
    if (linux && COMPRESSING.has(type)) reporter.warn(`${message}: they fit only if they can be compressed there.`)
    else
      return new AppError('quota', `${message}; nothing was changed.`, {
        hint: 'Free some space there, pull less with --only, or pull to another disk.',
      })
  }
  return undefined
}

/** Undefined if the file system can't tell; a mounted service may say that it has no blocks at all. */
function spaceOf(folder: string): StatsFs | undefined {
  try {
    const stats = statfsSync(fsPath(folder))
    return stats.blocks === 0 ? undefined : stats
  } catch {
    return undefined
  }
}

/** By device number. */
function disksOf(files: readonly PlannedFile[]): Map<number, Disk> {
  const disks = new Map<number, Disk>()
  const known = new Map<string, { folder: string; device: number }>()
  for (const file of files) {
    const { folder, device } = nearestFolder(dirname(file.localPath), known)
    let disk = disks.get(device)
    if (!disk) disks.set(device, (disk = { folder, files: [], bytes: 0 }))
    disk.files.push(file)
    disk.bytes += Math.ceil(file.entry.size / BLOCK_BYTES) * BLOCK_BYTES
  }
  return disks
}

/** The folder, or the nearest one above it that exists. */
function nearestFolder(folder: string, known: Map<string, { folder: string; device: number }>): { folder: string; device: number } {
  const before = known.get(folder)
  if (before) return before
  const stats = statsOf(folder)
  const found = stats?.isDirectory() === true || dirname(folder) === folder
  const nearest = found ? { folder, device: stats?.dev ?? 0 } : nearestFolder(dirname(folder), known)
  known.set(folder, nearest)
  return nearest
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(fsPath(path))
  } catch {
    return undefined
  }
}

/** Bytes of the holes that the files will have. A hole that is a single chunk may not be counted. */
export async function bytesOfHoles({ index, signal }: OpenRepository, files: readonly PlannedFile[]): Promise<number> {
  const turns = new Breather()
  /** The id of so many zeros. */
  const zeros = new Map<number, Buffer>()
  let bytes = 0
  for (const { entry } of files) {
    let isInHole = false
    for (let offset = 0; offset < entry.chunks.length; offset += HASH_BYTES) {
      const length = index.length(index.find(entry.chunks, offset))
      // hashing zeros for every chunk would take long, and long runs of zeros are cut into equal chunks
      const mayBe: boolean = isInHole || zeros.has(length) || isRepeated(entry.chunks, offset)
      if (mayBe && !zeros.has(length)) zeros.set(length, Buffer.from(index.chunkKeys.idOf(Buffer.alloc(length))))
      isInHole = mayBe && zeros.get(length)!.compare(entry.chunks, offset, offset + HASH_BYTES) === 0
      if (isInHole) bytes += length
      if (turns.isDue()) {
        await turns.breathe()
        throwIfAborted(signal)
      }
    }
  }
  return bytes
}

/** Whether the chunk at an offset and the next one are equal. */
function isRepeated(ids: Buffer, offset: number): boolean {
  const next = offset + HASH_BYTES
  return next < ids.length && ids.compare(ids, offset, next, next, next + HASH_BYTES) === 0
}

/** Bytes of what is deleted before anything is written, and of part files that are continued or replaced. */
function bytesToFree({ remove }: PullPlan, files: readonly PlannedFile[], device: number): number {
  const parts = files.map(({ entry, localPath }) => `${dirname(localPath)}/${partName(entry.path, entry.chunks)}`)
  let bytes = 0
  for (const path of [...remove.map(({ localPath }) => localPath), ...parts]) {
    const stats = statsOf(path)
    // the content of a file with several names stays
    if (stats?.dev === device && stats.nlink === 1) bytes += stats.blocks * 512
  }
  return bytes
}
