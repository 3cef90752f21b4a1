/*
 * Encodes, decodes and checks every object of a repository: names, config, snapshots, labels, tombs, packs,
 * directories, indexes and manifests. It reads and writes no store.
 */

import type { Listing, StoredObject } from '../../storage/storage.ts'
import { corrupt, AppError } from '../../util/errors.ts'
import { toHex } from '../../util/hash.ts'

export const CONFIG_NAME = 'config.json'
/** Says what the folder is, for people. No program reads it, and it makes no repository. */
export const README_NAME = 'README.txt'

export const packName = (id: string): string => `pack-${id}`
export const indexName = (id: string): string => `index-${id}`
export const labelName = (id: string): string => `label-${id}.json`
export const tombName = (id: string): string => `tomb-${id}.json`

/** `20261122T182401123Z`: the width is fixed, so that names sort by time. */
export function compactTime(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:.]/g, '')
}

function parseCompactTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/.exec(text)
  if (!parts) return undefined
  const [, year, month, day, hour, minute, second, ms] = parts.map(Number)
  const time = Date.UTC(year!, month! - 1, day, hour, minute, second, ms)
  return compactTime(time) === text ? time : undefined
}

/**
 * Replaces each byte of the UTF-8 text by %XX if it is not a letter, a digit, `.`, `_` or `-`. The result is a legal
 * file name on every platform.
 */
function percentEncode(name: string): string {
  return Array.from(Buffer.from(name, 'utf8'), byte => {
    const char = String.fromCharCode(byte)
    return /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }).join('')
}

function percentDecode(text: string): string | undefined {
  if (!/^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+$/.test(text)) return undefined
  const bytes = Buffer.from(
    text.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  )
  const name = bytes.toString('utf8')
  // one name has one text: no byte is escaped that need not be
  return percentEncode(name) === text ? name : undefined
}

/** The content of a snapshot's object name: enough to order versions and to find one by its id. */
export interface SnapshotRef {
  objectName: string
  /** In its normal form, which an older program may not have written. */
  name: string
  /** The snapshot's own time, ms since 1970. */
  time: number
  /** First 16 hex digits of the snapshot's id. */
  shortId: string
  /** When the store created the object, ms since 1970. */
  created: number
  /**
   * When the version was made, ms since 1970: its own time, unless a wrong clock made that absurd. Orders versions, and
   * is what people and retention rules mean by its time.
   */
  effectiveTime: number
}

/** A time of a version this far (ms) ahead of the store's clock is absurd: no push waits that long. */
const MOST_AHEAD_MS = 24 * 60 * 60 * 1000

/** True if a clock that was wrong gave this time. `now` is that of the inventory; both in ms since 1970. */
export function isAbsurdTime(time: number, now: number): boolean {
  return time > now + MOST_AHEAD_MS
}

export function snapshotObjectName(time: number, id: string, name: string): string {
  return `snapshot-${compactTime(time)}-${id.slice(0, 16)}-${percentEncode(name)}.json`
}

const SNAPSHOT = /^snapshot-(\d{8}T\d{9}Z)-([0-9a-f]{16})-(.+)\.json$/

/** The parts of a snapshot's object name, the name as it is written there. Undefined for any other text. */
export function snapshotNameParts(objectName: string): Pick<SnapshotRef, 'name' | 'time' | 'shortId'> | undefined {
  const parts = SNAPSHOT.exec(objectName)
  if (!parts) return undefined
  const time = parseCompactTime(parts[1]!)
  const name = percentDecode(parts[3]!)
  const shortId = parts[2]!
  if (time === undefined || name === undefined || nameProblem(name) !== undefined) return undefined
  // another spelling of the name would make the same version count twice
  return snapshotObjectName(time, shortId, name) === objectName ? { name, time, shortId } : undefined
}

export function parseSnapshotObjectName({ name: objectName, created }: StoredObject): SnapshotRef | undefined {
  const parts = snapshotNameParts(objectName)
  if (!parts) return undefined
  const { name, time, shortId } = parts
  return { objectName, name: normalName(name), time, shortId, created, effectiveTime: time }
}

/** Orders versions by (effective time, own time, id). */
export function compareSnapshots(a: SnapshotRef, b: SnapshotRef): number {
  return a.effectiveTime - b.effectiveTime || a.time - b.time || (a.shortId < b.shortId ? -1 : a.shortId > b.shortId ? 1 : 0)
}

