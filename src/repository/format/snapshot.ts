import type { GitState } from '../../local/git-state.ts'
import { wholeMicroseconds } from '../../local/times.ts'
import { AppError, corrupt, isAppError, newerFormat } from '../../util/errors.ts'
import { isHashHex, sha256Hex } from '../../util/hash.ts'
import { Fields, parseJson } from '../../util/json-fields.ts'
import { COMMIT_WINDOW_MS, FORMAT } from './limits.ts'
import { readMode, readMtime } from './manifest.ts'
import { nameProblem, normalName, parseSnapshotObjectName, snapshotObjectName, type Inventory, type SnapshotRef } from './object-names.ts'

/** One pushed version of a name. Its object is the only commit point of a push. */
export interface Snapshot {
  name: string
  /** ms since 1970; the greater of the store's clock and 1 ms after the effective time of the newest version. */
  time: number
  /** The store's clock at the beginning of the listing that the push relies on (rule 4 of docs/format.md). */
  listed: number
  host: string
  source: { path: string; type: 'directory' | 'file' }
  /** The attributes of a source that is a folder. Absent in versions of older programs. */
  root?: { mode: number; mtime: bigint }
  message?: string
  tags: string[]
  metrics: Record<string, number>
  /** The path in the version of the file or folder that the metrics belong to. */
  checkpoint?: string
  /** Older programs asked git whether tracked files differed from the commit. */
  git?: GitState & { dirty?: boolean }
  incomplete?: Incomplete
  /**
   * The line that the version continues: 16 hex digits, the same in all its versions. Absent in versions of older
   * programs, which are one line.
   */
  line?: string
  /** Id of the version before, or null. */
  parent: string | null
  counts: { files: number; directories: number; symlinks: number }
  /** Plain bytes of all files. */
  bytes: number
  /** Plain bytes and stored bytes of the chunks that were new. */
  added: { bytes: number; storedBytes: number }
  manifest: { bytes: number; chunks: string[] }
  program: string
}

/**
 * `files` paths of the source could not be read: `carried` of them are as in an earlier version, and the others are
 * missing. `folders` of these are folders that could not be listed, whose content is unknown.
 */
export interface Incomplete {
  files: number
  carried: number
  folders?: number
}

export interface StoredSnapshot extends Snapshot {
  /** SHA-256 of its bytes, hex. */
  id: string
  ref: SnapshotRef
  /** True if the version is late and lacks chunks (rule 5). Not looked for in versions that are not late. */
  lacksChunks?: true
}

/** The line of a version. Empty for all versions that programs made before there were lines. */
export const lineOf = ({ line = '' }: Pick<Snapshot, 'line'>): string => line

export const MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024

export function encodeSnapshot(snapshot: Snapshot): { id: string; objectName: string; bytes: Uint8Array } {
  const { root } = snapshot
  const written = root === undefined ? {} : { root: { mode: root.mode.toString(8), mtime: String(wholeMicroseconds(root.mtime)) } }
  const bytes = new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...snapshot, ...written }, undefined, 1)}\n`)
  const id = sha256Hex(bytes)
  const objectName = snapshotObjectName(snapshot.time, id, snapshot.name)
  const ref = parseSnapshotObjectName({ name: objectName, size: bytes.length, created: 0 })
  if (ref === undefined)
    throw new AppError('io', `A version of ${snapshot.name} can't have the time ${snapshot.time}.`, {
      hint: 'Nothing was stored as a version. Set the clock of this machine, then push again.',
    })
  decodeSnapshot(bytes, ref)
  return { id, objectName, bytes }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value.length <= 1024 ? value : undefined)
const hash = (value: unknown): string | undefined => (isHashHex(value) ? value : undefined)

