import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { FileSystem } from '../../../src/util/file-system.ts'
import { intercepted, type Call } from './intercepted.ts'

interface File {
  type: 'file'
}
interface Link {
  type: 'link'
  target: string
}
interface Folder {
  type: 'folder'
  /** As the running program sees them. */
  entries: Map<string, Item>
}
export type Item = File | Link | Folder

/** An entry of a folder that appears, or disappears if there is no item. */
interface EntryChange {
  folder: Folder
  name: string
  item: Item | undefined
}

/** What a program has done to a disk. A power loss takes what no `sync` covers. */
export type Event =
  | { type: 'write'; file: File; at: number; bytes: Buffer }
  | { type: 'truncate'; file: File; size: number }
  /** All or none of them: a rename is one. */
  | { type: 'entries'; changes: EntryChange[] }
  /** Covers the events with a number below `upTo`. */
  | { type: 'sync'; item: Item; upTo: number }

/** What a program may have left out. */
export type Omission = 'file syncs' | 'folder syncs'

/** Records what programs do to a folder through `fileSystem`. What is in it at first is synced. */
export class Recorded {
  readonly fileSystem: FileSystem
  readonly root: Folder
  readonly contents = new Map<File, Buffer>()
  /** The entries of each folder that there is at first. */
  readonly entries = new Map<Folder, Map<string, Item>>()
  readonly events: Event[] = []
  private readonly path: string
  private readonly omission: Omission | undefined
  private readonly starts = new Map<unknown, number[]>()
  private readonly positions = new Map<unknown, number>()

  constructor(path: string, omission?: Omission) {
    this.path = path
    this.omission = omission
    this.root = this.scan(path) as Folder
    this.fileSystem = intercepted({
      skipsSyncs: true,
      before: call => {
        if (call.name === 'fsync') this.starts.set(call.args[0], [...(this.starts.get(call.args[0]) ?? []), this.events.length])
      },
      after: (call, result) => this.note(call, result),
    })
  }

  private scan(path: string): Item {
    const stats = lstatSync(path)
    if (stats.isSymbolicLink()) return { type: 'link', target: readlinkSync(path) }
    if (!stats.isDirectory()) {
      const file: File = { type: 'file' }
      this.contents.set(file, readFileSync(path))
      return file
    }
    const entries = new Map(readdirSync(path).map(name => [name, this.scan(join(path, name))]))
    const folder: Folder = { type: 'folder', entries }
    this.entries.set(folder, new Map(entries))
    return folder
  }

  /** The item at a path; undefined outside the folder, and where there is nothing. */
  private find(path: string): Item | undefined {
    const inside = relative(this.path, path)
    if (inside === '') return this.root
    let item: Item | undefined = this.root
    for (const part of inside.split('/')) item = item?.type === 'folder' ? item.entries.get(part) : undefined
    return item
  }

  private change(...changes: [path: string, item: Item | undefined][]): void {
    const known = changes.flatMap(([path, item]): EntryChange[] => {
      const folder = this.find(dirname(path))
      return folder?.type === 'folder' ? [{ folder, name: basename(path), item }] : []
    })
    if (known.length === 0) return
    for (const { folder, name, item } of known) {
      if (item) folder.entries.set(name, item)
      else folder.entries.delete(name)
    }
    this.events.push({ type: 'entries', changes: known })
  }

  private note({ name, path, args }: Call, result: unknown): void {
    const item = this.find(path)
    switch (name) {
      case 'open':
        this.positions.set(descriptorOf(result), 0)
        if (!item) this.change([path, { type: 'file' }])
        return
      case 'mkdir':
        return this.change([path, { type: 'folder', entries: new Map() }])
      case 'symlink':
        return this.change([String(args[1]), { type: 'link', target: String(args[0]) }])
      case 'rename':
        return this.change([path, undefined], [String(args[1]), item])
      case 'unlink':
      case 'rmdir':
      case 'rm':
        if (item) this.change([path, undefined])
        return
      case 'write':
        return this.noteWrite(item, args, result)
      case 'ftruncate':
        if (item?.type === 'file') this.events.push({ type: 'truncate', file: item, size: args[1] as number })
        return
      case 'fsync':
        return this.noteSync(item, args[0])
    }
  }

  /** `write(bytes, offset, length, position)`, also of `writeSync`, or `writeFile(text)` where the last one ended. */
  private noteWrite(item: Item | undefined, [fd, content, offset, length, position]: readonly unknown[], result: unknown): void {
    if (item?.type !== 'file') return
    const whole = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as Uint8Array)
    const from = typeof offset === 'number' ? offset : 0
    const written = typeof result === 'number' ? result : (result as { bytesWritten: number } | undefined)?.bytesWritten
    const bytes = whole.subarray(from, from + (written ?? (typeof length === 'number' ? length : whole.length)))
    const at = typeof position === 'number' ? position : (this.positions.get(fd) ?? 0)
    if (typeof position !== 'number') this.positions.set(fd, at + bytes.length)
    this.events.push({ type: 'write', file: item, at, bytes: Buffer.from(bytes) })
  }

  private noteSync(item: Item | undefined, fd: unknown): void {
    const upTo = this.starts.get(fd)!.shift()!
    if (!item || this.omission === `${item.type} syncs`) return
    this.events.push({ type: 'sync', item, upTo })
  }
}

function descriptorOf(opened: unknown): unknown {
  return typeof opened === 'number' ? opened : (opened as { fd: number }).fd
}
