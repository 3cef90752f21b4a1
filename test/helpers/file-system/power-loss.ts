import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event, Item, Recorded } from './recorded.ts'

/** What a disk holds after a power loss: bytes of files, targets of symlinks, and folders. */
export type Disk = Map<string, { file: Buffer } | { link: string } | 'folder'>

type Chance = () => number
type Write = Extract<Event, { type: 'write' | 'truncate' }>
/** How much of what no sync covers has reached the disk. */
export type Luck = 'all' | 'nothing' | 'chance'

/**
 * The disk after a power loss when `done` events had happened. Of the events that no sync covers, changes of entries
 * are there or not, each for itself, and writes of a file are there, missing, cut off, or zeros of the same length.
 */
export function diskAfterPowerLoss(recorded: Recorded, done: number, luck: Luck, chance: Chance): Disk {
  const synced = new Map<Item, number>()
  const writes = new Map<Item, [number, Write][]>()
  const entries = new Map([...recorded.entries].map(([folder, names]) => [folder as Item, new Map(names)]))
  const events = recorded.events.slice(0, done)
  for (const event of events) if (event.type === 'sync') synced.set(event.item, Math.max(synced.get(event.item) ?? 0, event.upTo))
  const isCovered = (item: Item, number: number): boolean => number < (synced.get(item) ?? 0)

  for (const [number, event] of events.entries()) {
    if (event.type === 'write' || event.type === 'truncate') writes.set(event.file, [...(writes.get(event.file) ?? []), [number, event]])
    else if (event.type === 'entries') {
      const isThere = luck === 'all' || (luck === 'chance' && chance() < 0.5)
      for (const { folder, name, item } of event.changes) {
        if (!isThere && !isCovered(folder, number)) continue
        const names = entries.get(folder) ?? new Map<string, Item>()
        entries.set(folder, names)
        if (item) names.set(name, item)
        else names.delete(name)
      }
    }
  }

  const disk: Disk = new Map()
  const add = (item: Item, path: string): void => {
    if (item.type === 'link') disk.set(path, { link: item.target })
    else if (item.type === 'file') {
      const all = writes.get(item) ?? []
      const safe = all.filter(([number]) => isCovered(item, number)).map(([, write]) => write)
      const lost = all.slice(safe.length).map(([, write]) => write)
      const before = recorded.contents.get(item) ?? Buffer.alloc(0)
      disk.set(path, { file: contentOf(before, [...safe, ...whatIsLeft(lost, luck, chance)]) })
    } else {
      if (path !== '') disk.set(path, 'folder')
      for (const [name, inside] of entries.get(item) ?? []) add(inside, path === '' ? name : `${path}/${name}`)
    }
  }
  add(recorded.root, '')
  return disk
}

function whatIsLeft(lost: readonly Write[], luck: Luck, chance: Chance): readonly Write[] {
  if (luck !== 'chance') return luck === 'all' ? lost : []
  const kind = Math.floor(4 * chance())
  if (kind === 0) return lost
  if (kind === 1) return []
  if (kind === 2) return lost.map(write => (write.type === 'write' ? { ...write, bytes: Buffer.alloc(write.bytes.length) } : write))
  const cut = Math.floor(chance() * lost.length)
  const last = lost[cut]
  const torn = last?.type === 'write' ? [{ ...last, bytes: last.bytes.subarray(0, Math.floor(chance() * last.bytes.length)) }] : []
  return [...lost.slice(0, cut), ...torn]
}

function contentOf(before: Buffer, writes: readonly Write[]): Buffer {
  let size = before.length
  const end = writes.reduce((most, write) => Math.max(most, write.type === 'write' ? write.at + write.bytes.length : write.size), size)
  const content = Buffer.alloc(end)
  content.set(before)
  for (const write of writes) {
    if (write.type === 'truncate') {
      content.fill(0, Math.min(size, write.size), end)
      size = write.size
    } else {
      content.set(write.bytes, write.at)
      size = Math.max(size, write.at + write.bytes.length)
    }
  }
  return content.subarray(0, size)
}

/** Equal for equal disks. */
export function hashOfDisk(disk: Disk): string {
  const hash = createHash('sha1')
  for (const [path, item] of [...disk].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash
      .update(`${JSON.stringify([path, item === 'folder' ? item : 'link' in item ? item : item.file.length])}\n`)
      .update(item !== 'folder' && 'file' in item ? item.file : '')
  return hash.digest('hex')
}

/** Makes the disk in an empty folder. Only the user may read its files. */
export function makeDisk(root: string, disk: Disk): void {
  mkdirSync(root, { recursive: true })
  for (const [path, item] of disk) {
    if (item === 'folder') mkdirSync(join(root, path))
    else if ('link' in item) symlinkSync(item.link, join(root, path))
    else writeFileSync(join(root, path), item.file, { mode: 0o600 })
  }
}