/** Time and memory: linear in the length of `bytes`. */
export function decodeSnapshot(bytes: Uint8Array, ref: SnapshotRef): StoredSnapshot {
  const what = `Snapshot ${ref.shortId.slice(0, 8)} of ${ref.name}`
  if (bytes.length > MAX_SNAPSHOT_BYTES) throw corrupt(what, 'it is too large')
  const id = sha256Hex(bytes)
  if (!id.startsWith(ref.shortId)) throw corrupt(what, 'its content does not match the checksum in its name')
  const fields = new Fields(parseJson(bytes, what), what)
  if (fields.integer('format') > FORMAT) throw newerFormat(what)
  const name = fields.string('name')
  const time = fields.integer('time', 8.64e15)
  if (normalName(name) !== ref.name || nameProblem(name) !== undefined || time !== ref.time)
    throw corrupt(what, 'its object name has another name or time')
  const source = fields.fields('source')
  const type = source.string('type')
  if (type !== 'directory' && type !== 'file') return fields.fail('source', 'is neither a directory nor a file')
  const counts = fields.fields('counts')
  const added = fields.fields('added')
  const manifest = fields.fields('manifest')
  const metrics = fields.fields('metrics').record
  if (!Object.values(metrics).every(Number.isFinite)) return fields.fail('metrics', 'has a value that is not a finite number')
  const message = fields.optionalString('message')
  const checkpoint = fields.optionalString('checkpoint')
  return {
    id,
    ref,
    name: ref.name,
    time,
    listed: fields.integer('listed', 8.64e15),
    host: fields.string('host', 1024),
    source: { path: source.string('path'), type },
    ...(fields.has('root') ? { root: readRoot(fields.fields('root')) } : {}),
    ...(message === undefined ? {} : { message }),
    tags: fields.list('tags', text),
    metrics: metrics as Record<string, number>,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(fields.has('git') ? { git: readGit(fields.fields('git')) } : {}),
    ...(fields.has('incomplete') ? { incomplete: readIncomplete(fields.fields('incomplete')) } : {}),
    ...readLine(fields),
    parent: fields.record.parent === null ? null : (hash(fields.record.parent) ?? fields.fail('parent', 'is not an id')),
    counts: { files: counts.integer('files'), directories: counts.integer('directories'), symlinks: counts.integer('symlinks') },
    bytes: fields.integer('bytes'),
    added: { bytes: added.integer('bytes'), storedBytes: added.integer('storedBytes') },
    manifest: { bytes: manifest.integer('bytes'), chunks: manifest.list('chunks', hash) },
    program: fields.string('program', 1024),
  }
}

function readRoot(root: Fields): NonNullable<Snapshot['root']> {
  return { mode: readMode(root), mtime: readMtime(root) }
}

function readLine(fields: Fields): { line?: string } {
  const line = fields.optionalString('line')
  if (line === undefined) return {}
  return /^[0-9a-f]{16}$/.test(line) ? { line } : fields.fail('line', 'is not 16 hex digits')
}

/**
 * The object name that belongs to the bytes of a snapshot, whatever name they lie under. Undefined if they are none.
 */
export function nameSnapshot(bytes: Uint8Array): string | undefined {
  try {
    const fields = new Fields(parseJson(bytes, 'Snapshot'), 'Snapshot')
    const objectName = snapshotObjectName(fields.integer('time'), sha256Hex(bytes), fields.string('name'))
    const ref = parseSnapshotObjectName({ name: objectName, size: bytes.length, created: 0 })
    return ref && decodeSnapshot(bytes, ref).ref.objectName
  } catch (error) {
    // a time that no calendar has is a RangeError
    if (!isAppError(error, 'corrupt', 'newer-format') && !(error instanceof RangeError)) throw error
    return undefined
  }
}

function readGit(git: Fields): NonNullable<Snapshot['git']> {
  const branch = git.optionalString('branch', 1024)
  return {
    commit: git.string('commit', 1024),
    ...(branch === undefined ? {} : { branch }),
    ...(git.has('dirty') ? { dirty: git.boolean('dirty') } : {}),
  }
}

function readIncomplete(incomplete: Fields): Incomplete {
  const files = incomplete.integer('files')
  const carried = incomplete.integer('carried')
  if (files < 1) return incomplete.fail('files', 'is 0')
  if (carried > files) return incomplete.fail('carried', 'is more than files')
  if (!incomplete.has('folders')) return { files, carried }
  const folders = incomplete.integer('folders')
  if (folders > files - carried) return incomplete.fail('folders', 'is more than what is missing')
  return { files, carried, folders }
}

/** Names a version for people: `data@1a2b3c4d`. */
export function versionLabel({ name, id }: Pick<StoredSnapshot, 'name' | 'id'>): string {
  return `${name}@${id.slice(0, 8)}`
}

/**
 * Rule 5: a snapshot that the store created after the commit window of its listing is no commit by itself. It counts
 * only while everything that it needs is there, or once it is settled.
 */
export function isLate(snapshot: Pick<StoredSnapshot, 'ref' | 'listed'>): boolean {
  return snapshot.ref.created > snapshot.listed + COMMIT_WINDOW_MS
}

/** From this age (ms) on no push replaces a late snapshot. */
const SETTLED_MS = 24 * 60 * 60 * 1000

/**
 * Rule 5: true if a late snapshot counts like any other. It is too old for its push to replace it, or it was copied
 * here: then the config, which every push writes first, was created late too.
 */
export function isSettled(snapshot: Pick<StoredSnapshot, 'ref' | 'listed'>, { asOf, configCreated }: Inventory): boolean {
  return snapshot.ref.created <= asOf - SETTLED_MS || (configCreated ?? 0) > snapshot.listed + COMMIT_WINDOW_MS
}

/** Rule 5: true while the push of a snapshot may still replace it. */
export function isPending(snapshot: Pick<StoredSnapshot, 'ref' | 'listed'>, inventory: Inventory): boolean {
  return isLate(snapshot) && !isSettled(snapshot, inventory)
}
