/** A small file that stands for a large one, which a program for large files in Git fetches. */
export interface PointerFile {
  program: 'Git LFS' | 'git-annex' | 'git-xet'
  /** What fetches the large file. */
  command: string
  /** Bytes of the large file; undefined if the pointer does not state them. */
  bytes: number | undefined
}

/** A longer file is none: Git LFS writes less than 1024 bytes (`docs/spec.md`), the others fewer. */
export const MAX_POINTER_BYTES = 1023

const KINDS: readonly { program: PointerFile['program']; command: string; start: RegExp; bytes: RegExp }[] = [
  {
    program: 'Git LFS',
    command: 'git lfs pull',
    start: /^version https:\/\/(git-lfs|hawser)\.github\.com\/spec\//,
    bytes: /^size (\d{1,15})$/m,
  },
  { program: 'git-annex', command: 'git annex get', start: /^[/\\]annex[/\\]objects[/\\]/, bytes: /-s(\d{1,15})-/ },
  { program: 'git-xet', command: 'git xet pull', start: /^# xet version /, bytes: /^filesize = (\d{1,15})$/m },
]

/** The pointer that a whole file of these bytes is; undefined for any other file. */
export function pointerOf(bytes: Uint8Array): PointerFile | undefined {
  // v(ersion), /(annex) or #( xet)
  if (bytes.length > MAX_POINTER_BYTES || ![0x76, 0x2f, 0x5c, 0x23].includes(bytes[0] ?? 0)) return undefined
  const text = Buffer.from(bytes).toString('latin1')
  const found = KINDS.find(({ start }) => start.test(text))
  if (found === undefined) return undefined
  const size = found.bytes.exec(text)?.[1]
  return { program: found.program, command: found.command, bytes: size === undefined ? undefined : Number(size) }
}
