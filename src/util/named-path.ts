import { decodeFileName, encodePath } from './paths.ts'

const ESCAPE = /\\(?:(\\)|([nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\})/gi
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** The character of an escape; undefined if there is none with this number. */
function unescaped(control: string | undefined, byte: string | undefined, code: string | undefined): string | undefined {
  if (control !== undefined) return CONTROLS[control]
  const number = parseInt((byte ?? code)!, 16)
  if (byte !== undefined) return String.fromCharCode(number < 0x80 ? number : 0xdc00 + number)
  return number <= 0x10ffff ? String.fromCodePoint(number) : undefined
}

/**
 * The paths that a text may mean, in the order in which they are to be looked for: what `shownPath` of `ui` prints
 * this way, then what has these very characters as its name.
 */
export function namedPaths(text: string): string[] {
  if (!text.includes('\\')) return [text]
  const read = text.replace(ESCAPE, (whole, backslash, control?: string, byte?: string, short?: string, long?: string) =>
    backslash === undefined ? (unescaped(control, byte, short ?? long) ?? whole) : '\\',
  )
  // several bytes that are written one by one may be a character
  const path = decodeFileName(encodePath(read))
  return path === text ? [text] : [path, text]
}

/**
 * A pattern in gitignore syntax in which escapes of `shownPath` of `ui` stand for their characters, never for what the
 * pattern means by these: `\x20` is a space at the end. `\\` and all others are left to it, where they mean the same.
 */
export function namedPattern(pattern: string): string {
  if (!pattern.includes('\\')) return pattern
  const read = pattern.replace(ESCAPE, (whole, backslash, control?: string, byte?: string, short?: string, long?: string) =>
    backslash === undefined ? (unescaped(control, byte, short ?? long)?.replace(/^[ -.:-@[-`{-~]$/, '\\$&') ?? whole) : whole,
  )
  return decodeFileName(encodePath(read))
}
