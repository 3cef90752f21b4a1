import { open } from 'node:fs/promises'
import type { Chunker } from '../../chunking/chunker.ts'
import { type Fingerprint, fingerprintOf, sameFingerprint } from '../../local/fingerprint.ts'
import type { LocalItem } from '../../local/look-at.ts'
import { AS_LISTED, readAt } from '../../local/read-at.ts'
import { AppError, errnoOf, isAppError } from '../../util/errors.ts'
import { HASH_BYTES, sha256Hex } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'
import { plural } from '../../util/words.ts'
import type { Entry } from '../format/manifest.ts'
import type { OpenRepository } from '../open/open.ts'
import { readManifest } from '../read/read-manifest.ts'
import { FileChangedError, readFileChunks } from '../source/file-reader.ts'
import type { StatCache } from '../source/stat-cache.ts'
import { readSnapshots } from '../versions/versions.ts'

/** A file is compared with at most this many versions of it that are cut in other ways than a push would cut it now. */
const MAX_OTHER_CUTS = 16

/** A local file or symlink that a pull would overwrite or delete. */
export interface UnsavedFile {
  /** As in the manifest. */
  path: string
  localPath: string
  item: LocalItem
}

/**
 * Finds the items of `endangered` whose content no version of that name has at that path. They may be the only copy.
 * Reads local files, and manifests from the newest to older ones, as many as necessary. Time: linear in the bytes of
 * these.
 */
export async function findUnsavedFiles(
  repository: OpenRepository,
  name: string,
  endangered: readonly UnsavedFile[],
  chunker: Chunker,
): Promise<UnsavedFile[]> {
  const pending = new Map<string, { item: UnsavedFile; matches: Matcher }>()
  const unknown: UnsavedFile[] = []
  for (const item of endangered) {
    const matches = await matcherOf(item, repository, chunker)
    if (matches) pending.set(item.path, { item, matches })
    else unknown.push(item)
  }
  if (pending.size === 0) return unknown
  const refs = repository.view.inventory.snapshots.filter(ref => ref.name === name)
  for (const ref of refs.reverse()) {
    const [snapshot] = await readSnapshots(repository, repository.view, [ref])
    if (!snapshot) continue
    try {
      for await (const entry of readManifest(repository, snapshot)) {
        if (await pending.get(entry.path)?.matches(entry)) pending.delete(entry.path)
        if (pending.size === 0) return unknown
      }
    } catch (error) {
      // what a version can't show, it does not hold
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
    }
  }
  return [...unknown, ...Array.from(pending.values(), ({ item }) => item)]
}

/** A test for a manifest entry with the content of an item. */
type Matcher = (entry: Entry) => boolean | Promise<boolean>

/** Undefined if no version can have this content. */
async function matcherOf({ localPath, item }: UnsavedFile, repository: OpenRepository, chunker: Chunker): Promise<Matcher | undefined> {
  if (item.type === 'symlink') return entry => entry.type === 'symlink' && entry.target === item.target
  if (item.type !== 'file') return undefined
  const { fingerprint } = item
  try {
    const known = await storedChunks(localPath, fingerprint, repository, chunker)
    const tried = new Set<string>()
    return async entry => {
      if (entry.type !== 'file' || entry.size !== fingerprint.size) return false
      if (known?.equals(entry.chunks)) return true
      // older programs knew fewer formats, and the cuts of some files depend on a file beside them
      const key = sha256Hex(entry.chunks)
      if (tried.has(key) || tried.size === MAX_OTHER_CUTS) return false
      tried.add(key)
      return isMadeOf(localPath, fingerprint, entry.chunks, repository)
    }
  } catch (error) {
    // a file that is being written now, or can't be read, counts as unsaved
    if (error instanceof FileChangedError || errnoOf(error) !== undefined) return undefined
    throw error
  }
}

/** The chunks of a local file, as a push would cut it now; undefined if the repository lacks one of them. */
async function storedChunks(
  localPath: string,
  fingerprint: Fingerprint,
  { index }: OpenRepository,
  chunker: Chunker,
): Promise<Buffer | undefined> {
  const ids: Buffer[] = []
  for await (const { id } of readFileChunks(localPath, fingerprint, chunker)) {
    if (index.find(id) < 0) return undefined
    ids.push(id)
  }
  return Buffer.concat(ids)
}

/**
 * Whether a local file consists of these chunks. Reads it up to the first difference. False for one that can't be read.
 */
async function isMadeOf(localPath: string, expected: Fingerprint, chunks: Buffer, { index }: OpenRepository): Promise<boolean> {
  const file = await open(fsPath(localPath), AS_LISTED).catch(() => undefined)
  if (file === undefined) return false
  try {
    let position = 0
    for (let at = 0; at < chunks.length; at += HASH_BYTES) {
      const entry = index.find(chunks, at)
      if (entry < 0) return false
      const bytes = await readAt(file, position, index.length(entry))
      if (!index.chunkKeys.idOf(bytes).equals(chunks.subarray(at, at + HASH_BYTES))) return false
      position += bytes.length
    }
    return position === expected.size && sameFingerprint(fingerprintOf(await file.stat({ bigint: true })), expected)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  } finally {
    await file.close()
  }
}

export function wouldOverwrite(paths: readonly string[]): AppError {
  return new AppError(
    'would-overwrite',
    `${plural(paths.length, 'local file holds', 'local files hold')} content that is in no version of the repository, and would be overwritten or deleted.`,
    {
      hint: 'Push or move them first, or lose them with --force.',
      list: paths,
    },
  )
}

/** The items for which a version with their content is not enough, and that this machine has not pushed as they are. */
export function findUnprovenFiles(
  endangered: readonly UnsavedFile[],
  { needsProof, cache }: { needsProof?: ((path: string) => boolean) | undefined; cache: StatCache | undefined },
): UnsavedFile[] {
  const isPushed = ({ path, item }: UnsavedFile): boolean => item.type === 'file' && cache?.lookup(path, item.fingerprint) !== undefined
  return needsProof ? endangered.filter(file => needsProof(file.path) && !isPushed(file)) : []
}

export function replacesUnproven(paths: readonly string[]): AppError {
  return new AppError(
    'would-overwrite',
    `${plural(paths.length, 'local file')} would be overwritten or deleted that the command does not name, and that this machine has not pushed from there as it is now.`,
    {
      hint: 'Name the file as the destination, pull into another folder, leave it out with --exclude, or lose it with --force.',
      list: paths,
    },
  )
}
