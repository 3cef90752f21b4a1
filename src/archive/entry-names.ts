/** A byte of a name that is not UTF-8, as `decodeFileName` represents it. */
const ESCAPED_BYTE = /[\udc80-\udcff]/g
/** A prefix that the zip library takes for a drive letter and drops. */
const DRIVE = /^(\w+):/

/** Names in archives are UTF-8. Any other byte is written as %FF. */
export function tarName(path: string): string {
  return path.replace(ESCAPED_BYTE, char => percent(char.charCodeAt(0) - 0xdc00))
}

/** A name in a zip must not contain a drive letter, or a backslash, which separates folders on some systems. */
export function zipName(path: string): string {
  return tarName(path)
    .replaceAll('\\', percent(0x5c))
    .replace(DRIVE, (_, drive: string) => drive + percent(0x3a))
}

/** Names that the tar library would change. A pax header carries them unchanged. */
export function needsPaxPath(name: string): boolean {
  return name.includes('\\') || DRIVE.test(name)
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