/** Why `name` can't be the name of a version, or undefined if it can. */
export function nameProblem(name: string): string | undefined {
  const bytes = Buffer.byteLength(name, 'utf8')
  if (bytes === 0) return 'it is empty'
  if (bytes > 64) return `${lengthOf(name, bytes)}, 64 are allowed`
  // eslint-disable-next-line no-control-regex
  if (/[/\\:@~\u0000-\u001f\u007f-\u009f]/.test(name)) return 'it contains one of / \\ : @ ~ or a control character'
  if (name === '.' || name === '..') return 'it is a relative path'
  if (!name.isWellFormed()) return 'it is not valid Unicode'
  return undefined
}

function lengthOf(name: string, bytes: number): string {
  const characters = Array.from(name).length
  return characters === bytes ? `it is ${bytes} bytes long` : `its ${characters} characters are ${bytes} bytes long in UTF-8`
}

/**
 * The form in which names are compared and written. A keyboard gives `é` as one code point, a folder of macOS as two:
 * both are one name.
 */
export const normalName = (name: string): string => name.normalize('NFC')

export function checkName(written: string): string {
  const name = normalName(written)
  const problem = nameProblem(name)
  if (problem !== undefined)
    throw new AppError('usage', `${JSON.stringify(name)} can't be a name: ${problem}.`, {
      hint: 'Choose a name of 1 to 64 bytes without / \\ : @ ~, e.g. --name data.',
    })
  return name
}

/** The objects of a listing by their kinds. Packs, indexes, labels and tombs are keyed by the id in their name. */
export interface Inventory {
  asOf: number
  /** `asOf`, unless the store's clock is behind: then a time at which it was right, as far as its objects show. */
  now: number
  hasConfig: boolean
  /** When the store created the config, ms since 1970. */
  configCreated: number | undefined
  /** The config's SHA-256, if the store knows it. */
  configHash: string | undefined
  packs: Map<string, StoredObject>
  indexes: Map<string, StoredObject>
  labels: Map<string, StoredObject>
  tombs: Map<string, StoredObject>
  snapshots: SnapshotRef[]
  features: string[]
  /** Objects that look like ours by names that ours never have. Another program has renamed or copied them. */
  mangled: MangledObject[]
  /**
   * Entries that look like our objects but can't be read as such: links, folders, and what lies in folders. Their
   * `size` is 0.
   */
  misplaced: MangledObject[]
  /** True if no object is ours. */
  empty: boolean
  /** How many objects are not ours. A README.txt does not count. */
  foreign: number
}

/** An object under a name such as `Copy of snapshot-...` or `pack-... (1)`. */
export interface MangledObject {
  name: string
  /** What its name says that it was. */
  kind: ObjectKind
  /** Bytes. */
  size: number
}

/** For messages: why a misplaced object is not used. */
export function describeMisplaced(name: string): string {
  return `${name} looks like an object of this repository, but ${name.includes('/') ? 'lies in a folder of its own' : 'is a link or a folder'}, so it is not used`
}

export const MISPLACED_HINT =
  'Move the file itself into the folder of the repository, under the same name. If it is not of this repository, move it elsewhere.'

export type ObjectKind = 'pack' | 'index' | 'snapshot' | 'label' | 'tomb'

/** What an object that is not named as one of ours may have been; undefined if its name looks like none of them. */
export function kindOfMangled(name: string): ObjectKind | undefined {
  const found = /(snapshot)-|(pack|index|label|tomb)-[0-9a-f]{8}/i.exec(name)
  return (found?.[1] ?? found?.[2])?.toLowerCase() as ObjectKind | undefined
}

const HASHED = /^(pack|index)-([0-9a-f]{64})$|^(label|tomb)-([0-9a-f]{64})\.json$/

/** The digits in an object's name with which its SHA-256 begins, in hex. Undefined for the config and others' files. */
export function hashInName(name: string): string | undefined {
  const hashed = HASHED.exec(name)
  return hashed?.[2] ?? hashed?.[4] ?? SNAPSHOT.exec(name)?.[2]
}

/** True for every name that an object of a repository may have, also a damaged name. */
export function isOurs(name: string): boolean {
  return name === CONFIG_NAME || name === README_NAME || /^(pack|index|snapshot|label|tomb|object|feature)-|^key-[0-9a-f]{16}-/.test(name)
}

const BEGINNING = /^(?:snapshot-\d{8}T\d{9}Z-[0-9a-f]{8}|snapshot-[0-9a-f]{64}-|(?:pack|index|label|tomb)-[0-9a-f]{8})/

/** True for a name that begins as only ours do. A file such as `label-list.txt` or `config.json` may be a person's. */
export function isSurelyOurs(name: string): boolean {
  return BEGINNING.test(name)
}

/** True if a changed name still has digits of an id of ours: `vm-snapshot-2026.img` may be a person's. */
export function hasDigitsOfOurs({ name, kind }: MangledObject): boolean {
  return kind !== 'snapshot' || /snapshot-\d{8}T\d{9}Z-[0-9a-f]{8}/i.test(name)
}

