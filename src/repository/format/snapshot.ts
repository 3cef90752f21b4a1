import type { GitState } from '../../local/git-state.ts'
import { corrupt, newerFormat } from '../../util/errors.ts'
import { isHashHex, sha256Hex } from '../../util/hash.ts'
import { Fields, parseJson } from '../../util/json-fields.ts'
import { COMMIT_WINDOW_MS, FORMAT } from './limits.ts'
import { nameProblem, snapshotObjectName, type SnapshotRef } from './object-names.ts'

/** One pushed version of a name. Its object is the only commit point of a push. */
export interface Snapshot {
  name: string
  /** ms since 1970; the greater of the store's clock and the parent's time + 1. */
  time: number
  /** The store's clock at the beginning of the listing that the push relies on (rule 4 of docs/format.md). */
  listed: number
  host: string
  source: { path: string; type: 'directory' | 'file' }
  message?: string
  tags: string[]
  metrics: Record<string, number>
  git?: GitState
  /**
   * Set if `files` paths of the source could not be read: `carried` of them are as in an earlier version, and the
   * others are missing.
   */
  incomplete?: { files: number; carried: number }
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

export interface StoredSnapshot extends Snapshot {
  /** SHA-256 of its bytes, hex. */
  id: string
  ref: SnapshotRef
}

export const MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024

export function encodeSnapshot(snapshot: Snapshot): { id: string; objectName: string; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...snapshot }, undefined, 1)}\n`)
  const id = sha256Hex(bytes)
  const objectName = snapshotObjectName(snapshot.time, id, snapshot.name)
  decodeSnapshot(bytes, { objectName, name: snapshot.name, time: snapshot.time, shortId: id.slice(0, 16), created: 0 })
  return { id, objectName, bytes }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value.length <= 1024 ? value : undefined)
const hash = (value: unknown): string | undefined => (isHashHex(value) ? value : undefined)

export function decodeSnapshot(bytes: Uint8Array, ref: SnapshotRef): StoredSnapshot {
  const what = `Snapshot ${ref.shortId.slice(0, 8)} of ${ref.name}`
  if (bytes.length > MAX_SNAPSHOT_BYTES) throw corrupt(what, 'it is too large')
  const id = sha256Hex(bytes)
  if (!id.startsWith(ref.shortId)) throw corrupt(what, 'its content does not match the checksum in its name')
  const fields = new Fields(parseJson(bytes, what), what)
  if (fields.integer('format') > FORMAT) throw newerFormat(what)
  const name = fields.string('name')
  const time = fields.integer('time', 8.64e15)
  if (name !== ref.name || nameProblem(name) !== undefined || time !== ref.time)
    throw corrupt(what, 'its object name has another name or time')
  const source = fields.fields('source')
  const type = source.string('type')
  if (type !== 'directory' && type !== 'file') return fields.fail('source', 'is neither a directory nor a file')
  const counts = fields.fields('counts')
  const added = fields.fields('added')
  const manifest = fields.fields('manifest')
  const metrics = fields.fields('metrics').record
  if (!Object.values(metrics).every(value => typeof value === 'number')) return fields.fail('metrics', 'has a value that is not a number')
  const message = fields.optionalString('message')
  return {
    id,
    ref,
    name,
    time,
    listed: fields.integer('listed', 8.64e15),
    host: fields.string('host', 1024),
    source: { path: source.string('path'), type },
    ...(message === undefined ? {} : { message }),
    tags: fields.list('tags', text),
    metrics: metrics as Record<string, number>,
    ...(fields.has('git') ? { git: readGit(fields.fields('git')) } : {}),
    ...(fields.has('incomplete') ? { incomplete: readIncomplete(fields.fields('incomplete')) } : {}),
    parent: fields.record.parent === null ? null : (hash(fields.record.parent) ?? fields.fail('parent', 'is not an id')),
    counts: { files: counts.integer('files'), directories: counts.integer('directories'), symlinks: counts.integer('symlinks') },
    bytes: fields.integer('bytes'),
    added: { bytes: added.integer('bytes'), storedBytes: added.integer('storedBytes') },
    manifest: { bytes: manifest.integer('bytes'), chunks: manifest.list('chunks', hash) },
    program: fields.string('program', 1024),
  }
}

function readGit(git: Fields): GitState {
  const branch = git.optionalString('branch', 1024)
  return {
    commit: git.string('commit', 1024),
    ...(branch === undefined ? {} : { branch }),
    ...(git.has('dirty') ? { dirty: git.boolean('dirty') } : {}),
  }
}

function readIncomplete(incomplete: Fields): { files: number; carried: number } {
  const files = incomplete.integer('files')
  const carried = incomplete.integer('carried')
  if (files < 1) return incomplete.fail('files', 'is 0')
  if (carried > files) return incomplete.fail('carried', 'is more than files')
  return { files, carried }
}

/** Names a version for people: `data@1a2b3c4d`. */
export function versionLabel({ name, id }: Pick<StoredSnapshot, 'name' | 'id'>): string {
  return `${name}@${id.slice(0, 8)}`
}

/**
 * Rule 5: a snapshot that the store created after the commit window of its listing is no commit by itself. It counts
 * only while everything that it needs is there.
 */
export function isLate(snapshot: StoredSnapshot): boolean {
  return snapshot.ref.created > snapshot.listed + COMMIT_WINDOW_MS
}
