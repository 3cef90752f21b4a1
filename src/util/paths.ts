import { homedir } from 'node:os'
import { isAbsolute } from 'node:path'

/**
 * Paths are strings everywhere. A file name that is not UTF-8 is represented as in Python's "surrogateescape" (PEP
 * 383): a byte 0x80..0xFF outside valid UTF-8 becomes the lone surrogate U+DC80..U+DCFF, which no valid UTF-8 name can
 * contain.
 */
export function decodeFileName(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd') || Buffer.from(text, 'utf8').equals(bytes)) return text
  let out = ''
  for (let i = 0; i < bytes.length;) {
    const length = validSequence(bytes, i)
    if (length > 0) {
      out += bytes.toString('utf8', i, i + length)
      i += length
    } else out += String.fromCharCode(0xdc00 + bytes[i++]!)
  }
  return out
}

/** Length of the valid UTF-8 sequence at `i`, or 0. */
function validSequence(bytes: Buffer, i: number): number {
  const lead = bytes[i]!
  const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0
  if (length === 0 || i + length > bytes.length) return 0
  const piece = bytes.subarray(i, i + length)
  return Buffer.from(piece.toString('utf8'), 'utf8').equals(piece) ? length : 0
}

export function encodePath(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path, 'utf8')
  const parts: Buffer[] = []
  let text = ''
  for (const char of path) {
    const code = char.charCodeAt(0)
    if (char.length === 1 && code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(text, 'utf8'), Buffer.from([code - 0xdc00]))
      text = ''
    } else text += char
  }
  return Buffer.concat([...parts, Buffer.from(text, 'utf8')])
}

/** The argument for fs functions: a string, or bytes if the name is not UTF-8. */
export function fsPath(path: string): string | Buffer {
  return path.isWellFormed() ? path : encodePath(path)
}

/**
 * The order of the manifest: by the bytes of the path. It differs from the order of JS strings beyond the BMP and for
 * escaped bytes.
 */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    return x < 0xd800 && y < 0xd800 ? x - y : Buffer.compare(encodePath(a), encodePath(b))
  }
  return a.length - b.length
}

const HOME = process.platform === 'win32' ? /^~(?=[/\\]|$)/ : /^~(?=\/|$)/

/** A path that begins with `~/`, as a shell would have expanded it: none does in files and between quotes. */
export function inHome(path: string): string {
  return HOME.test(path) && isAbsolute(homedir()) ? homedir() + path.slice(1) : path
}

/** A path as a POSIX shell takes it in a command. */
export function shellQuoted(path: string): string {
  return /^[\w@%+=:,./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

/** The folders above a relative path, from the top down. */
export function foldersAbove(path: string): string[] {
  const folders: string[] = []
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) folders.push(path.slice(0, end))
  return folders
}
