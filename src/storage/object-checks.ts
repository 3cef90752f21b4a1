import { AppError, corrupt } from '../util/errors.ts'
import { formatCount } from '../util/words.ts'
import { badRange } from './errors.ts'
import { isEntryName, isObjectName, MAX_OBJECT_BYTES, type ByteRange } from './storage.ts'

/** The first step of every `put`: refuses a name that could be another object on some platform (`io`). */
export function checkName(name: string): void {
  if (!isObjectName(name)) refuse(name)
}

/** The first step of every `get` and `remove`: refuses a name that could leave the folder (`io`). */
export function checkEntryName(name: string): void {
  if (!isEntryName(name)) refuse(name)
}

function refuse(name: string): never {
  throw new AppError('io', `No store can hold an object named ${JSON.stringify(name)}.`, {
    hint: 'Nothing was read or changed. Please report this: a repository never makes such a name.',
  })
}

export function checkSize(name: string, bytes: Uint8Array): void {
  if (bytes.length <= MAX_OBJECT_BYTES) return
  throw new AppError(
    'io',
    `The object ${name} has ${formatCount(bytes.length)} bytes, more than the ${MAX_OBJECT_BYTES} that a store has to hold.`,
    {
      hint: 'Nothing was stored. Please report this: a repository never makes such an object.',
    },
  )
}

/**
 * Half-open bounds of `range` (default: everything) in an object of `size` bytes. Throws `bad-range` when the range is
 * not within the object.
 */
export function resolveRange(name: string, size: number, range: ByteRange | undefined): { start: number; end: number } {
  const start = range === undefined ? 0 : range.offset < 0 ? size + range.offset : range.offset
  const end = range === undefined ? size : start + range.length
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > size)
    throw badRange(name, size, range)
  if (end - start > MAX_OBJECT_BYTES) throw corrupt(name, `it has ${formatCount(size)} bytes, more than any object may have`)
  return { start, end }
}
