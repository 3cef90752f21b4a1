import { comparePaths } from '../../util/paths.ts'
import type { Entry } from '../format/manifest.ts'

export type Difference =
  | { kind: 'added'; path: string; after: Entry }
  | { kind: 'removed'; path: string; before: Entry }
  /** Paths with other content, another target, or another type. */
  | { kind: 'changed'; path: string; before: Entry; after: Entry }
  /** Paths with equal content and another mode or time. */
  | { kind: 'touched'; path: string; before: Entry; after: Entry }

/** Manifest entries as an array, or as they are read. */
export type Entries = Iterable<Entry> | AsyncIterable<Entry>

/** Whether two entries of one type count as equal in mode and time. */
type SameAttributes = (before: Entry, after: Entry) => boolean

const sameAttributes: SameAttributes = (before, after) => before.mode === after.mode && before.mtime === after.mtime

/**
 * Yields the differences between two lists of manifest entries, both sorted by path. Holds one entry of each list at a
 * time.
 */
export async function* compareEntries(before: Entries, after: Entries, same = sameAttributes): AsyncGenerator<Difference> {
  const left = iteratorOf(before)
  const right = iteratorOf(after)
  let a = await left.next()
  let b = await right.next()
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : comparePaths(a.value.path, b.value.path)
    if (order < 0) {
      const entry = a.value as Entry
      yield { kind: 'removed', path: entry.path, before: entry }
      a = await left.next()
    } else if (order > 0) {
      const entry = b.value as Entry
      yield { kind: 'added', path: entry.path, after: entry }
      b = await right.next()
    } else {
      const pair = { path: (a.value as Entry).path, before: a.value as Entry, after: b.value as Entry }
      const kind = difference(pair.before, pair.after, same)
      if (kind !== 'same') yield { kind, ...pair }
      a = await left.next()
      b = await right.next()
    }
  }
}

function iteratorOf(entries: Entries): Iterator<Entry> | AsyncIterator<Entry> {
  return Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]()
}

function difference(before: Entry, after: Entry, same: SameAttributes): 'same' | 'changed' | 'touched' {
  if (before.type !== after.type) return 'changed'
  if (before.type === 'file' && after.type === 'file' && !before.chunks.equals(after.chunks)) return 'changed'
  if (before.type === 'symlink' && after.type === 'symlink') return before.target === after.target ? 'same' : 'changed'
  return same(before, after) ? 'same' : 'touched'
}
