import { messageOf } from '../util/errors.ts'
import { sha256Hex } from '../util/hash.ts'
import { encodePath } from '../util/paths.ts'

/**
 * The temporary name, beside its destination, of a file that is not complete yet. The name depends on the content, so
 * that a second pull finds the file of an interrupted one.
 */
export function partName(path: string, content: Uint8Array): string {
  return `.colab-escape-${sha256Hex(Buffer.concat([encodePath(path), Buffer.from([0]), content])).slice(0, 24)}.part`
}

const PART = /^\.colab-escape-[0-9a-f]{24}\.part$/

export function isPartName(name: string): boolean {
  return PART.test(name)
}

/** Why a file that is not complete stays, such as in a folder in which files can only be added. */
export function describeLeftPart(path: string, error: unknown): string {
  return `the unfinished file ${path} stays there, because it can't be removed: ${messageOf(error)}`
}

/** Why no further file is begun in such a folder. */
export const ONLY_ADDS = 'files in its folder can be neither renamed nor removed'
