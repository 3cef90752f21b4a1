// Controls (C0, C1, DEL), lone surrogates, line and paragraph separators, and invisible characters, such as those that
// change the writing direction. Emoji are joined, and variants of characters chosen, by invisible ones that may stay.
const UNPRINTABLE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}\p{Default_Ignorable_Code_Point}](?<!\p{Variation_Selector}|[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]\u200d(?=\p{Extended_Pictographic}))/gu
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.codePointAt(0)!
  if (code < 0x80) return SHORT[character] ?? `\\x${code.toString(16).padStart(2, '0')}`
  if (code > 0xffff) return `\\u{${code.toString(16)}}`
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code & 0xff).toString(16)}`
  return `\\u${code.toString(16).padStart(4, '0')}`
}

/**
 * One line that is safe to show. Control characters become `\x1b`, `\n`, `\u202e`, ... A byte of a name that is not
 * UTF-8 is a lone surrogate U+DC80..U+DCFF, and becomes `\xff`. Applying it twice changes nothing more.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}

// Google's access and refresh tokens, login codes, client secrets, bearer headers, and ids of resumable uploads, which
// allow anyone to write
const SECRET =
  /\bya29\.[\w.-]+|\b1\/\/[\w-]{20,}|\b4(?:\/|%2F)0[\w-]{10,}|\bGOCSPX-[\w-]+|\bBearer\s+[\w.~+/=-]+|\b(?:upload_id|access_token|refresh_token|client_secret)=[\w.~%+/-]+/g

/** The last guard against tokens in messages from any source. */
export function redacted(text: string): string {
  return text.replace(SECRET, '[secret]')
}