/** Time and memory: linear in the listing, but for sorting. */
export function takeInventory(listing: Listing): Inventory {
  const inventory: Inventory = {
    asOf: listing.asOf,
    now: credibleTime(listing),
    hasConfig: false,
    configCreated: undefined,
    configHash: undefined,
    packs: new Map(),
    indexes: new Map(),
    labels: new Map(),
    tombs: new Map(),
    snapshots: [],
    features: [],
    mangled: [],
    misplaced: [],
    empty: true,
    foreign: 0,
  }
  let readmes = 0
  const byKind = { pack: inventory.packs, index: inventory.indexes, label: inventory.labels, tomb: inventory.tombs }
  for (const object of listing.objects) {
    const { name, size, created } = object
    const hashed = HASHED.exec(name)
    const snapshot = parseSnapshotObjectName(object)
    const mangled = kindOfMangled(name)
    if (name === CONFIG_NAME) {
      inventory.hasConfig = true
      inventory.configHash = object.sha256
      inventory.configCreated = created
    } else if (hashed) byKind[(hashed[1] ?? hashed[3]) as keyof typeof byKind].set((hashed[2] ?? hashed[4])!, object)
    else if (snapshot) inventory.snapshots.push(withEffectiveTime(snapshot, inventory.now))
    else if (name.startsWith('feature-')) inventory.features.push(name.slice('feature-'.length))
    else if (mangled) inventory.mangled.push({ name, kind: mangled, size })
    else if (name === README_NAME) readmes++
    else inventory.foreign++
  }
  inventory.misplaced = findMisplaced(listing)
  inventory.empty = listing.objects.length === inventory.foreign + readmes
  inventory.snapshots.sort(compareSnapshots)
  return inventory
}

/** Stricter than for mangled objects: people and backup programs make folders such as `snapshot-2026`. */
const MISPLACED = /(snapshot)-\d{8}T|(pack|index|label|tomb)-[0-9a-f]{8}/i

function findMisplaced({ objects, misplaced = [] }: Listing): MangledObject[] {
  if (misplaced.length === 0) return []
  const there = new Set(objects.map(({ name }) => name))
  return misplaced.flatMap(name => {
    const own = name.slice(name.lastIndexOf('/') + 1)
    const found = MISPLACED.exec(own)
    // a copy of what is also in its right place is not missed
    if (!found || there.has(own)) return []
    return [{ name, kind: (found[1] ?? found[2])!.toLowerCase() as ObjectKind, size: 0 }]
  })
}

/** Takes the time at which the store created a version, if its own time is absurd. */
function withEffectiveTime(ref: SnapshotRef, now: number): SnapshotRef {
  return isAbsurdTime(ref.time, now) ? { ...ref, effectiveTime: Math.min(ref.created, now) } : ref
}

/** Objects that are this much (ms) newer than most others were made under a clock that was ahead. */
const OUTLIER_MS = 10 * 365 * 24 * 60 * 60 * 1000

/**
 * The time by the store's clock. If most objects are from its future, the clock is behind now, as on a machine that has
 * lost its battery. Then the newest object tells the time. A few objects from the future were made by a clock that was
 * ahead.
 */
function credibleTime({ asOf, objects }: Listing): number {
  const times = objects.map(({ created }) => created).sort((a, b) => a - b)
  const median = times[times.length >> 1]
  if (median === undefined || median <= asOf + MOST_AHEAD_MS) return asOf
  return times.findLast(time => time <= median + OUTLIER_MS)!
}

/** Returns a test for an id, 64 hex digits: true if a listing has an object of this kind with it. */
export function listedIds(inventory: Inventory): (kind: ObjectKind, id: string) => boolean {
  const { packs: pack, indexes: index, labels: label, tombs: tomb } = inventory
  const snapshots = new Set(inventory.snapshots.map(({ shortId }) => shortId))
  return (kind, id) => (kind === 'snapshot' ? snapshots.has(id.slice(0, 16)) : { pack, index, label, tomb }[kind].has(id))
}

/** Puts tombs first, in place: no push may use the packs that they name once these are back. */
export function tombsFirst(names: string[]): string[] {
  return names.sort((a, b) => Number(b.startsWith('tomb-')) - Number(a.startsWith('tomb-')))
}

/** Throws `corrupt` if `hash`, the SHA-256 of an object's bytes, is not the one in the object's name. */
export function verifyObjectHash(what: string, expectedHex: string, hash: Uint8Array): void {
  if (!toHex(hash).startsWith(expectedHex)) throw corrupt(what, 'its content does not match the checksum in its name')
}
